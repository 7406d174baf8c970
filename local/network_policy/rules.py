"""The nftables table that enforces the policies: a pure function from Kubernetes objects to nft's text."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from local.network_policy.nftables import TABLE
from local.network_policy.pods import Pod, running_pods
from local.network_policy.policy import EGRESS, INGRESS, Cluster, Direction, allowed, isolates

_COMMENT_LENGTH = 120  # nft refuses more than 128


@dataclass(frozen=True)
class Network:
    """The addresses of the pods, and the address of the node that pods may know."""

    pods: IPv4Network
    node: IPv4Address


def table(
    policies: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    namespaces: Iterable[Mapping[str, Any]],
    network: Network,
) -> str:
    """The table for these objects (as the API serves them, as JSON); the same for the same objects in any order.

    Raises ValueError where a policy holds what the API would refuse.
    """
    cluster = Cluster(running_pods(pods, network.pods), namespaces)
    sets = _Sets()
    ordered = sorted(policies, key=_name)
    chains = [_chains(direction, ordered, cluster, sets) for direction in (EGRESS, INGRESS)]
    return "\n".join([f"table inet {TABLE} {{", *sets.definitions(), *chains, _hooks(cluster.pods, network), "}", ""])


def _hooks(pods: Iterable[Pod], network: Network) -> str:
    """Where packets enter: routed to or from pods, and from pods to the node itself.

    The node's own packets to pods pass neither hook. The answers to all that was admitted are `established`.
    """
    # A pod that reaches itself through a Service; within the pod its packets never get here.
    itself = ", ".join(f"{pod.address} . {pod.address}" for pod in pods)
    to_itself = f"ip saddr . ip daddr {{ {itself} }} accept" if itself else ""
    # Pods have IPv4 addresses only, but the kernel gives each end of a pod's link an IPv6 one too.
    no_ipv6 = 'meta nfproto ipv6 iifname "veth*" counter drop comment "IPv6 from a pod"'
    # Policies go by address, so nobody may borrow another's.
    no_borrowed = f'ip saddr {network.pods} fib saddr . iif oif missing counter drop comment "borrowed address"'
    return f"""\
  chain forward {{
    type filter hook forward priority filter; policy accept;
    {no_ipv6}
    ct state established,related accept
    {no_borrowed}
    {to_itself}
    ip saddr {network.pods} jump egress
    ip daddr {network.pods} jump ingress
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iif lo accept
    {no_ipv6}
    ct state established,related accept
    {no_borrowed}
    ip saddr {network.pods} ip daddr != {network.node} counter drop comment "not the node's address in the cluster"
    ip saddr {network.pods} jump egress
  }}"""


def _chains(direction: Direction, policies: Iterable[Mapping[str, Any]], cluster: Cluster, sets: "_Sets") -> str:
    """The chain `ingress` or `egress`: returns for what is allowed, and drops the rest.

    It goes on to a chain for each combination of policies that some pods have in common.
    """
    matches: dict[str, list[str]] = {}
    policies_of: dict[IPv4Address, list[str]] = {pod.address: [] for pod in cluster.pods}
    for policy in policies:
        selected = cluster.selected(policy)
        if selected and isolates(policy, direction):
            matches[_name(policy)] = list(allowed(policy, direction, cluster, sets.name))
            for pod in selected:
                policies_of[pod.address].append(_name(policy))

    groups: dict[tuple[str, ...], list[IPv4Address]] = defaultdict(list)
    for address, names in policies_of.items():
        groups[tuple(names)].append(address)

    lines: list[str] = []
    verdicts: list[str] = []
    for number, (names, addresses) in enumerate(sorted(groups.items())):
        chain = f"{direction.rules}_{number}"
        verdict = f"goto {chain}" if names else "return"
        verdicts += [f"{address} : {verdict}" for address in addresses]
        if names:
            rules = [f'{match} return comment "{name[:_COMMENT_LENGTH]}"' for name in names for match in matches[name]]
            lines += _chain(chain, [*rules, 'counter drop comment "no policy allows it"'])

    own_address = "saddr" if direction is EGRESS else "daddr"
    dispatch = [f"ip {own_address} vmap {{ {', '.join(verdicts)} }}"] if verdicts else []
    return "\n".join([*lines, *_chain(direction.rules, [*dispatch, 'counter drop comment "no running pod is known"'])])


def _chain(name: str, rules: Iterable[str]) -> list[str]:
    return [f"  chain {name} {{", *(f"    {rule.strip()}" for rule in rules), "  }"]


def _name(policy: Mapping[str, Any]) -> str:
    return f"{policy['metadata']['namespace']}/{policy['metadata']['name']}"


class _Sets:
    """Named sets of pods' addresses, shared by the rules that mean the same pods."""

    def __init__(self) -> None:
        self._names: dict[tuple[IPv4Address, ...], str] = {}

    def name(self, addresses: Iterable[IPv4Address]) -> str:
        """The set of `addresses`, as a rule refers to it."""
        return "@" + self._names.setdefault(tuple(sorted(addresses)), f"pods_{len(self._names)}")

    def definitions(self) -> list[str]:
        return [
            f"  set {name} {{ type ipv4_addr; elements = {{ {', '.join(map(str, addresses))} }}; }}"
            for addresses, name in self._names.items()
        ]
