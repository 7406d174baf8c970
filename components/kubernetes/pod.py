"""Pods that every workload is made of: restricted, read-only, with resources, and without an API token unless asked.

Everything is written as Kubernetes spells it, so that one pod serves a Deployment and the pod template file that
Airflow's KubernetesExecutor reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.references import SecretKey
from components.settings import Placement, Resources

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 (a path, where Kubernetes clients look)


@dataclass(frozen=True)
class Volume:
    """A volume of a pod: `source` as Kubernetes spells it, such as {"emptyDir": {}}."""

    name: str
    source: Mapping[str, object]


@dataclass(frozen=True)
class Mount:
    """Where a container sees a volume."""

    volume: Volume
    path: str
    read_only: bool = True


@dataclass(frozen=True)
class Probes:
    """How the kubelet knows that a container started, serves, and lives. Each is a probe as Kubernetes spells it."""

    liveness: Mapping[str, object]
    readiness: Mapping[str, object]
    startup: Mapping[str, object]


@dataclass(frozen=True)
class Container:
    """One container of a pod."""

    name: str
    image: str
    resources: Resources
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretKey] = field(default_factory=dict)
    """Environment variables whose values are keys of Secrets."""
    ports: Mapping[str, int] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    probes: Probes | None = None
    pre_stop_seconds: int = 0
    """Seconds that it still serves after it was told to stop, until every client has heard of it."""
    calls_kubernetes_api: bool = False
    """Mounts the service account's token, in this container only; it expires after an hour."""


@dataclass(frozen=True)
class Pod:
    """A pod: its containers, and who it runs as."""

    containers: tuple[Container, ...]
    service_account: str
    user: int
    group: int
    init_containers: tuple[Container, ...] = ()
    grace_seconds: int = 30
    restart_policy: str = "Always"
    placement: Placement = field(default_factory=Placement)
    image_pull_secrets: tuple[str, ...] = ()


def pod_spec(pod: Pod) -> dict[str, object]:
    """The pod's spec, as Kubernetes spells it."""
    containers = (*pod.init_containers, *pod.containers)
    volumes: dict[str, Mapping[str, object]] = {"tmp": {"emptyDir": {"sizeLimit": "1Gi"}}}
    for container in containers:
        volumes |= {mount.volume.name: mount.volume.source for mount in container.mounts}
    if any(container.calls_kubernetes_api for container in containers):
        volumes["kubernetes-api-token"] = _TOKEN
    spec: dict[str, object] = {
        "serviceAccountName": pod.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": pod.user,
            "runAsGroup": pod.group,
            "fsGroup": pod.group,
            # A volume with many logs would otherwise be walked at every start.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": pod.grace_seconds,
        "restartPolicy": pod.restart_policy,
        "containers": [_container(container) for container in pod.containers],
        "volumes": [{"name": name, **source} for name, source in sorted(volumes.items())],
    }
    if pod.init_containers:
        spec["initContainers"] = [_container(container) for container in pod.init_containers]
    if pod.placement.node_selector:
        spec["nodeSelector"] = dict(pod.placement.node_selector)
    if pod.placement.tolerations:
        spec["tolerations"] = [toleration.model_dump(exclude_none=True) for toleration in pod.placement.tolerations]
    if pod.placement.priority_class:
        spec["priorityClassName"] = pod.placement.priority_class
    if pod.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in pod.image_pull_secrets]
    return spec


_TOKEN: Mapping[str, object] = {
    "projected": {
        "defaultMode": 0o440,
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ],
    }
}


def _container(container: Container) -> dict[str, object]:
    mounts: list[dict[str, object]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 (an emptyDir of the pod)
    if container.calls_kubernetes_api:
        mounts.append({"name": "kubernetes-api-token", "mountPath": TOKEN_PATH, "readOnly": True})
    mounts.extend(
        {"name": mount.volume.name, "mountPath": mount.path, "readOnly": mount.read_only} for mount in container.mounts
    )
    spec: dict[str, object] = {
        "name": container.name,
        "image": container.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            *({"name": name, "value": value} for name, value in sorted(container.env.items())),
            *({"name": name, "valueFrom": key.source()} for name, key in sorted(container.secrets.items())),
        ],
        "resources": container.resources.requirements(),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": mounts,
    }
    if container.command:
        spec["command"] = list(container.command)
    if container.ports:
        spec["ports"] = [{"name": name, "containerPort": port} for name, port in container.ports.items()]
    if container.probes:
        spec["livenessProbe"] = dict(container.probes.liveness)
        spec["readinessProbe"] = dict(container.probes.readiness)
        spec["startupProbe"] = dict(container.probes.startup)
    if container.pre_stop_seconds:
        spec["lifecycle"] = {"preStop": {"sleep": {"seconds": container.pre_stop_seconds}}}
    return spec
