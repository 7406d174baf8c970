"""The pods that policies are about: those with an address of the pod network, and still running."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any


@dataclass(frozen=True)
class Pod:
    """A running pod. `ports` are its named ports, by protocol and name."""

    namespace: str
    address: IPv4Address
    labels: Mapping[str, str]
    ports: Mapping[tuple[str, str], int]


def running_pods(pods: Iterable[Mapping[str, Any]], network: IPv4Network) -> list[Pod]:
    """The running pods with an address in `network`, in order of address, from objects as the API serves them.

    Not among them: pods on the host's network, which have the node's address, and pods that ended, whose address may
    be another's by now. Of two with one address the newer is the one that has it.
    """
    by_address: dict[IPv4Address, Pod] = {}
    for pod in sorted(pods, key=_age):
        status = pod.get("status") or {}
        if status.get("phase") in ("Succeeded", "Failed"):
            continue
        for address in _addresses(status, network):
            by_address[address] = Pod(
                pod["metadata"]["namespace"], address, pod["metadata"].get("labels") or {}, _named_ports(pod["spec"])
            )
    return [by_address[address] for address in sorted(by_address)]


def _age(pod: Mapping[str, Any]) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp") or "", pod["metadata"].get("uid") or ""


def _addresses(status: Mapping[str, Any], network: IPv4Network) -> list[IPv4Address]:
    texts = {each["ip"] for each in status.get("podIPs") or []} | {status.get("podIP") or ""}
    addresses = (IPv4Address(text) for text in texts if "." in text)
    return [address for address in addresses if address in network]


def _named_ports(spec: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    ports: dict[tuple[str, str], int] = {}
    sidecars = [each for each in spec.get("initContainers") or [] if each.get("restartPolicy") == "Always"]
    for container in [*spec["containers"], *sidecars]:
        for port in container.get("ports") or []:
            if name := port.get("name"):
                ports.setdefault((port.get("protocol") or "TCP", name), port["containerPort"])
    return ports
