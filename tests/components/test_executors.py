"""Other executors, and other engines: what there is of the platform with each."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from infra import offline
from infra.generated import Stored
from tests.stack import Stack
from tests.variants import variant


def _evaluate(change: Any, directory: Path) -> Stack:
    root = variant("local", change, directory)
    return Stack(offline.evaluate("local", generated=Stored(directory / "generated.json"), root=root))


def _executor(executor: str) -> Any:
    def change(config: dict[str, Any]) -> None:
        config["airflow-platform:airflow"]["executor"] = executor

    return change


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The LocalExecutor alone."""
    return _evaluate(_executor("LocalExecutor"), tmp_path_factory.mktemp("alone"))


def test_with_the_local_executor_there_is_no_namespace_for_task_pods_and_no_way_to_start_any(alone: Stack) -> None:
    assert {each["metadata"]["name"] for each in alone.of("Namespace")} == {"airflow", "airflow-data"}
    assert not alone.of("Role")
    assert not [pod for pod in alone.pods() if "kubernetes-api-token" in str(pod.spec["volumes"])]


def test_with_the_local_executor_the_scheduler_runs_tasks_and_keeps_their_logs_on_a_volume(alone: Stack) -> None:
    scheduler = alone.pod("airflow-scheduler")
    volumes = {volume["name"]: volume for volume in scheduler.spec["volumes"]}
    assert volumes["logs"]["persistentVolumeClaim"] == {"claimName": "airflow-logs"}
    assert alone.get("PersistentVolumeClaim", "airflow", "airflow-logs")


def test_a_task_of_the_local_executor_may_reach_the_execution_api(alone: Stack) -> None:
    ports = {
        (port["port"], str(rule["to"]))
        for rule in alone.get("NetworkPolicy", "airflow", "airflow-scheduler")["spec"]["egress"]
        for port in rule["ports"]
    }
    assert any(port == 8080 and "airflow-execution-api" in peers for port, peers in ports)


def test_with_both_executors_a_task_may_choose_its_own(tmp_path: Path) -> None:
    both = _evaluate(_executor("LocalExecutor,KubernetesExecutor"), tmp_path)
    scheduler = both.pod("airflow-scheduler")
    assert "kubernetes-api-token" in str(scheduler.spec["volumes"])
    assert "pod-template" in str(scheduler.spec["volumes"])
    claims = {each["metadata"]["namespace"] for each in both.of("PersistentVolumeClaim")}
    assert claims == {"airflow", "airflow-tasks"}


def test_an_external_database_needs_nothing_on_the_cluster(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["airflow-platform:database"] = {
            "engine": "external",
            "host": "db.example.com",
            "pooled_host": "pooler.example.com",
            "cidrs": ["10.1.0.0/24"],
        }
        config["airflow-platform:databasePassword"] = {"secure": "v1:encrypted"}

    stack = _evaluate(change, tmp_path)
    assert not stack.of("Cluster")
    assert "airflow-data" not in {each["metadata"]["name"] for each in stack.of("Namespace")}
    url = stack.secret("airflow", "airflow-database")["sql_alchemy_conn"]
    # Offline it stands for the encrypted one. Its angle brackets and colons are quoted, as a URL wants them.
    password = quote("<secret:airflow-platform:databasePassword>", safe="")
    assert url.startswith(f"postgresql+psycopg2://airflow:{password}@pooler.example.com:6432/airflow?")
    direct = stack.secret("airflow", "airflow-database-direct")["sql_alchemy_conn"]
    assert "@db.example.com:5432/" in direct
    policy = stack.get("NetworkPolicy", "airflow", "airflow-migration")
    assert {"ipBlock": {"cidr": "10.1.0.0/24"}} in policy["spec"]["egress"][0]["to"]
