"""Every pod that an object leads to, whatever the kind of the object."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from policies.rules import Resource
from policies.values import UNKNOWN, get, mapping, sequence, text

TASK_POD = "task pod template"
"""The kind of a pod that Airflow's KubernetesExecutor starts for each task."""

_POD_TEMPLATES = {
    ("core", "Pod"): (),
    ("core", "ReplicationController"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
_TEMPLATE_FILE = "pod_template.yaml"


@dataclass(frozen=True)
class Container:
    """A container of a pod; `init` where it ends before the others start."""

    name: str
    init: bool
    spec: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{'init container' if self.init else 'container'} `{self.name}`"


@dataclass(frozen=True)
class Pod:
    """A pod, or the template of pods."""

    source: str
    """The object that it comes from, as messages name it."""
    kind: str
    namespace: str
    """Empty for a task pod template that doesn't say where its pods run."""
    labels: Mapping[str, Any]
    spec: Mapping[str, Any]

    def __str__(self) -> str:
        return self.source

    @property
    def service_account(self) -> str:
        """Name of the service account that it runs as."""
        return text(self.spec, "serviceAccountName") or "default"

    def containers(self) -> list[Container]:
        """Its containers; an init container that is always restarted is a sidecar, and so no init container."""
        return [
            Container(str(get(spec, "name")), init=field == "initContainers" and not _is_sidecar(spec), spec=spec)
            for field in ("initContainers", "containers", "ephemeralContainers")
            for spec in sequence(self.spec, field)
        ]


def pods(resource: Resource) -> Iterator[Pod]:
    """The pods whose whole spec this object holds."""
    path = _POD_TEMPLATES.get((resource.group, resource.kind))
    if path is not None:
        template = mapping(resource.props, *path)
        labels = mapping(template, "metadata", "labels")
        yield Pod(str(resource), resource.kind, resource.namespace, labels, mapping(template, "spec"))
    elif (resource.group, resource.kind) == ("core", "ConfigMap"):
        yield from _task_pods(resource)


def operated_pods(resource: Resource) -> Iterator[Pod]:
    """The pods that an operator makes from this object, with the labels it is sure to set and what we say of them."""
    if (resource.group, resource.kind) == ("postgresql.cnpg.io", "Cluster"):
        spec = mapping(resource.props, "spec")
        cluster = dict(mapping(spec, "inheritedMetadata", "labels")) | {"cnpg.io/cluster": resource.name}
        postgres = {"name": "postgres", "image": spec.get("imageName"), "resources": spec.get("resources")}
        instance, job = cluster | {"cnpg.io/podRole": "instance"}, cluster | {"cnpg.io/jobRole": "initdb"}
        yield Pod(str(resource), resource.kind, resource.namespace, instance, {"containers": [postgres]})
        yield Pod(f"the first job of {resource}", "Job", resource.namespace, job, {})
    elif (resource.group, resource.kind) == ("postgresql.cnpg.io", "Pooler"):
        template = mapping(resource.props, "spec", "template")
        labels = dict(mapping(template, "metadata", "labels")) | {
            "cnpg.io/cluster": text(resource.props, "spec", "cluster", "name"),
            "cnpg.io/poolerName": resource.name,
            "cnpg.io/podRole": "pooler",
        }
        yield Pod(str(resource), resource.kind, resource.namespace, labels, mapping(template, "spec"))


def all_pods(resource: Resource) -> Iterator[Pod]:
    """Our pods and the operators'."""
    yield from pods(resource)
    yield from operated_pods(resource)


def _task_pods(config_map: Resource) -> Iterator[Pod]:
    data = get(config_map.props, "data")
    for key in data if isinstance(data, Mapping) else ():
        if not key.endswith(_TEMPLATE_FILE):
            continue
        try:
            template = yaml.safe_load(text(data, key))
        except yaml.YAMLError:
            template = None
        yield Pod(
            source=f"{TASK_POD} `{key}` in {config_map}",
            kind=TASK_POD,
            namespace=text(template, "metadata", "namespace"),
            labels=mapping(template, "metadata", "labels"),
            spec=mapping(template, "spec"),
        )


def _is_sidecar(spec: Any) -> bool:
    return get(spec, "restartPolicy") in ("Always", UNKNOWN)
