"""What one NetworkPolicy allows, as nftables matches."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Any

from local.network_policy.pods import Pod
from local.network_policy.selectors import selects

AddressSet = Callable[[Iterable[IPv4Address]], str]
"""Gives the nftables set with these addresses."""


@dataclass(frozen=True)
class Direction:
    """One of the two ways; the fields of a NetworkPolicy for it, and where a packet has the other side's address."""

    policy_type: str
    rules: str
    peers: str
    peer_address: str


INGRESS = Direction("Ingress", "ingress", "from", "ip saddr")
EGRESS = Direction("Egress", "egress", "to", "ip daddr")


class Cluster:
    """The running pods, and the labels of the namespaces."""

    def __init__(self, pods: Sequence[Pod], namespaces: Iterable[Mapping[str, Any]]) -> None:
        self.pods = pods
        self._labels = {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in namespaces}
        self._by_namespace: dict[str, list[Pod]] = defaultdict(list)
        for pod in pods:
            self._by_namespace[pod.namespace].append(pod)

    def selected(self, policy: Mapping[str, Any]) -> list[Pod]:
        """The pods that `policy` applies to."""
        return self._in(policy["metadata"]["namespace"], policy["spec"].get("podSelector") or {})

    def peers(self, peer: Mapping[str, Any], own_namespace: str) -> list[Pod]:
        """The pods that `peer` means in a policy of `own_namespace`: without a namespaceSelector, pods of that one."""
        namespace_selector, pod_selector = peer.get("namespaceSelector"), peer.get("podSelector") or {}
        if namespace_selector is None:
            return self._in(own_namespace, pod_selector)
        names = [name for name, labels in self._labels.items() if selects(namespace_selector, labels)]
        return [pod for name in names for pod in self._in(name, pod_selector)]

    def _in(self, namespace: str, selector: Mapping[str, Any]) -> list[Pod]:
        return [pod for pod in self._by_namespace[namespace] if selects(selector, pod.labels)]


def isolates(policy: Mapping[str, Any], direction: Direction) -> bool:
    """Whether the pods of `policy` may do in this direction only what is allowed. By default egress only if it says."""
    spec = policy["spec"]
    if types := spec.get("policyTypes"):
        return direction.policy_type in types
    return direction is INGRESS or bool(spec.get("egress"))


def allowed(
    policy: Mapping[str, Any], direction: Direction, cluster: Cluster, address_set: AddressSet
) -> Iterator[str]:
    """The nftables matches of which a packet must fulfil one to be allowed by `policy` ("" is fulfilled by all).

    Only for packets of the pods that the policy applies to. Raises ValueError for a CIDR that is none.
    """
    for rule in policy["spec"].get(direction.rules) or []:
        for peer_match, peer_pods in _peers(rule, policy, direction, cluster, address_set):
            receivers = peer_pods if direction is EGRESS else cluster.selected(policy)
            for port_match in _ports(rule.get("ports") or [], receivers):
                yield " ".join(match for match in (peer_match, port_match) if match)


def _peers(
    rule: Mapping[str, Any], policy: Mapping[str, Any], direction: Direction, cluster: Cluster, address_set: AddressSet
) -> Iterator[tuple[str, Sequence[Pod]]]:
    """Matches for the other side, each with the pods that may be there."""
    peers = rule.get(direction.peers) or []
    if not peers:
        yield "", cluster.pods
    selected: dict[IPv4Address, Pod] = {}
    for peer in peers:
        if block := peer.get("ipBlock"):
            yield from ((match, cluster.pods) for match in _block(block, direction))
        else:
            selected |= {pod.address: pod for pod in cluster.peers(peer, policy["metadata"]["namespace"])}
    if selected:
        yield f"{direction.peer_address} {address_set(selected)}", list(selected.values())


def _block(block: Mapping[str, Any], direction: Direction) -> Iterator[str]:
    for network in _ipv4([block["cidr"]]):
        match = f"{direction.peer_address} {network}"
        if excepted := _ipv4(block.get("except") or []):
            match += f" {direction.peer_address} != {{ {', '.join(map(str, excepted))} }}"
        yield match


def _ipv4(cidrs: Iterable[str]) -> list[IPv4Network]:
    """The IPv4 networks among `cidrs`; IPv6 ones match nothing in an IPv4 cluster."""
    networks: list[IPv4Network | IPv6Network] = [ip_network(cidr, strict=False) for cidr in cidrs]
    return [network for network in networks if isinstance(network, IPv4Network)]


def _ports(ports: Sequence[Mapping[str, Any]], receivers: Sequence[Pod]) -> Iterator[str]:
    """Matches for the destination's port, one or two for each protocol. A named port is each receiver's own."""
    if not ports:
        yield ""
    ranges: dict[str, set[str]] = defaultdict(set)  # nft merges those that overlap
    named: dict[str, set[tuple[IPv4Address, int]]] = defaultdict(set)
    for each in ports:
        protocol, port = each.get("protocol") or "TCP", each.get("port")
        if isinstance(port, str):
            name = (protocol, port)
            named[protocol] |= {(pod.address, pod.ports[name]) for pod in receivers if name in pod.ports}
        elif port is None:
            ranges[protocol].add("0-65535")
        else:
            ranges[protocol].add(f"{port}-{each['endPort']}" if each.get("endPort") else str(port))
    for protocol, numbers in sorted(ranges.items()):
        yield f"{protocol.lower()} dport {{ {', '.join(sorted(numbers))} }}"
    for protocol, endpoints in sorted(named.items()):
        if endpoints:
            elements = ", ".join(f"{address} . {port}" for address, port in sorted(endpoints))
            yield f"ip daddr . {protocol.lower()} dport {{ {elements} }}"
