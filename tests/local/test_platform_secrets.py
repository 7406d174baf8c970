"""Least privilege on the running platform: what its pods hold, may do, and may reach."""

import contextlib
import hashlib
import json
import secrets
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import yaml
from kubernetes import client

from local.airflow_api import AirflowApi
from tests.local.platform import Platform

pytestmark = pytest.mark.cluster
NAMESPACES = ("airflow", "airflow-tasks", "airflow-data")


def _create(airflow: AirflowApi, path: str, key: str, body: dict[str, Any]) -> None:
    try:
        airflow.request("POST", path, json=body)
    except requests.HTTPError as error:
        if error.response is None or error.response.status_code != requests.codes.conflict:
            raise
        airflow.request("PATCH", f"{path}/{body[key]}", json=body)


def test_a_task_reads_a_variable_and_a_connection_and_holds_no_secret(platform: Platform, airflow: AirflowApi) -> None:
    greeting, password = secrets.token_hex(8), secrets.token_hex(8)
    _create(airflow, "/variables", "key", {"key": "greeting", "value": greeting})
    connection = {"connection_id": "orders_db", "conn_type": "postgres", "host": "db.example.com"}
    _create(airflow, "/connections", "connection_id", connection | {"login": "orders", "password": password})
    # At rest they are encrypted.
    assert password not in "".join(platform.sql("SELECT password FROM connection"))

    dag = "reads_variable_and_connection"
    airflow.wait_for_dag(dag)
    run = airflow.trigger(dag)
    assert airflow.wait_for_run(dag, run) == "success"
    digest = {"greeting": greeting, "password": password}
    assert airflow.result(dag, run, "read") == {
        name: hashlib.sha256(value.encode()).hexdigest() for name, value in digest.items()
    }
    seen = airflow.result(dag, run, "look_around")
    assert seen["files"] == []
    held = {name for name in seen["environment"] if name.startswith("AIRFLOW__")}
    # The task's supervisor sets these itself, to a value that no driver accepts.
    assert held == {"AIRFLOW__CORE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}


def test_no_pod_is_root_or_writes_its_root_or_lacks_limits(platform: Platform) -> None:
    count = 0
    for namespace in NAMESPACES:
        for pod in platform.core.list_namespaced_pod(namespace).items:
            raw: dict[str, Any] = client.ApiClient().sanitize_for_serialization(pod)
            inherited = raw["spec"].get("securityContext", {})
            for container in [*raw["spec"].get("initContainers", []), *raw["spec"]["containers"]]:
                where = f"{raw['metadata']['name']}/{container['name']}"
                context = inherited | container["securityContext"]
                assert context["runAsNonRoot"] is True, where
                assert context.get("runAsUser", 1) != 0, where
                assert context["readOnlyRootFilesystem"] is True, where
                assert set(container["resources"]["requests"]) >= {"cpu", "memory"}, where
                assert set(container["resources"]["limits"]) >= {"cpu", "memory"}, where
                count += 1
    assert count >= 9


def test_only_pods_that_call_the_kubernetes_api_have_a_token_for_it(platform: Platform) -> None:
    holders = set()
    for namespace in NAMESPACES:
        for pod in platform.core.list_namespaced_pod(namespace).items:
            raw: dict[str, Any] = client.ApiClient().sanitize_for_serialization(pod)
            for volume in raw["spec"].get("volumes", []):
                if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", [])):
                    labels = raw["metadata"]["labels"]
                    holders.add(labels.get("cnpg.io/podRole", labels["app.kubernetes.io/name"]))
    # PostgreSQL's and PgBouncer's instance managers watch their own Cluster and Pooler.
    assert holders == {"airflow-scheduler", "instance", "pooler"}


def test_the_namespaces_refuse_a_pod_that_is_not_restricted(platform: Platform) -> None:
    pod: Any = {
        "metadata": {"name": "not-restricted"},
        "spec": {"containers": [{"name": "shell", "image": "localhost/airflow-platform/busybox:1.35"}]},
    }
    for namespace in NAMESPACES:
        with pytest.raises(client.ApiException) as refused:
            platform.core.create_namespaced_pod(namespace, pod, dry_run="All")
        assert 'violates PodSecurity "restricted' in json.loads(str(refused.value.body))["message"]


@pytest.fixture
def other_task(platform: Platform) -> Iterator[str]:
    """A task pod that listens on port 9000: its address."""
    template = platform.core.read_namespaced_config_map("airflow-pod-template", "airflow").data or {}
    pod: Any = yaml.safe_load(template["pod_template.yaml"])
    pod["metadata"]["name"] = "other-task"
    pod["metadata"]["labels"]["role"] = "other-task"
    pod["spec"]["containers"][0]["command"] = ["python", "-m", "http.server", "9000"]
    platform.core.create_namespaced_pod("airflow-tasks", pod)
    try:
        platform.kubectl("wait", "-n", "airflow-tasks", "pod/other-task", "--for=condition=Ready", "--timeout=60s")
        yield _address(platform, "airflow-tasks", "role=other-task")
    finally:
        platform.core.delete_namespaced_pod("other-task", "airflow-tasks", grace_period_seconds=0)


def _address(platform: Platform, namespace: str, labels: str) -> str:
    listed = platform.core.list_namespaced_pod(namespace, label_selector=labels).items
    # A pod that is on its way out, after another test's rollout, has its address for a moment more.
    pod = next(pod for pod in listed if pod.metadata and pod.metadata.deletion_timestamp is None)
    return str(pod.status and pod.status.pod_ip)


def _answers(host: str, port: int) -> bool:
    """Whether somebody listens there: a node reaches its own pods, whatever the policies say."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=3):
            return True
        time.sleep(0.5)
    return False


def test_a_task_reaches_the_execution_api_and_nothing_else(
    platform: Platform, airflow: AirflowApi, other_task: str
) -> None:
    def service(namespace: str, name: str) -> str:
        found = platform.core.read_namespaced_service(name, namespace)
        return str(found.spec and found.spec.cluster_ip)

    allowed = f"{service('airflow', 'airflow-execution-api')}:8080"
    denied = [
        f"{service('airflow-data', 'airflow-db-rw')}:5432",
        f"{service('airflow-data', 'airflow-db-pooler-rw')}:5432",
        f"{_address(platform, 'airflow-data', 'cnpg.io/podRole=instance')}:5432",
        f"{service('airflow-tasks', 'airflow-log-server')}:8793",
        f"{_address(platform, 'airflow', 'app.kubernetes.io/name=airflow-scheduler')}:8974",
        f"{service('airflow', 'airflow-api-server')}:8080",
        f"{other_task}:9000",
        f"{service('default', 'kubernetes')}:443",
        "172.30.0.1:6443",
        "172.30.0.1:10250",
        "172.30.0.1:30080",
    ]
    for target in (allowed, *denied):
        host, port = target.split(":")
        assert _answers(host, int(port)), f"nobody listens on {target}, so that a refusal would mean nothing"
    airflow.wait_for_dag("probes_network")
    run = airflow.trigger("probes_network", {"targets": [allowed, *denied]})
    assert airflow.wait_for_run("probes_network", run) == "success"
    outcomes = airflow.result("probes_network", run, "probe")
    assert outcomes == {allowed: "connected"} | dict.fromkeys(denied, "TimeoutError: timed out")
