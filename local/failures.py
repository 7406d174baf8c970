"""What went wrong, as a sentence for a person, where it is not a mistake in this program."""

import errno
import json
import subprocess
from pathlib import Path

import pulumi
import requests
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from infra.stack_config import UnknownStackError, UnreadableStackError

_MOST = 1000  # characters of an answer that is no JSON: a page of HTML, mostly


def sentence(error: Exception) -> str | None:
    """What `error` says, without a traceback; None for an error that only its traceback explains.

    RuntimeError and TimeoutError are raised with sentences by this repository, and are shown as they are.
    """
    match error:
        case ApiException():
            return f"Kubernetes refused a request ({error.status} {error.reason}): {_message(error)}"
        case requests.HTTPError(response=requests.Response() as answer):
            return f"Airflow's API answered {answer.status_code}: {answer.text[:_MOST]}"
        case requests.RequestException():
            return f"Airflow's API does not answer: {error}"
        case HTTPError():
            return f"The cluster's API server does not answer: {error}"
        case subprocess.CalledProcessError():
            words = error.stderr or error.stdout or ""
            said = words.decode(errors="replace") if isinstance(words, bytes) else words
            return f"`{_command(error.cmd)}` failed (exit status {error.returncode}): {said.strip()}"
        case subprocess.TimeoutExpired():
            return f"`{_command(error.cmd)}` did not end within {error.timeout:.0f} s."
        case FileNotFoundError(filename=str() as program) if "/" not in program:
            return f"The program {program} is not on the PATH. Install it and run the same command again; it continues."
        case ConfigException():
            return f"The kubeconfig can't be read: {error}"
        case RuntimeError() | TimeoutError() | pulumi.RunError() | UnknownStackError() | UnreadableStackError():
            return str(error)
        case OSError(errno=errno.ENOSPC):
            return f"The disk is full: {error}. Make room and run the same command again; it continues."
        case PermissionError():
            return f"This user may not do that: {error}."
    return None


def report(error: Exception, logs: Path | None) -> str | None:
    """The sentence with the step in which it happened, and where `logs` are, if there are any; None as above."""
    said = sentence(error)
    if said is None:
        return None
    step = getattr(error, "__notes__", [])
    lines = [f"Stopped in the step “{step[0]}”.", said] if step else [said]
    if step and logs and logs.exists():
        lines.append(f"Logs: {logs}")
    return "\n".join(lines)


def _message(error: ApiException) -> str:
    """What the API server says in its Status object, or its plain answer."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body or ""
    try:
        return json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        return body[:_MOST]


def _command(given: object) -> str:
    return " ".join(map(str, given)) if isinstance(given, list | tuple) else str(given)
