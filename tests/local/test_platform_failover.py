"""The database's primary dies while DAG runs are created and a task without retries runs."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.local.platform import Platform

pytestmark = pytest.mark.cluster


def _three_instances(config: dict[str, Any]) -> None:
    config["airflow-platform:database"] |= {"instances": 3}
    config["airflow-platform:database"]["pooler"]["instances"] = 2


@pytest.fixture
def lossless(platform: Platform, tmp_path: Path) -> Iterator[Platform]:
    """The platform with three database instances; afterwards as it was."""
    platform.deploy(_three_instances, tmp_path / "three")
    yield platform
    platform.deploy(lambda config: None, tmp_path / "one")


class Creator(threading.Thread):
    """Creates DAG runs, one after the other, and writes down which were acknowledged, and when."""

    def __init__(self, platform: Platform) -> None:
        super().__init__(daemon=True)
        self.airflow = platform.sign_in()
        self.acknowledged: dict[str, float] = {}
        self.errors: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.2):
            try:
                run = self.airflow.trigger("stays_paused")
            except requests.RequestException as error:
                self.errors.append(str(error))
            else:
                self.acknowledged[run] = time.monotonic()

    def longest_gap(self) -> float:
        """Seconds between two runs that were acknowledged one after the other."""
        times = sorted(self.acknowledged.values())
        return max(later - earlier for earlier, later in itertools.pairwise(times))


def test_a_dead_primary_loses_no_run_and_no_task(lossless: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    airflow = lossless.sign_in()
    airflow.wait_for_dag("sleeps")
    airflow.wait_for_dag("stays_paused", paused=True)
    run = airflow.trigger("sleeps", {"seconds": 60})
    while airflow.task_instance("sleeps", run, "sleep")["state"] != "running":
        time.sleep(0.5)
    creator = Creator(lossless)
    creator.start()
    time.sleep(5)
    old = lossless.primary()
    lossless.core.delete_namespaced_pod(old, "airflow-data", grace_period_seconds=0)
    killed = time.monotonic()
    while not any(at > killed + 20 for at in creator.acknowledged.values()):
        assert time.monotonic() < killed + 180, f"no run was created after the failover: {creator.errors[-3:]}"
        time.sleep(1)
    creator.stopped.set()
    creator.join()

    assert lossless.primary() != old
    committed = set(lossless.sql("SELECT run_id FROM dag_run WHERE dag_id = 'stays_paused'"))
    assert set(creator.acknowledged) <= committed
    assert airflow.wait_for_run("sleeps", run) == "success"
    assert airflow.task_instance("sleeps", run, "sleep")["try_number"] == 1
    for deployment in lossless.apps.list_namespaced_deployment("airflow").items:
        name = str(deployment.metadata and deployment.metadata.name)
        lossless.kubectl("rollout", "status", "-n", "airflow", f"deployment/{name}", "--timeout=180s")
    with capsys.disabled():
        print(
            f"\nfailover: {len(creator.acknowledged)} runs acknowledged, all of them kept; "
            f"{len(creator.errors)} requests failed; "
            f"longest time without an acknowledged run {creator.longest_gap():.1f} s"
        )
