"""The main job, on the running platform: a DAG runs in pods of its own, and its log outlives them."""

import time

import pytest

from local.airflow_api import AirflowApi
from tests.local.platform import Platform

pytestmark = pytest.mark.cluster


def _task_pods(platform: Platform) -> list[str]:
    pods = platform.core.list_namespaced_pod("airflow-tasks", label_selector="kubernetes_executor=True").items
    return [str(pod.metadata and pod.metadata.name) for pod in pods]


def _gone(platform: Platform, pods: set[str], timeout: float = 60) -> bool:
    deadline = time.monotonic() + timeout
    while pods & set(_task_pods(platform)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def test_a_task_runs_in_a_pod_and_leaves_its_log_and_result(platform: Platform, airflow: AirflowApi) -> None:
    airflow.wait_for_dag("sleeps")
    run = airflow.trigger("sleeps", {"seconds": 5})
    seen: set[str] = set()
    while airflow.state("sleeps", run) not in ("success", "failed"):
        seen |= {pod for pod in _task_pods(platform) if pod.startswith("sleeps-sleep-")}
        time.sleep(0.3)
    result = airflow.result("sleeps", run, "sleep")
    assert result["host"] in seen
    assert _gone(platform, seen)
    log = airflow.log("sleeps", run, "sleep")
    assert f"start {result['start']} attempt 1" in log
    assert f"end {result['end']} attempt 1" in log
    (stored,) = platform.sql(f"SELECT value->>'end' FROM xcom WHERE run_id = '{run}' AND key = 'return_value'")
    assert stored == result["end"]


def test_a_log_is_readable_after_whoever_served_it_was_replaced(platform: Platform, airflow: AirflowApi) -> None:
    airflow.wait_for_dag("hello")
    run = airflow.trigger("hello")
    assert airflow.wait_for_run("hello", run) == "success"
    for namespace, name in (("airflow-tasks", "airflow-log-server"), ("airflow", "airflow-api-server")):
        platform.kubectl("rollout", "restart", "-n", namespace, f"deployment/{name}")
        platform.kubectl("rollout", "status", "-n", namespace, f"deployment/{name}", "--timeout=180s")
    airflow = platform.sign_in()
    assert airflow.result("hello", run, "greet") in airflow.log("hello", run, "greet")


def test_a_task_survives_a_rollout_of_the_api_and_a_killed_scheduler(platform: Platform, airflow: AirflowApi) -> None:
    airflow.wait_for_dag("sleeps")
    run = airflow.trigger("sleeps", {"seconds": 90})
    while airflow.task_instance("sleeps", run, "sleep")["state"] != "running":
        time.sleep(0.5)
    platform.kubectl("rollout", "restart", "-n", "airflow", "deployment/airflow-execution-api")
    platform.kubectl("rollout", "restart", "-n", "airflow", "deployment/airflow-api-server")
    platform.kubectl(
        *("delete", "pod", "-n", "airflow", "-l", "app.kubernetes.io/name=airflow-scheduler"),
        *("--grace-period=0", "--force"),
    )
    for name in ("airflow-execution-api", "airflow-api-server", "airflow-scheduler"):
        platform.kubectl("rollout", "status", "-n", "airflow", f"deployment/{name}", "--timeout=180s")
    airflow = platform.sign_in()
    assert airflow.wait_for_run("sleeps", run) == "success"
    assert airflow.task_instance("sleeps", run, "sleep")["try_number"] == 1
    log = airflow.log("sleeps", run, "sleep")
    assert log.count("start 2") == 1
    assert log.count("end 2") == 1
