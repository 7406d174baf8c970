"""Airflow's public REST API, as a person uses it: sign in, start a DAG, see how it went."""

import time
from typing import Any

import requests


class AirflowApi:
    """A signed-in client. Source: https://airflow.apache.org/docs/apache-airflow/3.3.2/stable-rest-api-ref.html"""

    def __init__(self, base_url: str, user: str, password: str) -> None:
        self._base_url = base_url
        self._session = requests.Session()
        answer = _once_it_is_routed(f"{base_url}/auth/token", {"username": user, "password": password})
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """The decoded answer to a request below `/api/v2`. Raises requests.HTTPError."""
        answer = self._session.request(method, f"{self._base_url}/api/v2{path}", timeout=30, **arguments)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def wait_for_dag(self, dag: str, timeout: float = 120, *, paused: bool = False) -> None:
        """Wait until the DAG processor has read the DAG, and let it run unless `paused`.

        Raises TimeoutError, with the errors of the DAG files that it could not read.
        """
        deadline = time.monotonic() + timeout
        while True:
            known = self.request("GET", "/dags", params={"dag_id_pattern": dag})["dags"]
            if dag in {each["dag_id"] for each in known}:
                self.request("PATCH", f"/dags/{dag}", json={"is_paused": paused})
                return
            if time.monotonic() > deadline:
                broken = self.request("GET", "/importErrors")["import_errors"]
                reasons = "".join(f"\n{each['filename']}:\n{each['stack_trace']}" for each in broken)
                raise TimeoutError(f"The DAG {dag} is not there after {timeout:.0f} s.{reasons}")
            time.sleep(1)

    def trigger(self, dag: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run of the DAG, and return its id."""
        run = self.request("POST", f"/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return run["dag_run_id"]

    def state(self, dag: str, run: str) -> str:
        """State of the run, such as `running` or `success`."""
        return self.request("GET", f"/dags/{dag}/dagRuns/{run}")["state"]

    def wait_for_run(self, dag: str, run: str, timeout: float = 300) -> str:
        """Wait until the run has ended, and return its state. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while (state := self.state(dag, run)) not in ("success", "failed"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The run {run} of {dag} is {state} after {timeout:.0f} s")
            time.sleep(0.5)
        return state

    def task_instance(self, dag: str, run: str, task: str) -> dict[str, Any]:
        """What Airflow knows of one task of the run."""
        return self.request("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}")

    def log(self, dag: str, run: str, task: str, try_number: int = 1) -> str:
        """The task's log as text."""
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{try_number}"
        answer = self.request("GET", path, params={"full_content": "true"}, headers={"Accept": "application/json"})
        return "\n".join(line["event"] if isinstance(line, dict) else str(line) for line in answer["content"])

    def result(self, dag: str, run: str, task: str, key: str = "return_value") -> Any:
        """What the task returned (its XCom)."""
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}"
        return self.request("GET", path)["value"]


def _once_it_is_routed(url: str, body: dict[str, str], timeout: float = 30) -> requests.Response:
    """Post to a Service that may be new: its pods are ready before every node routes to them."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return requests.post(url, json=body, timeout=30)
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
