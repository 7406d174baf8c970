"""The LocalExecutor on the running platform."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.platform import Platform

pytestmark = pytest.mark.cluster


@pytest.fixture
def both(platform: Platform, tmp_path: Path) -> Iterator[Platform]:
    """The platform with two executors, the LocalExecutor by default; afterwards as it was."""

    def change(config: dict[str, Any]) -> None:
        config["airflow-platform:airflow"]["executor"] = "LocalExecutor,KubernetesExecutor"

    platform.deploy(change, tmp_path / "both")
    yield platform
    platform.deploy(lambda config: None, tmp_path / "one")


def test_a_task_of_the_local_executor_runs_in_the_scheduler_and_its_log_is_kept(both: Platform) -> None:
    airflow = both.sign_in()
    airflow.wait_for_dag("sleeps")
    run = airflow.trigger("sleeps", {"seconds": 2})
    assert airflow.wait_for_run("sleeps", run) == "success"
    result = airflow.result("sleeps", run, "sleep")
    assert result["host"].startswith("airflow-scheduler-")
    assert result["host"] != socket.gethostname()
    both.kubectl("delete", "pod", "-n", "airflow", result["host"])
    assert f"end {result['end']}" in airflow.log("sleeps", run, "sleep")
