"""Keeps the objects of one kind as the API server has them, through its restarts."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

_LOG = logging.getLogger(__name__)
_RESYNC_SECONDS = 60  # a watch that misses something, or hangs, misses it no longer than this
_CONNECT_SECONDS = 5
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 1.0


class Watch:
    """The objects of one kind; `changed` is set whenever they may have changed.

    `request` is a list method of the Kubernetes client. Until the first list (`synced`) nothing is known; after a
    loss of the API server what was known last stays until it answers again.
    """

    def __init__(self, kind: str, request: Callable[..., Any], changed: threading.Event) -> None:
        self.synced = threading.Event()
        self._kind = kind
        self._request = request
        self._changed = changed
        self._objects: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name=kind, daemon=True).start()

    def objects(self) -> list[dict[str, Any]]:
        """The objects as they are known now. They are not to be changed."""
        with self._lock:
            return list(self._objects.values())

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                version = self._list()
                pause = _FIRST_PAUSE_SECONDS
                self._follow(version)
            except Exception as error:  # whatever it was: a watch that ends leaves new pods without a network
                reason = " ".join(str(error).split())[:300]
                _LOG.warning("Lost the watch on %s, listing again in %.1f s: %s", self._kind, pause, reason)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _list(self) -> str:
        response = self._request(_preload_content=False, _request_timeout=(_CONNECT_SECONDS, _RESYNC_SECONDS))
        found = json.loads(response.read())
        with self._lock:
            self._objects = {each["metadata"]["uid"]: each for each in found["items"]}
        self.synced.set()
        self._changed.set()
        return found["metadata"]["resourceVersion"]

    def _follow(self, version: str) -> None:
        """Apply changes since `version` until it is time to list again. Raises RuntimeError when the server says so."""
        for event in self._events(version):
            found = event["object"]
            if event["type"] == "ERROR":  # most often 410: the version is too old
                raise RuntimeError(found.get("message") or "no reason given")
            with self._lock:
                if event["type"] == "DELETED":
                    self._objects.pop(found["metadata"]["uid"], None)
                else:
                    self._objects[found["metadata"]["uid"]] = found
            self._changed.set()

    def _events(self, version: str) -> Iterator[dict[str, Any]]:
        response = self._request(
            watch=True,
            resource_version=version,
            timeout_seconds=_RESYNC_SECONDS,
            _preload_content=False,
            _request_timeout=(_CONNECT_SECONDS, _RESYNC_SECONDS + _CONNECT_SECONDS),
        )
        try:
            unfinished = b""
            for chunk in response.stream(amt=None):
                *lines, unfinished = (unfinished + chunk).split(b"\n")
                yield from map(json.loads, lines)
        finally:
            response.close()
