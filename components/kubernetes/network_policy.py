"""Network policies: what one set of pods may receive and send. A namespace denies everything else."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.networking.v1 import NetworkPolicy

from components.references import Peer


@dataclass(frozen=True)
class Traffic:
    """Connections with `peers` at one port: theirs when we send, ours when we receive."""

    peers: tuple[Peer, ...]
    port: int
    protocol: str = "TCP"


def network_policy(
    name: str,
    *,
    namespace: str,
    labels: dict[str, str],
    receives: Iterable[Traffic] = (),
    sends: Iterable[Traffic] = (),
    opts: pulumi.ResourceOptions | None = None,
    resource_name: str | None = None,
) -> NetworkPolicy:
    """Allow the pods with `labels` exactly this traffic, in both directions."""
    # Nothing empty is written: the API server drops it, and would see a change each time it is applied.
    spec: Any = {
        "podSelector": {"matchLabels": labels} if labels else {},
        "policyTypes": ["Ingress", "Egress"],
    }
    if ingress := [{"from": _peers(traffic), "ports": _ports(traffic)} for traffic in receives]:
        spec["ingress"] = ingress
    if egress := [{"to": _peers(traffic), "ports": _ports(traffic)} for traffic in sends]:
        spec["egress"] = egress
    return NetworkPolicy(resource_name or name, metadata={"name": name, "namespace": namespace}, spec=spec, opts=opts)


def _peers(traffic: Traffic) -> list[dict[str, object]]:
    return [peer.selector() for peer in traffic.peers]


def _ports(traffic: Traffic) -> list[dict[str, object]]:
    return [{"port": traffic.port, "protocol": traffic.protocol}]
