"""Airflow's long-running processes: what each runs, mounts, may read and may connect to."""

from urllib.parse import urlsplit

from components.airflow import process, secrets
from components.airflow.configuration import (
    API_PORT,
    LOG_SERVER_PORT,
    LOGS,
    PASSWORDS,
    POD_TEMPLATE,
    SCHEDULER_HEALTH_PORT,
)
from components.airflow.logs import log_server_url
from components.airflow.process import AirflowContext, egress, heartbeat_probes, http_probes
from components.airflow.settings import OidcAuthSettings, ProcessSettings, SimpleAuthSettings
from components.airflow.tasks import POD_TEMPLATE_MAP
from components.kubernetes.cluster import ClusterSettings
from components.kubernetes.network_policy import Traffic
from components.kubernetes.pod import Container, Mount, Volume
from components.kubernetes.workload import Workload
from components.references import Peer
from components.settings import Resources

_PEOPLE = (process.signs_tokens(secrets.PEOPLE_SIGNING_SECRET), process.verifies_tokens(process.PEOPLE_JWKS_MAP))
_TASKS = (process.signs_tokens(secrets.TASK_SIGNING_SECRET), process.verifies_tokens(process.TASK_JWKS_MAP))


def api_server(airflow: AirflowContext) -> Workload:
    """The UI and the public REST API."""
    settings = airflow.settings
    serves_tasks_logs = "KubernetesExecutor" in settings.executors
    mounts = [*_PEOPLE, Mount(process.LOG_VOLUME, LOGS)]
    inits: tuple[Container, ...] = ()
    env = dict(process.SIGNING_KEY_PATH)
    credentials = secrets.DATABASE | secrets.FERNET | secrets.API_KEY
    sends = [airflow.to_database]
    if serves_tasks_logs:
        env |= {
            "TASK_LOG_SERVER": log_server_url(airflow.tasks_namespace),
            "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "platform_logging.LOGGING_CONFIG",
        }
        credentials |= {"TASK_LOG_SERVER_KEY": secrets.LOG_SERVER_KEY}
        sends.append(Traffic((airflow.peer(process.LOG_SERVER, airflow.tasks_namespace),), LOG_SERVER_PORT))
    if settings.api_server.trusted_proxies:
        env["FORWARDED_ALLOW_IPS"] = ",".join(settings.api_server.trusted_proxies)
    if isinstance(settings.auth, SimpleAuthSettings):
        writable, copy = _writable_passwords(airflow)
        mounts.append(writable)
        inits = (copy,)
    elif isinstance(settings.auth, OidcAuthSettings):
        credentials |= secrets.OIDC_CLIENT
        port = urlsplit(settings.auth.issuer).port or 443
        sends.append(Traffic(tuple(Peer(cidr=cidr) for cidr in settings.auth.cidrs), port))
    container = airflow.container(
        "api-server",
        ("airflow", "api-server", "--apps", "core", "--proxy-headers"),
        settings.api_server,
        env=env,
        secrets=credentials,
        mounts=tuple(mounts),
        ports={"http": API_PORT},
        probes=http_probes("/api/v2/version", API_PORT),
        pre_stop_seconds=10,
    )
    clients = tuple(Peer(namespace=name) for name in settings.api_server.client_namespaces)
    receives = (Traffic(clients, API_PORT),) if clients else ()
    return airflow.workload(
        process.API_SERVER,
        container,
        init_containers=inits,
        receives=receives,
        sends=tuple(sends),
        placement=settings.api_server.placement,
    )


def execution_api(airflow: AirflowContext) -> Workload:
    """The API that running tasks talk to."""
    container = airflow.container(
        "execution-api",
        ("airflow", "api-server", "--apps", "execution"),
        airflow.settings.execution_api,
        env=process.SIGNING_KEY_PATH,
        secrets=secrets.DATABASE | secrets.FERNET,
        mounts=_TASKS,
        ports={"http": API_PORT},
        probes=http_probes("/execution/health", API_PORT),
        # Longer than it takes until no task connects to it any more.
        pre_stop_seconds=15,
    )
    clients = []
    if "KubernetesExecutor" in airflow.settings.executors:
        clients.append(airflow.peer(process.TASK, airflow.tasks_namespace))
    if "LocalExecutor" in airflow.settings.executors:
        clients.append(airflow.peer(process.SCHEDULER))
    return airflow.workload(
        process.EXECUTION_API,
        container,
        receives=(Traffic(tuple(clients), API_PORT),),
        sends=(airflow.to_database,),
        placement=airflow.settings.execution_api.placement,
    )


