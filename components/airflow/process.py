"""What Airflow's processes have in common: image, user, configuration, and who they are to network policies."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.airflow.configuration import CONFIGURATION, DATABASE_CA, HOME, JWKS, SIGNING_KEY
from components.airflow.settings import AirflowSettings, EgressSettings, ProcessSettings
from components.kubernetes.network_policy import Traffic
from components.kubernetes.pod import Container, Mount, Pod, Probes, Volume
from components.kubernetes.workload import Workload
from components.references import DatabaseConnection, Peer, SecretKey
from components.settings import Placement

PART_OF = "airflow"
USER = 50000
GROUP = 0
"""As the official image has them."""

CONFIGURATION_MAP = "airflow-configuration"
PEOPLE_JWKS_MAP = "airflow-people-jwks"
TASK_JWKS_MAP = "airflow-task-jwks"
DATABASE_CA_MAP = "airflow-database-ca"

API_SERVER = "airflow-api-server"
EXECUTION_API = "airflow-execution-api"
SCHEDULER = "airflow-scheduler"
DAG_PROCESSOR = "airflow-dag-processor"
TRIGGERER = "airflow-triggerer"
MIGRATION = "airflow-migration"
TASK = "airflow-task"
LOG_SERVER = "airflow-log-server"

_CONFIGURATION = Mount(Volume("configuration", {"configMap": {"name": CONFIGURATION_MAP}}), CONFIGURATION)
_DATABASE_CA = Mount(Volume("database-ca", {"configMap": {"name": DATABASE_CA_MAP}}), DATABASE_CA)
LOG_CLAIM = "airflow-logs"
LOG_VOLUME = Volume("logs", {"persistentVolumeClaim": {"claimName": LOG_CLAIM}})
"""Logs of what runs in a pod's own namespace: there is one claim of this name in each."""
SIGNING_KEY_PATH = {"AIRFLOW__API_AUTH__JWT_PRIVATE_KEY_PATH": f"{SIGNING_KEY}/key.pem"}


def signs_tokens(secret: str) -> Mount:
    """The private key that a process signs tokens with."""
    return Mount(Volume("signing-key", {"secret": {"secretName": secret, "defaultMode": 0o440}}), SIGNING_KEY)


def verifies_tokens(config_map: str) -> Mount:
    """The public keys of the tokens that a process accepts."""
    return Mount(Volume("jwks", {"configMap": {"name": config_map}}), JWKS)


@dataclass(frozen=True)
class AirflowContext:
    """Where an Airflow lives and what it is made of: handed to the builder of each of its processes."""

    settings: AirflowSettings
    namespace: str
    tasks_namespace: str
    database: DatabaseConnection

    def peer(self, name: str, namespace: str | None = None) -> Peer:
        """The pods of one of its processes."""
        labels = (("app.kubernetes.io/name", name), ("app.kubernetes.io/part-of", PART_OF))
        return Peer(namespace or self.namespace, labels)

    def container(
        self,
        name: str,
        command: tuple[str, ...],
        process: ProcessSettings,
        *,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, SecretKey] | None = None,
        mounts: tuple[Mount, ...] = (),
        ports: Mapping[str, int] | None = None,
        probes: Probes | None = None,
        pre_stop_seconds: int = 0,
        calls_kubernetes_api: bool = False,
        database: bool = True,
    ) -> Container:
        """A container of the Airflow image, with its configuration mounted."""
        return Container(
            name=name,
            image=self.settings.image,
            resources=process.resources,
            command=command,
            env={
                "AIRFLOW_HOME": HOME,
                "AIRFLOW_CONFIG": f"{CONFIGURATION}/airflow.cfg",
                # The official image's entrypoint would wait for a database that a task pod has no password of.
                "CONNECTION_CHECK_MAX_COUNT": "0",
            }
            | dict(env or {}),
            secrets=secrets or {},
            mounts=(_CONFIGURATION, *((_DATABASE_CA,) if database and self.database.ca_certificate else ()), *mounts),
            ports=ports or {},
            probes=probes,
            pre_stop_seconds=pre_stop_seconds,
            calls_kubernetes_api=calls_kubernetes_api,
        )

    def workload(
        self,
        name: str,
        container: Container,
        *,
        namespace: str | None = None,
        init_containers: tuple[Container, ...] = (),
        receives: tuple[Traffic, ...] = (),
        sends: tuple[Traffic, ...] = (),
        placement: Placement | None = None,
        grace_seconds: int = 60,
        restart_policy: str = "Always",
    ) -> Workload:
        """A workload of one such container, as Airflow's user."""
        return Workload(
            name=name,
            namespace=namespace or self.namespace,
            part_of=PART_OF,
            pod=Pod(
                containers=(container,),
                init_containers=init_containers,
                service_account=name,
                user=USER,
                group=GROUP,
                grace_seconds=grace_seconds,
                restart_policy=restart_policy,
                placement=placement or Placement(),
                image_pull_secrets=tuple(self.settings.image_pull_secrets),
            ),
            receives=receives,
            sends=sends,
        )

    @property
    def to_database(self) -> Traffic:
        """Connections to the metadata database, through the pooler."""
        return Traffic(self.database.pooled.peers, self.database.pooled.port)


def egress(rules: list[EgressSettings]) -> tuple[Traffic, ...]:
    """Connections to addresses outside of the platform."""
    return tuple(Traffic(tuple(Peer(cidr=cidr) for cidr in rule.cidrs), rule.port) for rule in rules)


def http_probes(path: str, port: int) -> Probes:
    """Probes of a process that answers on `path` without asking the database: a restart would not bring that back."""
    get = {"httpGet": {"path": path, "port": port}, "timeoutSeconds": 10}
    return Probes(
        liveness=get | {"periodSeconds": 20, "failureThreshold": 6},
        readiness=get | {"periodSeconds": 5, "failureThreshold": 3},
        startup=get | {"periodSeconds": 3, "failureThreshold": 100},
    )


def heartbeat_probes(job_type: str) -> Probes:
    """Probes of a process whose only sign of life is its heartbeat in the database."""
    check = {
        "exec": {"command": ["python", f"{CONFIGURATION}/heartbeat.py", job_type, "90"]},
        "timeoutSeconds": 15,
    }
    return Probes(
        liveness=check | {"periodSeconds": 30, "failureThreshold": 4},
        readiness=check | {"periodSeconds": 30, "failureThreshold": 2},
        startup=check | {"periodSeconds": 5, "failureThreshold": 60},
    )
