"""The watch on the API server, against a server that fails as real ones do."""

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from local.network_policy.watch import Watch


class ApiServer:
    """Answers a list method of the Kubernetes client. What a watch is to see is put into `events`."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.down = False
        self.events: queue.Queue[bytes | Exception] = queue.Queue()

    def request(self, *, watch: bool = False, **_: Any) -> "ApiServer":
        if self.down:
            raise ConnectionRefusedError("connection refused")
        return self

    def read(self) -> bytes:
        return json.dumps({"metadata": {"resourceVersion": "1"}, "items": [made(name) for name in self.names]}).encode()

    def stream(self, **_: Any) -> Iterator[bytes]:
        while event := self.events.get():
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        pass


def made(name: str) -> dict[str, Any]:
    return {"metadata": {"uid": name, "name": name}}


def line(kind: str, name: str) -> bytes:
    return json.dumps({"type": kind, "object": made(name)}).encode() + b"\n"


def test_changes_arrive_also_when_an_event_comes_in_pieces() -> None:
    server, changed = ApiServer("old"), threading.Event()
    watch = Watch("pods", server.request, changed)
    eventually(lambda: names(watch) == {"old"})
    changed.clear()
    event = line("ADDED", "new")
    for piece in (event[:10], event[10:] + line("DELETED", "old")):
        server.events.put(piece)
    eventually(lambda: names(watch) == {"new"})
    assert changed.is_set()


def test_what_was_known_stays_while_the_api_server_is_away_and_is_corrected_when_it_is_back() -> None:
    server = ApiServer("stays", "vanishes")
    watch = Watch("pods", server.request, threading.Event())
    eventually(lambda: names(watch) == {"stays", "vanishes"})

    server.down = True
    server.events.put(ConnectionResetError("reset by peer"))
    time.sleep(0.3)
    assert names(watch) == {"stays", "vanishes"}

    server.names, server.down = ("stays", "appeared"), False
    eventually(lambda: names(watch) == {"stays", "appeared"})


def test_a_watch_that_is_told_that_its_version_is_too_old_lists_again() -> None:
    server = ApiServer("old")
    watch = Watch("pods", server.request, threading.Event())
    eventually(lambda: names(watch) == {"old"})
    server.names = ("new",)
    server.events.put(b'{"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}\n')
    eventually(lambda: names(watch) == {"new"})


def names(watch: Watch) -> set[str]:
    return {each["metadata"]["name"] for each in watch.objects()}


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "still not so"
        time.sleep(0.01)
