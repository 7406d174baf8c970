"""The running platform, as tests of it need it: its API, its cluster, variants of its stack."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubernetes import client, config

from local import target
from local.airflow_api import AirflowApi
from local.deploy import deploy
from local.first_run import sign_in
from local.target import Target
from tests.variants import variant


@dataclass(frozen=True)
class Platform:
    """The stack local, deployed."""

    target: Target
    core: client.CoreV1Api
    apps: client.AppsV1Api
    custom: client.CustomObjectsApi

    @classmethod
    def connect(cls) -> "Platform":
        """To the platform that `make up` brought."""
        here = target.choose(None)
        loaded = config.new_client_from_config(str(here.kubeconfig), here.context)
        return cls(here, client.CoreV1Api(loaded), client.AppsV1Api(loaded), client.CustomObjectsApi(loaded))

    def sign_in(self) -> AirflowApi:
        """Airflow's API, as the administrator."""
        return sign_in(self.target)

    def sql(self, statement: str, database: str = "airflow") -> list[str]:
        """Rows that the primary answers, columns separated by `|`."""
        primary = self.primary()
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", database, "--command", statement]
        done = self.kubectl("exec", "-n", "airflow-data", primary, "-c", "postgres", "--", *command)
        return done.splitlines()

    def primary(self) -> str:
        """Name of the pod that is the database's primary."""
        selector = "cnpg.io/cluster=airflow-db,cnpg.io/instanceRole=primary"
        (pod,) = self.core.list_namespaced_pod("airflow-data", label_selector=selector).items
        return str(pod.metadata and pod.metadata.name)

    def kubectl(self, *arguments: str) -> str:
        """Output of kubectl. Raises subprocess.CalledProcessError."""
        from local.cluster import programs

        binary = programs.build().kubectl
        done = subprocess.run(
            [binary, *arguments], env=self.target.environment(), capture_output=True, text=True, check=True
        )
        return done.stdout

    def deploy(self, change: Callable[[dict[str, Any]], None], directory: Path) -> None:
        """Deploy the stack local, with its configuration changed in place by `change`."""
        root = variant("local", change, directory)
        print(deploy(replace(self.target, variant=root)))
