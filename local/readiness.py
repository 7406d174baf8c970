"""When an object counts as ready: what the Pulumi provider awaits, for a deployment without the engine."""

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

from infra.render import Object

WAIT_FOR = "pulumi.com/waitFor"
SKIP_AWAIT = "pulumi.com/skipAwait"
TIMEOUT_SECONDS = 600


class NotReadyError(RuntimeError):
    """An object did not become ready. The message says what it waits for, and the last words of its pods."""


def wait_until_ready(kubernetes: DynamicClient, obj: Object, timeout: float = TIMEOUT_SECONDS) -> None:
    """Wait until the object is ready; most kinds are as soon as they exist. Raises NotReadyError."""
    if not _has_to_be_awaited(obj):
        return
    metadata = obj["metadata"]
    resource = kubernetes.resources.get(api_version=obj["apiVersion"], kind=obj["kind"])
    deadline = time.monotonic() + timeout
    pause = 0.1
    while True:
        current = resource.get(name=metadata["name"], namespace=metadata.get("namespace")).to_dict()
        missing = what_is_missing(current)
        if missing is None:
            return
        failed = obj["kind"] == "Job" and _condition(current, "Failed")
        if failed or time.monotonic() > deadline:
            name = f"{obj['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
            after = "failed" if failed else f"is not ready after {timeout:.0f} s"
            raise NotReadyError(f"{name} {after}: {missing}{_last_words(kubernetes, current)}")
        time.sleep(pause)
        pause = min(1.0, pause * 1.5)


def what_is_missing(current: Mapping[str, Any]) -> str | None:
    """What the object still waits for, as words; None when it is ready."""
    status = current.get("status") or {}
    kind = current["kind"]
    if wait_for := (current["metadata"].get("annotations") or {}).get(WAIT_FOR):
        conditions = json.loads(wait_for) if wait_for.startswith("[") else [wait_for]
        return next((unmet for condition in conditions if (unmet := _unmet(condition, current))), None)
    if kind == "Job":
        return None if _condition(current, "Complete") else "it has not succeeded"
    if kind == "Deployment":
        wanted = current["spec"]["replicas"]
        if status.get("observedGeneration", 0) < current["metadata"]["generation"]:
            return "its controller has not seen it"
        for count in ("updatedReplicas", "availableReplicas"):
            if status.get(count, 0) < wanted:
                return f"{status.get(count, 0)} of {wanted} {count}"
        if status.get("replicas", 0) > wanted:
            return "old pods still run"
    return None


def _has_to_be_awaited(obj: Object) -> bool:
    annotations = obj["metadata"].get("annotations") or {}
    if annotations.get(SKIP_AWAIT) == "true":
        return False
    return obj["kind"] in ("Job", "Deployment") or WAIT_FOR in annotations


def _unmet(wait_for: str, current: Mapping[str, Any]) -> str | None:
    """None where a condition of the annotation holds: `condition=Ready`, or `jsonpath={.status.instances}=2`."""
    if wait_for.startswith("condition="):
        return None if _condition(current, wait_for.removeprefix("condition=")) else wait_for
    match = re.fullmatch(r"jsonpath=\{\.([\w.]+)\}=(.*)", wait_for)
    if match is None:
        raise ValueError(
            f'The annotation {WAIT_FOR} is "{wait_for}"; write condition=NAME or jsonpath={{.PATH}}=VALUE, in a layer '
            "of names separated by dots"
        )
    value: Any = current
    for name in match[1].split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return None if shown == match[2] else f"{wait_for}, now {shown}"


def _condition(current: Mapping[str, Any], name: str) -> bool:
    conditions = (current.get("status") or {}).get("conditions") or []
    return any(condition["type"] == name and condition["status"] == "True" for condition in conditions)


def _last_words(kubernetes: DynamicClient, current: Mapping[str, Any]) -> str:
    """Why the object's pods do not run: their waiting containers and the ends of their logs."""
    selector = (current.get("spec") or {}).get("selector") or {}
    labels = ",".join(f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items())
    if not labels:
        return ""
    core = client.CoreV1Api(kubernetes.client)
    namespace = current["metadata"]["namespace"]
    listed = kubernetes.resources.get(api_version="v1", kind="Pod").get(namespace=namespace, label_selector=labels)
    words = []
    for pod in listed.to_dict()["items"]:
        name, status = pod["metadata"]["name"], pod["status"]
        for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            if container["ready"]:
                continue
            if waiting := container["state"].get("waiting"):
                words.append(f"{name}/{container['name']}: {waiting.get('reason')} {waiting.get('message', '')}")
            try:
                log = core.read_namespaced_pod_log(name, namespace, container=container["name"], tail_lines=15)
            except ApiException:
                continue
            words.append(f"{name}/{container['name']} says:\n{log}")
    return "".join(f"\n{each}" for each in words)
