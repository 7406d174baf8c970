"""The proof that the platform works: a DAG runs on it, and its log is there when its pods are gone."""

import json
import time
from base64 import b64decode
from collections.abc import Generator
from contextlib import contextmanager

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from infra import offline
from local.airflow_api import AirflowApi
from local.deploy import STACK
from local.port_forward import open_forward
from local.progress import step
from local.target import Target

DAG = "hello"
TASK = "greet"
TASKS_NAMESPACE = "airflow-tasks"


def sign_in(target: Target, url: str | None = None) -> AirflowApi:
    """Airflow's API, signed in as the administrator; `url` is where it is reached, by default the UI's address."""
    return AirflowApi(url or ui_url(target), "admin", admin_password(target))


def ui_url(target: Target) -> str:
    """Where the UI is, as the target's stack says."""
    return offline.evaluate(STACK, preview=True, root=target.project).outputs["airflow_url"]


def admin_password(target: Target) -> str:
    """The generated password of the user admin, from the cluster. Raises RuntimeError where there is none yet."""
    nothing_up = f"The platform is not up: context {target.context} holds no password of it. Run `make up` first."
    if target.kubeconfig and not target.kubeconfig.exists():
        raise RuntimeError(nothing_up)
    try:
        kept = _core(target).read_namespaced_secret("airflow-passwords", "airflow").data or {}
    except ApiException as error:
        if error.status != 404:
            raise
        raise RuntimeError(nothing_up) from error
    except HTTPError as error:
        raise RuntimeError(f"The API server of {target.name} does not answer. Run `make up` to start it.") from error
    return json.loads(b64decode(kept["passwords.json"]))["admin"]


def run_hello(target: Target) -> str:
    """Run the DAG, wait until its pods are gone, and return the line that its first task logged."""
    with step("Running the DAG hello", "15 s") as progress, _reached(target) as url:
        airflow = sign_in(target, url)
        progress.update("waiting for the DAG processor to read it")
        airflow.wait_for_dag(DAG)
        run = airflow.trigger(DAG)
        progress.update(f"run {run}")
        state = airflow.wait_for_run(DAG, run)
        if state == "success":  # Airflow keeps the pods of failed tasks
            progress.update("waiting until its pods are gone")
            _wait_until_gone(target)
        log = airflow.log(DAG, run, TASK)
        if state != "success":
            raise RuntimeError(f"The run {run} of the DAG {DAG} ended as {state}. The log of {TASK}:\n{log}")
        greeting = airflow.result(DAG, run, TASK)
        if greeting not in log:
            raise RuntimeError(f"The log of {TASK} lacks what the task printed, {greeting!r}:\n{log}")
    return greeting


def _wait_until_gone(target: Target, timeout: float = 60) -> None:
    core, deadline = _core(target), time.monotonic() + timeout
    while core.list_namespaced_pod(TASKS_NAMESPACE, label_selector=f"dag_id={DAG}").items:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Pods of the DAG {DAG} are still there {timeout:.0f} s after it ended.")
        time.sleep(0.3)


@contextmanager
def _reached(target: Target) -> Generator[str]:
    """An address of Airflow's API for the block: a node port's on the embedded cluster, else a forward's."""
    if target.embedded:
        yield ui_url(target)
    else:
        with open_forward(target) as url:
            yield url


def _core(target: Target) -> client.CoreV1Api:
    kubeconfig = str(target.kubeconfig) if target.kubeconfig else None
    return client.CoreV1Api(config.new_client_from_config(kubeconfig, target.context))
