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
    """Airflow's RemoteLogIO: nothing to upload, since tasks write to the volume; reading goes through the server."""

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

    def read(self, relative_path: str, ti) -> tuple[list[str], list[str]]:
        """Where the log was read, and its contents."""
        url = urljoin(f"{self.server}/log/", relative_path)
        try:
            token = self.signer.generate({"filename": relative_path})
            response = requests.get(url, headers={"Authorization": token}, timeout=10)
        except requests.RequestException as error:
            return [f"The log server could not be reached: {error}"], []
        response.encoding = "utf-8"
        if response.status_code == requests.codes.not_found:
            return [], []
        if not response.ok:
            return [f"{url} answered {response.status_code}"], []
        sources, logs = [url], [response.text]
        # For a finished task whose log was found here Airflow does not look further, and would miss its triggers'.
        if ti.state not in State.unfinished:
            local = Path(conf.get("logging", "base_log_folder")) / relative_path
            for path in sorted(local.parent.glob(glob.escape(local.name) + "*")):
                sources.append(str(path))
                logs.append(path.read_text())
        return sources, logs


REMOTE_TASK_LOG = TaskLogVolume(os.environ["TASK_LOG_SERVER"], os.environ["TASK_LOG_SERVER_KEY"])
