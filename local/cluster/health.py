"""Whether the cluster can run pods: what its API says, once that is news and not from before a restart."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from local.cluster.addresses import NODE_NAME
from local.cluster.api import Api

_SYSTEM = (("kube-system", "k8s-app=kube-dns"), ("local-path-storage", "app=local-path-provisioner"))


def usable(api: Api, since: float) -> bool:
    """Whether the node, the cluster's names and its storage are ready.

    `since` is when the container runtime started (seconds since 1970). What is said to run for longer than that ran
    in an earlier one: the kubelet has not looked yet.
    """
    if not _has_condition(api.get(f"/api/v1/nodes/{NODE_NAME}"), "Ready"):
        return False
    if any(started < int(since) for started in _running_since(api.get("/api/v1/pods"))):
        return False
    return all(any(_has_condition(pod, "Ready") for pod in _pods(api, *which)) for which in _SYSTEM)


def _pods(api: Api, namespace: str, selector: str) -> list[dict[str, Any]]:
    return api.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}").get("items", [])


def _running_since(pods: dict[str, Any]) -> Iterator[float]:
    for pod in pods.get("items", []):
        for container in pod["status"].get("containerStatuses", []):
            if running := container["state"].get("running"):
                yield datetime.strptime(running["startedAt"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def _has_condition(thing: dict[str, Any], condition: str) -> bool:
    conditions = thing.get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)
