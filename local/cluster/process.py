"""Processes that outlive the command that started them, found again without ever mistaking another's for ours.

Process ids are used again by the system, and a file with ids is lost or half-written when a start is interrupted.
So each process carries in its environment whose it is, and the ones it starts inherit that: reading it back from
/proc finds all of ours, and only ours, also after anything was killed at any moment.
"""

import contextlib
import hashlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MARKER = "AIRFLOW_PLATFORM_PROCESS"


@dataclass(frozen=True)
class Process:
    """What runs: `command` with an absolute program, and `files`, the configuration that it reads, by path.

    `command` must be what the running process shows as its command line.
    """

    name: str
    command: tuple[str, ...]
    files: Mapping[Path, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Changes with the command and the configuration, so that a process of an older one is not taken for it."""
        files = {str(path): text for path, text in self.files.items()}
        return hashlib.sha256(json.dumps([self.command, files], sort_keys=True).encode()).hexdigest()[:16]


def start(
    process: Process, owner: Path, env: Mapping[str, str], wrapper: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Write the configuration files and start the process, detached; its output goes to `owner/logs/<name>.log`.

    `wrapper` is a command that ends by executing what follows it (`nsenter`, `unshare`).
    """
    for path, text in process.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
    log = log_file(owner, process.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [*wrapper, *process.command],
            env={**env, MARKER: f"{owner}:{process.name}:{process.digest}"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # an interrupt at the terminal is for the command, not for the cluster
        )


def log_file(owner: Path, name: str) -> Path:
    """Where the process called `name` writes."""
    return owner / "logs" / f"{name}.log"


def pid(process: Process, owner: Path) -> int | None:
    """The id of `process` where it runs with just this command and configuration, else None."""
    marker = f"{owner}:{process.name}:{process.digest}"
    for candidate in _marked(marker):
        if _command_line(candidate) == process.command:
            return candidate
    return None


def started(process: Process, owner: Path) -> float:
    """When `process` started, in seconds since 1970; 0 where it doesn't run."""
    running = pid(process, owner)
    if running is None:
        return 0.0
    # The name, in parentheses, may hold spaces; the start is 20 fields behind it, in ticks since boot.
    ticks = int(Path(f"/proc/{running}/stat").read_text().rpartition(")")[2].split()[19])
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - since_boot


def running(owner: Path, name: str = "") -> list[int]:
    """Ids of all processes that were started for `owner` (as `name`), and of what they started in turn."""
    return list(_marked(f"{owner}:{name}:" if name else f"{owner}:"))


def kill(owner: Path, name: str = "", timeout: float = 20.0) -> None:
    """Kill the processes that `running` finds and wait until they are gone.

    Raises TimeoutError when one is still there after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while pids := running(owner, name):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Processes {pids} of {owner} are still there {timeout:.0f} s after they were killed.")
        for each in pids:
            _kill(each, f"{owner}:")


def _kill(pid: int, marker: str) -> None:
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            # The id may have changed hands since it was listed; the handle can't.
            if _has_marker(pid, marker):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], 1.0)
        finally:
            os.close(handle)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _marked(marker: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _has_marker(int(entry.name), marker):
            yield int(entry.name)


def _has_marker(pid: int, marker: str) -> bool:
    wanted = f"{MARKER}={marker}".encode()
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone, or a zombie
        return False
    return any(variable.startswith(wanted) for variable in environment.split(b"\0"))


def _command_line(pid: int) -> tuple[str, ...]:
    try:
        return tuple(Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1])
    except OSError:
        return ()