def scheduler(airflow: AirflowContext, cluster: ClusterSettings) -> Workload:
    """Decides what runs. With the LocalExecutor it runs the tasks, too."""
    local = "LocalExecutor" in airflow.settings.executors
    kubernetes = "KubernetesExecutor" in airflow.settings.executors
    mounts = [process.signs_tokens(secrets.TASK_SIGNING_SECRET)]
    # The fernet key: a missed deadline queues a trigger, whose arguments are encrypted.
    credentials = secrets.DATABASE | secrets.FERNET
    sends = [airflow.to_database]
    if kubernetes:
        mounts.append(Mount(Volume("pod-template", {"configMap": {"name": POD_TEMPLATE_MAP}}), POD_TEMPLATE))
        sends.append(Traffic(tuple(cluster.api_server()), cluster.api_server_port))
    if local:
        mounts.append(Mount(process.LOG_VOLUME, LOGS, read_only=False))
        sends += [
            Traffic((airflow.peer(process.EXECUTION_API),), API_PORT),
            *egress(airflow.settings.tasks.egress),
        ]
    else:
        mounts.append(Mount(Volume("logs", {"emptyDir": {"sizeLimit": "1Gi"}}), LOGS, read_only=False))
    container = airflow.container(
        "scheduler",
        # Logs are read from the volume; to serve them it would need the key that signs people's sessions.
        ("airflow", "scheduler", "--skip-serve-logs"),
        airflow.settings.scheduler,
        env=process.SIGNING_KEY_PATH,
        secrets=credentials,
        mounts=tuple(mounts),
        ports={"health": SCHEDULER_HEALTH_PORT},
        probes=http_probes("/health", SCHEDULER_HEALTH_PORT),
        calls_kubernetes_api=kubernetes,
    )
    return airflow.workload(
        process.SCHEDULER,
        container,
        sends=tuple(sends),
        placement=airflow.settings.scheduler.placement,
        # LocalExecutor tasks get this long to finish.
        grace_seconds=600 if local else 60,
    )


def dag_processor(airflow: AirflowContext) -> Workload:
    """Parses DAGs."""
    container = airflow.container(
        "dag-processor",
        ("airflow", "dag-processor"),
        airflow.settings.dag_processor,
        # The fernet key: a DAG may read a connection while it is parsed.
        secrets=secrets.DATABASE | secrets.FERNET,
        mounts=(Mount(Volume("logs", {"emptyDir": {"sizeLimit": "1Gi"}}), LOGS, read_only=False),),
        probes=heartbeat_probes("DagProcessorJob"),
    )
    placement = airflow.settings.dag_processor.placement
    return airflow.workload(process.DAG_PROCESSOR, container, placement=placement, sends=(airflow.to_database,))


def triggerer(airflow: AirflowContext) -> Workload:
    """Waits for deferred tasks."""
    container = airflow.container(
        "triggerer",
        ("airflow", "triggerer", "--skip-serve-logs"),
        airflow.settings.triggerer,
        secrets=secrets.DATABASE | secrets.FERNET,
        mounts=(Mount(process.LOG_VOLUME, LOGS, read_only=False),),
        probes=heartbeat_probes("TriggererJob"),
    )
    return airflow.workload(
        process.TRIGGERER,
        container,
        placement=airflow.settings.triggerer.placement,
        sends=(airflow.to_database, *egress(airflow.settings.triggerer.egress)),
    )


def migration(airflow: AirflowContext) -> Workload:
    """Brings the metadata database to the image's version."""
    container = airflow.container(
        "migrate",
        ("airflow", "db", "migrate"),
        ProcessSettings(replicas=1, resources=Resources(cpu="500m", memory="1Gi")),
        secrets=secrets.DIRECT_DATABASE,
    )
    direct = airflow.database.direct
    return airflow.workload(
        process.MIGRATION,
        container,
        sends=(Traffic(direct.peers, direct.port),),
        placement=airflow.settings.scheduler.placement,
        restart_policy="Never",
    )


def _writable_passwords(airflow: AirflowContext) -> tuple[Mount, Container]:
    # The simple auth manager opens its file for writing, and a mounted Secret is read-only.
    writable = Mount(Volume("passwords", {"emptyDir": {"sizeLimit": "1Mi"}}), PASSWORDS, read_only=False)
    source = Mount(
        Volume("passwords-secret", {"secret": {"secretName": secrets.PASSWORDS_SECRET, "defaultMode": 0o440}}),
        f"{PASSWORDS}-secret",
    )
    copy = Container(
        name="copy-passwords",
        image=airflow.settings.image,
        resources=Resources(cpu="50m", memory="64Mi"),
        command=("install", "--mode=600", f"{PASSWORDS}-secret/passwords.json", f"{PASSWORDS}/passwords.json"),
        mounts=(source, writable),
    )
    return writable, copy
