"""What a person reads when something goes wrong: a sentence with the step; tracebacks are for our own mistakes."""

import errno
import subprocess
from pathlib import Path

import pulumi
import pytest
import requests
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import MaxRetryError

from infra.stack_config import UnknownStackError
from local import failures
from local.progress import step
from local.readiness import NotReadyError


def _refused() -> ApiException:
    error = ApiException(status=403, reason="Forbidden")
    error.body = '{"kind": "Status", "message": "pods \\"x\\" is forbidden: exceeded quota"}'
    return error


def _airflow_answered() -> requests.HTTPError:
    answer = requests.Response()
    answer.status_code = 503
    answer._content = b"the database is away"
    return requests.HTTPError(response=answer)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (_refused(), 'refused a request (403 Forbidden): pods "x" is forbidden: exceeded quota'),
        (_airflow_answered(), "Airflow's API answered 503: the database is away"),
        (requests.ConnectionError("refused"), "Airflow's API does not answer"),
        (MaxRetryError(None, "/api", None), "The cluster's API server does not answer"),  # ty: ignore[invalid-argument-type]
        (ConfigException("no such file"), "kubeconfig can't be read: no such file"),
        (NotReadyError("Job airflow/x failed: it has not succeeded"), "Job airflow/x failed"),
        (pulumi.RunError("stacks/Pulumi.local.yaml: airflow.imge is not a setting"), "imge is not a setting"),
        (UnknownStackError("There is no stack 'x'"), "There is no stack"),
        (subprocess.CalledProcessError(1, ["kind", "get"], stderr="no"), "`kind get` failed (exit status 1): no"),
        (subprocess.TimeoutExpired(["docker", "info"], 30), "`docker info` did not end within 30 s"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "go"), "The program go is not on the PATH"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "This user may not do that"),
    ],
)  # fmt: skip
def test_what_the_world_does_wrong_is_a_sentence(error: Exception, said: str) -> None:
    assert said in (failures.sentence(error) or "")


@pytest.mark.parametrize(
    "error", [KeyError("x"), TypeError("x"), FileNotFoundError(errno.ENOENT, "No such file", "/a/b")]
)
def test_our_own_mistakes_keep_their_traceback(error: Exception) -> None:
    assert failures.sentence(error) is None


def test_a_failure_names_the_step_it_happened_in_and_where_the_logs_are(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError) as raised, step("Starting Kubernetes"):
        raise TimeoutError("Waited 60 s for the API server.")
    said = failures.report(raised.value, tmp_path)
    assert said == f"Stopped in the step “Starting Kubernetes”.\nWaited 60 s for the API server.\nLogs: {tmp_path}"


def test_no_logs_are_promised_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError) as raised, step("Building"):
        raise TimeoutError("Too long.")
    assert "Logs" not in (failures.report(raised.value, tmp_path / "none") or "")
