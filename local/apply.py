"""Deploy a stack without the Pulumi engine: its objects by server-side apply, in layers, each awaited; what the stack
no longer has is deleted.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

from infra.render import Object
from local.progress import Step
from local.readiness import wait_until_ready

FIELD_MANAGER = "airflow-platform"
INVENTORY_NAMESPACE = "kube-system"


@dataclass
class Changes:
    """What an apply changed, by the names of the objects."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = [
            f"{len(names)} {what}"
            for what, names in (("created", self.created), ("changed", self.changed), ("deleted", self.deleted))
            if names
        ]
        return ", ".join(counts) or "nothing changed"


@dataclass(frozen=True, order=True)
class Key:
    """Names an object."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> "Key":
        """The name of this object."""
        metadata = obj["metadata"]
        return cls(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def dynamic_client(kubeconfig: Path | None, context: str | None, discovery_cache: Path) -> DynamicClient:
    """A client for any kind of object. `kubeconfig` None: the user's own."""
    loaded = config.new_client_from_config(str(kubeconfig) if kubeconfig else None, context)
    return DynamicClient(loaded, cache_file=str(discovery_cache))


def apply(stack: str, layers: Sequence[Sequence[Object]], kubernetes: DynamicClient, progress: Step) -> Changes:
    """Make the cluster have exactly these objects of the stack, each layer ready before the next.

    Raises ApiException where the server refuses an object, and readiness.NotReadyError where one does not become
    ready. Safe to interrupt and to repeat: what was applied is written down before it is.
    """
    changes = Changes()
    wanted = {Key.of(obj) for layer in layers for obj in layer}
    known = _read_inventory(kubernetes, stack)
    _write_inventory(kubernetes, stack, known | wanted)
    for number, layer in enumerate(layers, 1):
        progress.update(f"layer {number} of {len(layers)}")
        for obj in layer:
            _apply_one(kubernetes, obj, changes)
        for obj in layer:
            progress.update(f"layer {number} of {len(layers)}: {Key.of(obj)}")
            wait_until_ready(kubernetes, obj)
    changes.deleted = _delete(kubernetes, known - wanted)
    _write_inventory(kubernetes, stack, wanted)
    return changes


def _apply_one(kubernetes: DynamicClient, obj: Object, changes: Changes) -> None:
    key = Key.of(obj)
    resource = kubernetes.resources.get(api_version=key.api_version, kind=key.kind)
    where = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
    try:
        before = resource.get(**where).metadata.resourceVersion
    except NotFoundError:
        before = None
    if key.kind == "Job" and before is not None:
        before = _without_failed_job(resource, where, before)
    applied = resource.server_side_apply(body=obj, field_manager=FIELD_MANAGER, force_conflicts=True, **where)
    if before is None:
        changes.created.append(str(key))
    elif applied.metadata.resourceVersion != before:
        changes.changed.append(str(key))


def _without_failed_job(resource: Any, where: dict[str, str], version: str) -> str | None:
    """A Job that failed can't be run again: it makes room for a new one of its name, as the engine has it."""
    current = resource.get(**where).to_dict()
    conditions = (current.get("status") or {}).get("conditions") or []
    if not any(condition["type"] == "Failed" and condition["status"] == "True" for condition in conditions):
        return version
    resource.delete(**where, body={"propagationPolicy": "Foreground"})
    while True:
        try:
            resource.get(**where)
        except NotFoundError:
            return None
        time.sleep(0.2)


def _delete(kubernetes: DynamicClient, keys: Iterable[Key]) -> list[str]:
    deleted = []
    for key in sorted(keys):
        try:
            resource = kubernetes.resources.get(api_version=key.api_version, kind=key.kind)
            where = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
            resource.delete(**where, body={"propagationPolicy": "Background"})
        except (NotFoundError, ResourceNotFoundError):
            continue
        deleted.append(str(key))
    return deleted


def _read_inventory(kubernetes: DynamicClient, stack: str) -> set[Key]:
    core = client.CoreV1Api(kubernetes.client)
    try:
        kept = core.read_namespaced_config_map(inventory(stack), INVENTORY_NAMESPACE)
    except ApiException as error:
        if error.status != 404:
            raise
        return set()
    return {Key(*names) for names in json.loads((kept.data or {})["objects"])}


def _write_inventory(kubernetes: DynamicClient, stack: str, keys: set[Key]) -> None:
    listed = [[key.api_version, key.kind, key.namespace, key.name] for key in sorted(keys)]
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": inventory(stack), "namespace": INVENTORY_NAMESPACE},
        "data": {"objects": json.dumps(listed)},
    }
    resource = kubernetes.resources.get(api_version="v1", kind="ConfigMap")
    resource.server_side_apply(
        body=body,
        name=inventory(stack),
        namespace=INVENTORY_NAMESPACE,
        field_manager=FIELD_MANAGER,
        force_conflicts=True,
    )


def inventory(stack: str) -> str:
    """Name of the ConfigMap that lists what was applied of a stack."""
    return f"airflow-platform-{stack}"
