"""Processes of the embedded cluster: found and ended by whose they are, never by a number that may be another's."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.cluster import process
from local.cluster.process import Process

SLEEP = ("/bin/sleep", "300")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    process.kill(tmp_path)


def test_a_process_is_found_only_with_the_command_and_configuration_that_it_was_started_with(owner: Path) -> None:
    config = owner / "config.yaml"
    sleeper = Process("sleeper", SLEEP, {config: "old"})
    started = process.start(sleeper, owner, os.environ)
    _wait_for(lambda: process.pid(sleeper, owner) == started.pid)
    assert config.read_text() == "old"
    assert process.pid(Process("sleeper", SLEEP, {config: "new"}), owner) is None
    assert process.pid(Process("other", SLEEP, {config: "old"}), owner) is None
    assert process.pid(sleeper, owner / "another-cluster") is None


def test_ending_a_cluster_spares_another_one_and_everybody_else(owner: Path, tmp_path_factory) -> None:
    neighbour = tmp_path_factory.mktemp("neighbour")
    bystander = subprocess.Popen(SLEEP)
    theirs = process.start(Process("sleeper", SLEEP), neighbour, os.environ)
    ours = process.start(Process("sleeper", SLEEP), owner, os.environ)
    _wait_for(lambda: process.running(owner) and process.running(neighbour))
    try:
        process.kill(owner)
        assert ours.poll() is not None
        assert theirs.poll() is None
        assert bystander.poll() is None
    finally:
        bystander.kill()
        process.kill(neighbour)


def test_an_id_that_is_a_strangers_by_now_is_not_killed(owner: Path) -> None:
    stranger = subprocess.Popen(SLEEP)
    try:
        process._kill(stranger.pid, f"{owner}:")
        assert stranger.poll() is None
    finally:
        stranger.kill()


def test_what_a_killed_process_had_started_is_still_found_and_ended(owner: Path) -> None:
    parent = process.start(Process("parent", ("/bin/sh", "-c", "sleep 300 & wait")), owner, os.environ)
    _wait_for(lambda: len(process.running(owner)) == 2)
    parent.kill()
    parent.wait()
    (orphan,) = process.running(owner)
    assert orphan != parent.pid
    process.kill(owner)
    assert process.running(owner) == []


def test_a_process_survives_the_command_that_started_it_and_an_interrupt_at_its_terminal(owner: Path) -> None:
    sleeper = Process("sleeper", SLEEP)
    script = f"""if True:
        import os, signal
        from pathlib import Path
        from local.cluster import process
        process.start(process.Process("sleeper", {SLEEP!r}), Path({str(owner)!r}), os.environ)
        os.killpg(0, signal.SIGINT)"""
    starter = subprocess.run([sys.executable, "-c", script], start_new_session=True, stderr=subprocess.DEVNULL)
    assert starter.returncode != 0
    _wait_for(lambda: process.pid(sleeper, owner) is not None)


def test_the_start_of_a_process_is_known_whoever_asks(owner: Path) -> None:
    sleeper = Process("sleeper", SLEEP)
    before = time.time()
    process.start(sleeper, owner, os.environ)
    _wait_for(lambda: process.pid(sleeper, owner) is not None)
    assert before - 0.1 <= process.started(sleeper, owner) <= time.time() + 0.1


def _wait_for(condition: Callable[[], object], timeout: float = 5.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the process did not show up"
        time.sleep(0.01)
