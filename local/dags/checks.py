"""DAGs that the cluster's tests trigger: what a task can read, what it can reach, and that it runs once.

A task here hands back by XCom what it found, so that a test reads it through the API after the task's pod is gone.
"""

import hashlib
import os
import socket
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook, Variable, dag, get_current_context, task

_SECRET_FOLDERS = ("/run/secrets", "/var/run/secrets", "/mnt")
_CONNECT_SECONDS = 3.0


@dag(schedule=None, tags=["check"])
def reads_variable_and_connection() -> None:
    """Reads the variable `greeting` and the connection `orders_db`, and tells what else its pod holds."""

    @task(multiple_outputs=False)
    def read() -> dict[str, str]:
        """Digests of both: SHA-256 of the variable's text, and of the connection's password."""
        greeting = Variable.get("greeting")
        password = BaseHook.get_connection("orders_db").password or ""
        return {
            "greeting": hashlib.sha256(greeting.encode()).hexdigest(),
            "password": hashlib.sha256(password.encode()).hexdigest(),
        }

    @task(multiple_outputs=False)
    def look_around() -> dict[str, list[str]]:
        """Names, never values, of the environment variables; which files of `_SECRET_FOLDERS` can be read."""
        folders = (Path(folder) for folder in _SECRET_FOLDERS)
        files = {str(file.resolve()) for folder in folders for file in folder.rglob("*") if _readable(file)}
        return {"environment": sorted(os.environ), "files": sorted(files)}

    read() >> look_around()


@dag(schedule=None, tags=["check"], params={"seconds": 30})
def sleeps() -> None:
    """Sleeps for the parameter `seconds`: killed or run twice, its log and its XCom show it."""

    @task(multiple_outputs=False)
    def sleep() -> dict[str, Any]:
        context = get_current_context()
        attempt = context["ti"].try_number
        start = _now()
        print(f"start {start} attempt {attempt}", flush=True)
        time.sleep(float(context["params"]["seconds"]))
        end = _now()
        print(f"end {end} attempt {attempt}", flush=True)
        return {"start": start, "end": end, "attempt": attempt, "host": socket.gethostname()}

    sleep()


@dag(schedule=None, tags=["check"], params={"targets": []})
def probes_network() -> None:
    """Tries to open a TCP connection to each `host:port` of the parameter `targets`."""

    @task(multiple_outputs=False)
    def probe() -> dict[str, str]:
        """`connected` or what came instead, for each target."""
        targets: list[str] = get_current_context()["params"]["targets"]
        return {target: _try(target) for target in targets}

    probe()


@dag(schedule=None, tags=["check"])
def stays_paused() -> None:
    """Never unpaused: a test creates runs of it and counts which of them the database kept."""

    @task
    def nothing() -> None:
        """Does not run."""

    nothing()


def _try(target: str) -> str:
    host, port = target.rsplit(":", 1)
    try:
        with closing(socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS)):
            return "connected"
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def _readable(file: Path) -> bool:
    return file.is_file() and os.access(file, os.R_OK)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


reads_variable_and_connection()
sleeps()
probes_network()
stays_paused()
