"""What is left of the embedded cluster when it is gone: nothing, however it ended.

These tests bring a cluster up and down, so they are skipped where one runs: they are not for a cluster in use.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import debian, paths
from local.cluster import embedded, host, process
from local.images import static

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(paths.cluster().exists(), reason="the embedded cluster is up: `make down` first"),
]

UP = "from local.cluster import embedded; from local.images import static; embedded.up(static.for_cluster())"


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    embedded.down()


def test_down_leaves_the_machine_as_it_was() -> None:
    before = _machine()
    embedded.up(static.for_cluster())
    assert _machine() != before
    embedded.down()
    assert _machine() == before
    embedded.down()
    assert _machine() == before


def test_down_after_everything_was_killed_leaves_the_machine_as_it_was() -> None:
    before = _machine()
    embedded.up(static.for_cluster())
    for pid in process.running(paths.cluster()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    embedded.down()
    assert _machine() == before


@pytest.mark.parametrize("seconds", [0.7, 1.5, 3.0, 6.0])
def test_an_up_that_was_killed_leaves_nothing_that_down_does_not_remove(seconds: float) -> None:
    before = _machine()
    _killed_up(seconds)
    embedded.down()
    assert _machine() == before


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_an_up_that_was_killed_is_continued_by_the_next(seconds: float) -> None:
    _killed_up(seconds)
    embedded.up(static.for_cluster())
    assert embedded.running()


def test_up_after_the_container_runtime_was_killed_brings_every_pod_back() -> None:
    embedded.up(static.for_cluster())
    for pid in process.running(paths.cluster(), "containerd"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not embedded.running()
    embedded.up(static.for_cluster())
    assert embedded.running()


def _killed_up(seconds: float) -> None:
    starting = subprocess.Popen([sys.executable, "-c", UP], stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    starting.kill()
    starting.wait()


def _machine() -> dict[str, object]:
    """Everything on this machine that the cluster could have changed outside its cache."""
    return {
        "network": [_output("ip", "-oneline", *words) for words in (["address"], ["link"], ["route", "show"])],
        "rules": _output("nft", "list", "ruleset"),
        "mounts": Path("/proc/self/mounts").read_text(),
        "cgroups": {path for root in Path("/sys/fs/cgroup").iterdir() for path in root.glob("airflow-platform*")},
        "sysctls": {name: Path("/proc/sys", *name.split(".")).read_text() for name in host.SYSCTLS},
        "directories": {
            str(path) for place in ("/run", "/var/lib", "/var/log", "/etc", "/opt") for path in Path(place).iterdir()
        },
        "state": paths.cluster().exists(),
        "processes": process.running(paths.cluster()),
    }


def _output(*command: str) -> str:
    return subprocess.run(command, env=debian.tools().env(), capture_output=True, text=True, check=True).stdout
