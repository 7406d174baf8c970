"""The addresses of pods as the CNI plugins give them: before a pod's first container starts.

The kubelet tells the API server up to a second later, and meanwhile all that the pod sends would be dropped: a second
until TCP tries again, and two to five until a resolver does.
"""

import ctypes
import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_IN_CLOSE_WRITE, _IN_DELETE = 0x8, 0x200
_libc = ctypes.CDLL(None, use_errno=True)


def watch(directory: Path, changed: threading.Event) -> None:
    """Set `changed` whenever a result is written to `directory` (made if missing) or deleted, from now on.

    Raises OSError where the kernel can't watch it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    events = _libc.inotify_init1(os.O_CLOEXEC)
    if events < 0 or _libc.inotify_add_watch(events, os.fsencode(directory), _IN_CLOSE_WRITE | _IN_DELETE) < 0:
        raise OSError(ctypes.get_errno(), "inotify", str(directory))

    def follow() -> None:
        while os.read(events, 65536):
            changed.set()

    threading.Thread(target=follow, name="CNI results", daemon=True).start()


def with_addresses(pods: Iterable[Mapping[str, Any]], directory: Path) -> list[Mapping[str, Any]]:
    """The pods; those whose address the API does not know yet with the one from the results in `directory`."""
    pods = list(pods)
    if all(_address_known(pod) for pod in pods):
        return pods
    addresses = _addresses(directory)
    return [
        pod
        if _address_known(pod) or not (address := addresses.get(pod["metadata"]["uid"]))
        else {**pod, "status": {**pod.get("status", {}), "podIP": address}}
        for pod in pods
    ]


def _address_known(pod: Mapping[str, Any]) -> bool:
    return bool(pod.get("status", {}).get("podIP"))


def _addresses(directory: Path) -> dict[str, str]:
    """The IPv4 address of each pod, by its UID, from the results that the CNI library keeps for its own use."""
    found: dict[str, str] = {}
    for file in directory.iterdir():
        try:
            kept = json.loads(file.read_text())
        except (FileNotFoundError, ValueError):  # deleted meanwhile, or not all written: an event will follow
            continue
        uid = dict(kept.get("cniArgs") or []).get("K8S_POD_UID")
        for each in kept["result"].get("ips") or []:
            address = each["address"].split("/")[0]
            if uid and "." in address and not address.startswith("127."):  # the loopback plugin has results too
                found[uid] = address
    return found
