"""Task logs that outlive the pods which wrote them: a volume for each namespace that runs tasks, and a server that
reads the task pods' volume for the API server, since a volume can't be mounted from another namespace.
"""

import pulumi
from pulumi_kubernetes.core.v1 import PersistentVolumeClaim

from components.airflow import process
from components.airflow.configuration import LOG_SERVER_PORT, LOGS
from components.airflow.process import AirflowContext
from components.airflow.secrets import LOG_SERVER_KEY
from components.kubernetes.network_policy import Traffic
from components.kubernetes.pod import Mount, Probes
from components.kubernetes.workload import Deployment, Workload, service


def log_claim(
    airflow: AirflowContext, namespace: str, opts: pulumi.ResourceOptions, *, protect: bool
) -> PersistentVolumeClaim:
    """The claim for the logs of what runs in this namespace. `protect`: the engine refuses to delete it."""
    logs = airflow.settings.logs
    return PersistentVolumeClaim(
        f"{namespace}-logs",
        metadata={
            "name": process.LOG_CLAIM,
            "namespace": namespace,
            # A class that binds at first use would keep the claim, and us, waiting for pods that come later.
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        spec={
            "access_modes": ["ReadWriteMany"],
            "storage_class_name": logs.storage_class,
            "resources": {"requests": {"storage": logs.size}},
        },
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=protect)),
    )


class LogServer(pulumi.ComponentResource):
    """Airflow's own log server over the task pods' volume. It answers the API server alone, by a shared key."""

    def __init__(
        self,
        name: str,
        airflow: AirflowContext,
        *,
        key: pulumi.Output[str],
        configuration: dict[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("airflow-platform:airflow:LogServer", name, None, opts)
        workload = _log_server(airflow)
        deployment = Deployment(
            workload,
            replicas=airflow.settings.logs.server.replicas,
            restart_on={"key": key, **configuration},
            opts=pulumi.ResourceOptions(parent=self),
        )
        service(workload, LOG_SERVER_PORT, pulumi.ResourceOptions(parent=self, depends_on=[deployment]))
        self.register_outputs({})


def log_server_url(tasks_namespace: str) -> str:
    """Where the API server asks for the logs of task pods."""
    return f"http://{process.LOG_SERVER}.{tasks_namespace}.svc:{LOG_SERVER_PORT}"


def _log_server(airflow: AirflowContext) -> Workload:
    connects: dict[str, object] = {"tcpSocket": {"port": LOG_SERVER_PORT}}
    container = airflow.container(
        "log-server",
        ("python", "-c", f"from airflow.utils.serve_logs import serve_logs; serve_logs({LOG_SERVER_PORT})"),
        airflow.settings.logs.server,
        # Under the name of the UI's session key, since that is what Airflow's log server reads.
        secrets={"AIRFLOW__API__SECRET_KEY": LOG_SERVER_KEY},
        mounts=(Mount(process.LOG_VOLUME, LOGS),),
        ports={"http": LOG_SERVER_PORT},
        probes=Probes(
            liveness=connects | {"periodSeconds": 20},
            readiness=connects | {"periodSeconds": 10},
            startup=connects | {"periodSeconds": 2, "failureThreshold": 60},
        ),
        database=False,
    )
    return airflow.workload(
        process.LOG_SERVER,
        container,
        namespace=airflow.tasks_namespace,
        receives=(Traffic((airflow.peer(process.API_SERVER),), LOG_SERVER_PORT),),
        placement=airflow.settings.logs.server.placement,
    )
