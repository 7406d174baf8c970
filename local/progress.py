"""Tells a person what is being done, how far it is and how long it takes."""

import shutil
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

_TTY_INTERVAL = 0.5
_LOG_INTERVAL = 15.0
_QUIET_SECONDS = 2.0


class Step:
    """One piece of work on the screen. `update` says how far it is; `cached` that there was nothing to do."""

    def __init__(self, what: str, expected: str) -> None:
        self._what = what
        self._expected = expected
        self._start = time.monotonic()
        self._detail = ""
        self._nothing_done = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)
        self._thread.start()

    def update(self, detail: str) -> None:
        """Say how far it is, for example `3 of 9: kubelet`."""
        self._detail = detail

    def cached(self, why: str = "cached") -> None:
        """Say that there was nothing to do, and why."""
        self._nothing_done = why

    def finish(self, end: str) -> None:
        """Stop reporting and print how it ended (`done`, `failed`); quick steps get one line in all."""
        self._done.set()
        self._thread.join()
        elapsed = time.monotonic() - self._start
        _clear_live_line()
        if self._nothing_done and end == "done":
            print(f"  {self._what}: {self._nothing_done}", flush=True)
        else:
            print(f"  {self._what}: {end} ({seconds(elapsed)})", flush=True)

    def _report(self) -> None:
        live = sys.stdout.isatty()
        wait = _QUIET_SECONDS
        while not self._done.wait(wait):
            wait = _TTY_INTERVAL if live else _LOG_INTERVAL
            self._print_progress(live)

    def _print_progress(self, live: bool) -> None:
        elapsed = seconds(time.monotonic() - self._start)
        expected = f" of about {self._expected}" if self._expected else ""
        detail = f", {self._detail}" if self._detail else ""
        line = f"  {self._what} … {elapsed}{expected}{detail}"
        if live:
            # A line that wraps can't be cleared by going back to its start; the terminal adds ^C to an interrupted one.
            print(f"\r\x1b[2K{line[: shutil.get_terminal_size().columns - 3]}", end="", flush=True)
        else:
            print(line, flush=True)


@contextmanager
def step(what: str, expected: str = "") -> Generator[Step]:
    """Report the block as one step: `what` is done, and how long it usually takes (`6 min`).

    A step longer than 2 s shows itself while it runs: a live line on a terminal, a line each 15 s elsewhere. Each step
    ends with one line: how it ended and after how long. An error that leaves it carries the step's name as a note.
    """
    current = Step(what, expected)
    end = "failed"
    try:
        yield current
        end = "done"
    except KeyboardInterrupt:
        end = "interrupted"
        raise
    except BaseException as error:
        error.add_note(what)
        raise
    finally:
        current.finish(end)


def seconds(elapsed: float) -> str:
    """`elapsed` seconds for a person: `0.4 s`, `12 s`, `3 min 5 s`."""
    if elapsed < 10:
        return f"{elapsed:.1f} s"
    if elapsed < 60:
        return f"{elapsed:.0f} s"
    return f"{int(elapsed) // 60} min {int(elapsed) % 60} s"


def _clear_live_line() -> None:
    if sys.stdout.isatty():
        print("\r\x1b[2K", end="")
