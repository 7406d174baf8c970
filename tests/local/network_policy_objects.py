"""Pods, namespaces and policies as the API serves them, and the network that they are in."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import yaml

from local.network_policy.rules import Network

NETWORK = Network(IPv4Network("10.244.0.0/16"), IPv4Address("172.30.0.1"))


def pod(namespace: str, name: str, address: str, *, ports: Mapping[str, int] | None = None, **status: str) -> Any:
    """A running pod labelled `app: <name>`. `ports` are by `NAME` or `NAME/PROTOCOL`; `status` adds to its status."""
    named = [(*key.partition("/"), port) for key, port in (ports or {}).items()]
    containers = [{"ports": [{"name": n, "protocol": p or "TCP", "containerPort": port} for n, _, p, port in named]}]
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": f"{namespace}/{name}", "labels": {"app": name}},
        "spec": {"containers": containers},
        "status": {"phase": "Running", "podIP": address, **status},
    }


def namespace(name: str, **labels: str) -> Any:
    """A namespace, with the label that the API server gives each."""
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}


def policy(namespace: str, spec: str, name: str = "policy") -> Any:
    """A NetworkPolicy whose spec is written as YAML."""
    return {"metadata": {"namespace": namespace, "name": name}, "spec": yaml.safe_load(spec)}


# What the tests run on: pods, an address that no running pod is known for, and two hosts that are not pods.
HOSTS = {
    "web": "10.244.0.10",
    "api": "10.244.0.11",
    "client": "10.244.0.20",
    "web-b": "10.244.0.21",
    "dns": "10.244.0.30",
    "unknown": "10.244.0.99",
    "outside": "198.51.100.7",
    "partner": "198.51.100.77",
}
PODS = [
    pod("a", "web", HOSTS["web"], ports={"http": 8080}),
    pod("a", "api", HOSTS["api"], ports={"http": 9090}),
    pod("b", "client", HOSTS["client"]),
    pod("b", "web", HOSTS["web-b"]),
    pod("kube-system", "dns", HOSTS["dns"], ports={"dns/UDP": 53, "dns/TCP": 80}),
]
NAMESPACES = [namespace("a", team="red"), namespace("b", team="blue"), namespace("kube-system")]
DENY_ALL = policy("a", "{podSelector: {}, policyTypes: [Ingress, Egress]}", name="deny-all")
