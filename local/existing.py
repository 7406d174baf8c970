"""What a cluster of the user's needs before the stack local can run on it. Nothing here changes the cluster."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kubernetes import client, config

from infra import offline
from infra.platform import CLOUDNATIVEPG_CHART
from infra.render import Object, objects
from local.deploy import STACK
from local.target import REPOSITORY, Target

OURS = "airflow-platform/role"
"""Label of the platform's namespaces."""

_OPERATOR_GROUP = "postgresql.cnpg.io"
_NODES_IMAGES = 50  # a kubelet lists no more of them in its node's status


@dataclass(frozen=True)
class Cluster:
    """What there is: API groups, storage classes, namespaces that are not ours, names of images on every node."""

    groups: Collection[str]
    storage_classes: Collection[str]
    foreign_namespaces: Collection[str]
    images: Collection[str] | None
    """None where nodes list too many to tell."""


def problems(target: Target) -> list[str]:
    """Sentences that say what the target lacks and what to do; none where the stack local can be deployed."""
    layers = objects(offline.evaluate(STACK, root=REPOSITORY))
    return list(missing(target.name, look(target), [obj for layer in layers for obj in layer]))


def look(target: Target) -> Cluster:
    """The target as it is now."""
    api = config.new_client_from_config(None, target.context)
    core = client.CoreV1Api(api)
    listed = core.list_node().to_dict()["items"]
    nodes = [{name for image in node["status"].get("images") or () for name in image["names"]} for node in listed]
    full = any(len(names) >= _NODES_IMAGES for names in nodes)
    return Cluster(
        groups={group["name"] for group in client.ApisApi(api).get_api_versions().to_dict()["groups"]},
        storage_classes=names(client.StorageV1Api(api).list_storage_class()),
        foreign_namespaces=names(core.list_namespace(label_selector=f"!{OURS}")),
        images=None if full else set.intersection(*nodes) if nodes else set(),
    )


def missing(name: str, cluster: Cluster, wanted: Sequence[Object]) -> Iterator[str]:
    """A sentence for each thing that the objects `wanted` need and the cluster called `name` does not have."""
    if _OPERATOR_GROUP not in cluster.groups:
        yield (
            f"{name} has no CloudNativePG (no resources of {_OPERATOR_GROUP}), the operator of the metadata database. "
            f"Install its chart: helm install cloudnative-pg cloudnative-pg --version {CLOUDNATIVEPG_CHART} "
            "--repo https://cloudnative-pg.github.io/charts --namespace cnpg-system --create-namespace"
        )
    for storage_class in sorted(values(wanted, {"storageClass", "storageClassName"}) - set(cluster.storage_classes)):
        use = "that volumes can be shared by many pods (ReadWriteMany)" if storage_class == "shared" else "for volumes"
        yield (
            f"{name} has no StorageClass {storage_class}, {use}; it has "
            f"{', '.join(sorted(cluster.storage_classes)) or 'none'}. Make one of that name, or name another in "
            "stacks/Pulumi.local.yaml."
        )
    made_here = {image for image in values(wanted, {"image", "imageName"}) if image.startswith("localhost/")}
    if cluster.images is not None and (absent := sorted(made_here - set(cluster.images))):
        yield (
            f"The nodes of {name} lack {', '.join(absent)}, which no registry has. Load them into the nodes, or push "
            "images to a registry of yours and name those in stacks/Pulumi.local.yaml."
        )
    namespaces = {obj["metadata"]["name"] for obj in wanted if obj["kind"] == "Namespace"}
    if taken := sorted(namespaces & set(cluster.foreign_namespaces)):
        yield (
            f"{name} has the namespace{'s' if len(taken) > 1 else ''} {', '.join(taken)} already, of somebody else. "
            "Name others in stacks/Pulumi.local.yaml, under airflow-platform:namespaces."
        )


def names(listed: Any) -> set[str]:
    """Names of the objects in a list that the client returned."""
    return {each.metadata.name for each in listed.items}


def values(tree: Any, keys: Collection[str]) -> set[str]:
    """All text at `keys`, at any depth of the tree."""
    if isinstance(tree, dict):
        here = {value for key, value in tree.items() if key in keys and isinstance(value, str)}
        return here.union(*(values(value, keys) for value in tree.values()))
    if isinstance(tree, list | tuple):
        return set().union(*(values(value, keys) for value in tree))
    return set()
