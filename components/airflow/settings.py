"""Settings of Airflow: what a person decides about it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from components.settings import Bytes, Cidr, DnsLabel, ImageReference, Placement, Resources, Settings

_EXECUTORS = ("KubernetesExecutor", "LocalExecutor")
_REMOVED = {
    "SequentialExecutor": "LocalExecutor",
    "DebugExecutor": "LocalExecutor, and `dag.test()` to debug a DAG",
    "CeleryKubernetesExecutor": "CeleryExecutor,KubernetesExecutor",
    "LocalKubernetesExecutor": "LocalExecutor,KubernetesExecutor",
}


def _are_executors(text: str) -> str:
    names = text.split(",")
    for name in names:
        if name in _REMOVED:
            raise ValueError(f'"{name}" was removed in Airflow 3; write {_REMOVED[name]}')
        if name not in _EXECUTORS:
            raise ValueError(f'"{name}" is not an executor of this platform; write one of {", ".join(_EXECUTORS)}')
    if len(set(names)) < len(names):
        raise ValueError(f'"{text}" names an executor twice; write each once, the default one first')
    return text


Executor = Annotated[str, AfterValidator(_are_executors), Field(examples=["LocalExecutor,KubernetesExecutor"])]


class EgressSettings(Settings):
    """Addresses outside of the platform that pods may connect to."""

    cidrs: list[Cidr] = Field(min_length=1)
    port: int = Field(ge=1, le=65535)


class ProcessSettings(Settings):
    """One of Airflow's processes."""

    replicas: int = Field(2, ge=1, le=50)
    """From two on, they are spread over nodes and a drain takes one at a time."""
    resources: Resources = Resources(cpu="500m", memory="1Gi")
    placement: Placement = Placement()


class ApiServerSettings(ProcessSettings):
    """The server of the UI and of the public REST API."""

    node_port: int | None = Field(None, ge=30000, le=32767)
    """Serves it on this port of every node. Default: only inside of the cluster, for an ingress or a route."""
    client_namespaces: list[DnsLabel] = []
    """Namespaces whose pods may connect: an ingress controller's, for one."""
    trusted_proxies: list[Cidr] = []
    """Addresses of the ingress. Whether a request came by https is believed from these alone."""


class TriggererSettings(ProcessSettings):
    """The process that waits for deferred tasks. It runs triggers that DAG authors write."""

    egress: list[EgressSettings] = []
    """Addresses that triggers wait for."""


class TaskSettings(Settings):
    """Task pods of the KubernetesExecutor."""

    resources: Resources = Resources(cpu="250m", memory="512Mi", cpu_limit="2")
    """Of a task that does not ask for its own in `executor_config`."""
    placement: Placement = Placement()
    egress: list[EgressSettings] = []
    """Addresses that tasks work with. Without any, a task reaches the execution API and DNS, and nothing else."""


class LogSettings(Settings):
    """Task logs, on volumes that outlive the pods that wrote them."""

    size: Bytes = "50Gi"
    """Of each volume: one for task pods, one for the control plane's triggers and LocalExecutor tasks."""
    storage_class: DnsLabel
    """A class that gives ReadWriteMany volumes: pods of several nodes write to them at once."""
    server: ProcessSettings = ProcessSettings(resources=Resources(cpu="100m", memory="512Mi"))
    """Reads the task pods' volume for the API server, which is in another namespace."""


class ImageBundleSettings(Settings):
    """DAGs that are baked into the image: versioned and rolled back with it."""

    path: str = Field("/opt/airflow/dags", pattern="^/")
    """Folder in the image."""


class SimpleAuthSettings(Settings):
    """Users with generated passwords, kept in the stack's state. For trying only: Airflow's own docs forbid more."""

    manager: Literal["simple"]
    users: dict[DnsLabel, Literal["viewer", "user", "op", "admin"]] = Field({"admin": "admin"}, min_length=1)
    """Role of each user."""


class OidcAuthSettings(Settings):
    """Sign-on through an OpenID Connect provider, by Airflow's FAB auth manager. The image needs `authlib`.

    The client's secret is not a setting: `pulumi config set --secret airflow-platform:oidcClientSecret`.
    """

    manager: Literal["oidc"]
    issuer: str = Field(pattern="^https://[^ ]+$")
    """The provider's address; its `/.well-known/openid-configuration` says the rest."""
    client_id: str = Field(min_length=1)
    scopes: list[str] = ["openid", "profile", "email"]
    """Some providers want one more before they tell a user's groups."""
    groups_claim: str = "groups"
    """Claim of the provider's userinfo that lists the user's groups."""
    cidrs: list[Cidr] = Field(min_length=1)
    """Addresses of the provider, for the network policy."""
    roles: dict[str, list[str]] = Field(min_length=1, examples=[{"airflow-admins": ["Admin"]}])
    """Airflow roles of each group of the provider. Who is in none of them may sign in, and sees nothing."""


AuthSettings = Annotated[SimpleAuthSettings | OidcAuthSettings, Field(discriminator="manager")]


class AirflowSettings(Settings):
    """Apache Airflow 3.3."""

    image: ImageReference = "apache/airflow:3.3.2"
    """Airflow 3.3 with the Kubernetes, PostgreSQL and FAB providers. It runs as user 50000, group 0."""
    image_pull_secrets: list[DnsLabel] = []
    executor: Executor = "KubernetesExecutor"
    """As Airflow spells it. Several, separated by commas: the first is the default, a task may choose another.
    A task of the LocalExecutor runs in the scheduler's container, and can read every secret of the scheduler."""
    base_url: str = Field(pattern=r"^https?://[^/ ]+$", examples=["https://airflow.example.com"])
    """Where people reach the UI, without a path."""
    auth: AuthSettings
    dags: dict[DnsLabel, ImageBundleSettings] = Field({"dags": ImageBundleSettings()}, min_length=1)
    """DAG bundles, by name. Every process that reads DAGs has the same."""
    api_server: ApiServerSettings = ApiServerSettings()
    execution_api: ProcessSettings = ProcessSettings()
    """The API that running tasks talk to, apart from the one that people use: neither can starve the other."""
    scheduler: ProcessSettings = ProcessSettings(resources=Resources(cpu="500m", memory="2Gi"))
    dag_processor: ProcessSettings = ProcessSettings(resources=Resources(cpu="500m", memory="1536Mi"))
    triggerer: TriggererSettings = TriggererSettings()
    tasks: TaskSettings = TaskSettings()
    logs: LogSettings
    parallelism: int = Field(64, ge=1)
    """Task instances that run at once, for each scheduler."""
    config: dict[str, dict[str, str]] = {}
    """More options of airflow.cfg, by section. Not those that the platform sets itself, and no secret."""

    @property
    def executors(self) -> list[str]:
        """The executors, the default one first."""
        return self.executor.split(",")

    @model_validator(mode="after")
    def _local_executor_is_alone(self) -> "AirflowSettings":
        if "LocalExecutor" in self.executors and self.scheduler.replicas > 1:
            raise ValueError(
                f"scheduler.replicas is {self.scheduler.replicas} with the LocalExecutor, whose tasks run in the "
                "scheduler's own pod and die with it in a rollout; write scheduler: {replicas: 1}, or another executor"
            )
        return self
