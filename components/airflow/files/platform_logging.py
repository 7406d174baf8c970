"""Task logs for the API server, from volumes (`[logging] logging_config_class`).

Task pods write to a volume of their namespace, where a log server (Airflow's own) reads it; this asks that server.
What triggers and LocalExecutor tasks write is on a volume that the API server mounts itself.
"""

import copy
import glob
import os
from pathlib import Path
from urllib.parse import urljoin

import requests
from airflow.api_fastapi.auth.tokens import JWTGenerator
from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG
from airflow.configuration import conf
from airflow.utils.state import State

LOGGING_CONFIG = copy.deepcopy(DEFAULT_LOGGING_CONFIG)


class TaskLogVolume:
    """Airflow's RemoteLogStreamIO: tasks write to the volume themselves; reading goes through the server."""

    processors = ()

    def __init__(self, server: str, key: str) -> None:
        self.server = server
        # What Airflow's log server expects, with a key that is not the UI's session key.
        self.signer = JWTGenerator(
            secret_key=key,
            private_key=None,
            algorithm="HS512",
            issuer=None,
            audience="task-instance-logs",
            valid_for=30,
        )

    def upload(self, path, ti=None) -> None:
        """The log is on the volume already."""

    def stream(self, relative_path: str, ti):
        """Where the log was read, and its lines, from each place."""
        url = urljoin(f"{self.server}/log/", relative_path)
        token = self.signer.generate({"filename": relative_path})
        try:
            response = requests.get(url, headers={"Authorization": token}, timeout=10, stream=True)
        except requests.RequestException as error:
            return [f"The log server could not be reached: {error}"], []
        if response.status_code == requests.codes.not_found:
            return [], []
        if not response.ok:
            return [f"{url} answered {response.status_code}"], []
        sources, logs = [url], [_lines(response.iter_lines())]
        # For a finished task whose log was found here Airflow does not look further, and would miss its triggers'.
        if ti.state not in State.unfinished:
            for path in _local(relative_path):
                sources.append(str(path))
                logs.append(_lines(path.open("rb")))
        return sources, logs

    def read(self, relative_path: str, ti):
        """The same with each log as one text, for callers that can't stream."""
        sources, logs = self.stream(relative_path, ti)
        return sources, ["\n".join(lines) for lines in logs]


def _local(relative_path: str) -> list[Path]:
    """Logs on the API server's own volume, where DAG authors' triggers write: a link of theirs leads nowhere."""
    folder = Path(conf.get("logging", "base_log_folder")).resolve()
    log = folder / relative_path
    found = sorted(log.parent.glob(glob.escape(log.name) + "*"))
    return [path for path in found if path.is_file() and path.resolve().is_relative_to(folder)]


def _lines(raw):
    for line in raw:
        yield line.decode(errors="replace").rstrip("\n")


REMOTE_TASK_LOG = TaskLogVolume(os.environ["TASK_LOG_SERVER"], os.environ["TASK_LOG_SERVER_KEY"])
