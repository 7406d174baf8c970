"""Apache Airflow 3: its secrets, its configuration, a migration that everything waits for, and its processes."""

import pulumi
from pulumi import Output
from pulumi_kubernetes.core.v1 import ConfigMap

from components.airflow import control_plane, process
from components.airflow.configuration import API_PORT, configuration_files
from components.airflow.logs import LogServer, log_claim
from components.airflow.process import AirflowContext
from components.airflow.secrets import AirflowSecrets
from components.airflow.settings import AirflowSettings, ProcessSettings
from components.airflow.tasks import TaskPods
from components.kubernetes.cluster import ClusterSettings
from components.kubernetes.workload import Deployment, Job, Workload, service
from components.references import DatabaseConnection, Peer

MIGRATION_DEADLINE_SECONDS = 1800


class Airflow(pulumi.ComponentResource):
    """Airflow's control plane in `namespace`, and its task pods in `tasks_namespace`.

    The API for people and the API for running tasks are apart. Each process gets the secrets that it needs, and a task
    pod gets none. `protect`: the engine refuses to delete the fernet key and the logs.
    """

    base_url: str
    passwords: Output[str] | None
    """The simple auth manager's users with their passwords, as JSON; None with single sign-on."""

    def __init__(
        self,
        name: str,
        settings: AirflowSettings,
        *,
        namespace: str,
        tasks_namespace: str,
        database: DatabaseConnection,
        cluster: ClusterSettings,
        protect: bool,
        oidc_client_secret: Output[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("airflow-platform:airflow:Airflow", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        runs_pods = "KubernetesExecutor" in settings.executors
        context = AirflowContext(settings, namespace, tasks_namespace, database)
        secrets = AirflowSecrets(
            name,
            settings,
            namespace=namespace,
            tasks_namespace=tasks_namespace if runs_pods else None,
            database=database,
            oidc_client_secret=oidc_client_secret,
            protect=protect,
            opts=inside,
        )
        files = configuration_files(
            settings,
            tasks_namespace=tasks_namespace,
            execution_api_url=f"http://{process.EXECUTION_API}.{namespace}.svc:{API_PORT}/execution/",
        )
        foundation: list[pulumi.Resource] = [
            secrets,
            _config_map(process.CONFIGURATION_MAP, namespace, files, inside),
            _config_map(process.PEOPLE_JWKS_MAP, namespace, {"jwks.json": secrets.people_jwks}, inside),
            _config_map(process.TASK_JWKS_MAP, namespace, {"jwks.json": secrets.task_jwks}, inside),
            log_claim(context, namespace, inside, protect=protect),
        ]
        if database.ca_certificate is not None:
            ca = {"ca.crt": database.ca_certificate}
            foundation.append(_config_map(process.DATABASE_CA_MAP, namespace, ca, inside))
        if runs_pods:
            foundation += [
                _config_map(process.CONFIGURATION_MAP, tasks_namespace, files, inside),
                log_claim(context, tasks_namespace, inside, protect=protect),
            ]
        migration = Job(
            control_plane.migration(context),
            # What it makes depends on the auth manager, and on which database it is.
            reads=files | {"database": f"{database.direct.host}:{database.direct.port}/{database.database}"},
            deadline_seconds=MIGRATION_DEADLINE_SECONDS,
            opts=pulumi.ResourceOptions(parent=self, depends_on=foundation),
        )
        migrated = pulumi.ResourceOptions(parent=self, depends_on=[migration])
        if runs_pods:
            # Not before: the next task's pod would have an image that the database is not migrated for.
            task_pods = TaskPods(f"{name}-tasks", context, opts=migrated)
            migrated = pulumi.ResourceOptions.merge(migrated, pulumi.ResourceOptions(depends_on=[task_pods]))
            LogServer(f"{name}-logs", context, key=secrets.log_server_key, configuration=files, opts=migrated)

        common = {**files, "database": secrets.database, "fernet_key": secrets.fernet_key}
        signing = {"jwks": secrets.task_jwks}
        sign_on = {
            "jwks": secrets.people_jwks,
            "api_secret_key": secrets.api_secret_key,
            "log_server_key": secrets.log_server_key,
        }
        if secrets.passwords is not None:
            sign_on |= {"passwords": secrets.passwords}
        if oidc_client_secret is not None:
            sign_on |= {"oidc_client_secret": oidc_client_secret}

        def run(
            workload: Workload, process_settings: ProcessSettings, secrets_read: dict[str, Output[str]]
        ) -> pulumi.ResourceOptions:
            """Deploy it, and return the options of what waits for it."""
            restart_on = {**common, **secrets_read}
            deployment = Deployment(workload, replicas=process_settings.replicas, restart_on=restart_on, opts=migrated)
            return pulumi.ResourceOptions(parent=self, depends_on=[deployment])

        api_server, execution_api = control_plane.api_server(context), control_plane.execution_api(context)
        # A Service counts as ready when there is a pod behind it.
        api_server_runs = run(api_server, settings.api_server, sign_on)
        service(api_server, API_PORT, api_server_runs, node_port=settings.api_server.node_port)
        service(execution_api, API_PORT, run(execution_api, settings.execution_api, signing))
        run(control_plane.scheduler(context, cluster), settings.scheduler, signing)
        run(control_plane.dag_processor(context), settings.dag_processor, {})
        run(control_plane.triggerer(context), settings.triggerer, {})

        self.base_url = settings.base_url
        self.passwords = secrets.passwords
        self.register_outputs({"base_url": self.base_url})


def database_clients(namespace: str) -> tuple[list[Peer], list[Peer]]:
    """Who connects to the metadata database: through the pooler, and directly."""

    def peers(*names: str) -> list[Peer]:
        return [
            Peer(namespace, (("app.kubernetes.io/name", name), ("app.kubernetes.io/part-of", process.PART_OF)))
            for name in names
        ]

    pooled = peers(
        process.API_SERVER, process.EXECUTION_API, process.SCHEDULER, process.DAG_PROCESSOR, process.TRIGGERER
    )
    return pooled, peers(process.MIGRATION)


def _config_map(
    name: str, namespace: str, data: dict[str, str] | dict[str, Output[str]], opts: pulumi.ResourceOptions
) -> ConfigMap:
    return ConfigMap(f"{namespace}-{name}", metadata={"name": name, "namespace": namespace}, data=data, opts=opts)
