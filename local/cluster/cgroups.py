"""The cgroup that all pods of the embedded cluster are under: how their processes are found, whoever started them."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

NAME = "airflow-platform"


def create() -> None:
    """Make the cgroup in every hierarchy: the kubelet wants its root to be there."""
    for root in _hierarchies():
        with contextlib.suppress(
            PermissionError
        ):  # a hierarchy that is mounted read-only can't be used for pods either
            (root / NAME).mkdir(exist_ok=True)


def writable() -> bool:
    """Whether a hierarchy for processes is there and can be written."""
    return any(os.access(root, os.W_OK) and (root / "cgroup.procs").exists() for root in _hierarchies())


def remove(timeout: float = 20.0) -> None:
    """Kill every process in the cgroup and remove it from every hierarchy.

    Raises TimeoutError when a process is still there after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while left := _kill_all():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Processes {sorted(left)} of pods are still there {timeout:.0f} s after being killed.")
        time.sleep(0.05)
    for directory in _directories():
        _remove_directory(directory, deadline)


def _kill_all() -> set[int]:
    pids: set[int] = set()
    for directory in _directories():
        with contextlib.suppress(OSError):
            # A process frozen by a runtime that was itself killed would never get its signal.
            (directory / "freezer.state").write_text("THAWED")
        with contextlib.suppress(OSError):
            pids.update(int(line) for line in (directory / "cgroup.procs").read_text().split())
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids


def _remove_directory(directory: Path, deadline: float) -> None:
    while directory.exists():
        try:
            directory.rmdir()
        except OSError:  # the last process's exit takes a moment to be accounted
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _directories() -> Iterator[Path]:
    """Our cgroup and all below it in every hierarchy, the deepest first."""
    for root in _hierarchies():
        if (root / NAME).is_dir():
            yield from (Path(path) for path, _, _ in os.walk(root / NAME, topdown=False))


def _hierarchies() -> list[Path]:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(mount[1]) for mount in mounts if mount[2] in ("cgroup", "cgroup2")]
