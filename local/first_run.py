"""The proof that the platform works: a DAG runs on it, and its log is there when its pods are gone."""

import json
from base64 import b64decode

from kubernetes import client, config

from infra import offline
from local.airflow_api import AirflowApi
from local.deploy import STACK
from local.progress import step
from local.target import Target

DAG = "hello"
TASK = "greet"


def sign_in(target: Target) -> AirflowApi:
    """Airflow's API, signed in as the administrator."""
    return AirflowApi(ui_url(), "admin", admin_password(target))


def ui_url() -> str:
    """Where the UI is."""
    return offline.evaluate(STACK, preview=True).outputs["airflow_url"]


def admin_password(target: Target) -> str:
    """The generated password of the user admin, from the cluster."""
    core = client.CoreV1Api(config.new_client_from_config(_file(target), target.context))
    kept = core.read_namespaced_secret("airflow-passwords", "airflow").data or {}
    return json.loads(b64decode(kept["passwords.json"]))["admin"]


def run_hello(target: Target) -> str:
    """Run the DAG, wait until its pods are gone, and return the line that its first task logged."""
    with step("Running the DAG hello", "15 s") as progress:
        airflow = sign_in(target)
        progress.update("waiting for the DAG processor to read it")
        airflow.wait_for_dag(DAG)
        run = airflow.trigger(DAG)
        progress.update(f"run {run}")
        state = airflow.wait_for_run(DAG, run)
        log = airflow.log(DAG, run, TASK)
        if state != "success":
            raise RuntimeError(f"The run {run} of the DAG {DAG} ended as {state}. The log of {TASK}:\n{log}")
        greeting = airflow.result(DAG, run, TASK)
        if greeting not in log:
            raise RuntimeError(f"The log of {TASK} lacks what the task printed, {greeting!r}:\n{log}")
    return greeting


def _file(target: Target) -> str | None:
    return str(target.kubeconfig) if target.kubeconfig else None
