"""Waiting for processes that were just started."""

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local.cluster import process


def until(
    done: Callable[[], bool], timeout: float, what: str, owner: Path, started: Mapping[str, subprocess.Popen[bytes]]
) -> None:
    """Wait for `done`, but no longer than the processes that were started for `owner` live.

    Raises RuntimeError with the last words of one that ended, and TimeoutError after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not done():
        for name, each in started.items():
            if each.poll() is not None:
                log = process.log_file(owner, name)
                raise RuntimeError(f"{name} stopped (exit status {each.returncode}). {log} ends with:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout:.0f} s for {what} of the cluster; see {owner / 'logs'}.")
        time.sleep(0.1)


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
