"""Policies on a node as it is: Services, addresses used again, what pods could try; real kernel, real sockets."""

import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tests.local.network_policy_lab import GATEWAY, Lab, why_not
from tests.local.network_policy_objects import DENY_ALL, HOSTS, NAMESPACES, NETWORK, PODS, pod, policy

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab(HOSTS)
    yield made
    made.close()


def test_without_policies_everything_passes_but_what_no_pod_is_known_for(lab: Lab) -> None:
    lab.enforce([], PODS, NAMESPACES)
    lab.expect(
        passing=[
            "web -> client:80",
            "client -> api:53/udp",
            "outside -> web:80",
            "web -> outside:80",
            "web -> node:6443",
        ],
        dropped=["unknown -> web:80", "unknown -> node:6443", "unknown -> outside:80", "web -> unknown:80"],
    )
    # The node reaches a pod before anybody knows its address: a kubelet's probe must not wait for us.
    lab.expect(passing=["node -> web:80", "node -> unknown:80"])


def test_a_service_is_judged_by_what_answers(lab: Lab) -> None:
    """Destinations are translated as kube-proxy does it, before any policy is asked."""
    sends = """
        podSelector: {matchLabels: {app: web}}
        policyTypes: [Egress]
        egress:
        - to: [{ipBlock: {cidr: 172.30.0.1/32}}]
          ports: [{port: 6443}]
        - to: [{podSelector: {matchLabels: {app: api}}}]
          ports: [{port: 9090}]
        """
    lab.enforce([policy("a", sends)], PODS, NAMESPACES)
    services = """
        10.96.0.1 . 443 : 172.30.0.1 . 6443, 10.96.0.2 . 80 : 10.244.0.11 . 9090,
        10.96.0.3 . 80 : 10.244.0.10 . 8080, 10.96.0.4 . 80 : 10.244.0.21 . 80"""
    lab.nft(
        f"""
        table ip services {{
          chain prerouting {{
            type nat hook prerouting priority dstnat;
            dnat ip to ip daddr . tcp dport map {{ {services} }}
          }}
          chain postrouting {{
            type nat hook postrouting priority srcnat;
            ip saddr 10.244.0.10 ip daddr 10.244.0.10 masquerade
          }}
        }}"""
    )
    lab.expect(
        passing=["web -> 10.96.0.1:443", "web -> 10.96.0.2:80", "client -> 10.96.0.4:80"],
        dropped=["web -> 10.96.0.4:80"],
    )
    # Itself, behind a Service: no policy can forbid that.
    lab.expect(passing=["web -> 10.96.0.3:80"])


def test_a_pod_that_ended_has_no_address_any_more(lab: Lab) -> None:
    ended = pod("b", "job", HOSTS["unknown"], phase="Succeeded")
    newer, failed = pod("a", "newer", HOSTS["client"]), pod("b", "failed", HOSTS["client"], phase="Failed")
    lab.enforce([DENY_ALL], [ended, newer, failed], NAMESPACES)
    lab.expect(passing=["node -> client:80"], dropped=["unknown -> outside:80", "client -> outside:80"])


def test_an_open_connection_survives_a_policy_and_a_new_one_does_not(lab: Lab) -> None:
    lab.enforce([], PODS, NAMESPACES)
    with lab.inside("web"):
        server = socket.create_server(("", 7000))
    with lab.inside("client"):
        client = socket.create_connection((HOSTS["web"], 7000), timeout=2)
    accepted, _ = server.accept()
    with server, client, accepted:
        lab.enforce([DENY_ALL], PODS, NAMESPACES)
        accepted.sendall(b"still here")
        assert client.recv(16) == b"still here"
    lab.expect(dropped=["client -> web:80"])


def test_sctp_ports_are_told_apart(lab: Lab) -> None:
    """The kernel may lack SCTP sockets, so the packets are made by hand."""
    lab.enforce([policy("a", "{podSelector: {}, ingress: [{ports: [{port: 80, protocol: SCTP}]}]}")], PODS, NAMESPACES)
    with lab.inside("web"):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    with lab.inside("client"):
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    with receiver, sender:
        receiver.settimeout(0.3)
        for port in (81, 80):
            sender.sendto(struct.pack("!HHIIBBH", 5000, port, 0, 0, 1, 0, 4), (HOSTS["web"], 0))
        assert struct.unpack_from("!HH", receiver.recv(64), 20) == (5000, 80)


def test_a_pod_cannot_borrow_anothers_address(lab: Lab) -> None:
    allows_api = policy("a", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}")
    lab.enforce([allows_api], PODS, NAMESPACES)
    with lab.inside("web"):
        receiver = socket.socket(type=socket.SOCK_DGRAM)
        receiver.bind(("", 7001))
    with receiver:
        receiver.settimeout(0.3)
        for sender in ("client", "api"):
            with lab.inside(sender), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
                raw.sendto(_udp(HOSTS["api"], HOSTS["web"], 7001, sender.encode()), (HOSTS["web"], 0))
        assert receiver.recv(64) == b"api"


def test_a_pod_reaches_the_machine_only_at_the_nodes_address(lab: Lab) -> None:
    lab.enforce([], PODS, NAMESPACES)
    lab.expect(passing=["web -> node:80"], dropped=[f"web -> {GATEWAY}:80"])
    lab.enforce([], PODS, NAMESPACES, replace(NETWORK, node=IPv4Address(GATEWAY)))
    lab.expect(passing=[f"web -> {GATEWAY}:80"])


def test_a_pod_does_not_reach_the_node_around_its_policies_over_ipv6(lab: Lab) -> None:
    """The kernel gives both ends of a pod's link an IPv6 address, though the cluster has none."""
    lab.nft("flush ruleset")
    lab.run("node", ["ip", "address", "add", "fe80::1/64", "dev", "veth0", "nodad"])
    lab.run("web", ["ip", "address", "add", "fe80::2/64", "dev", "eth0", "nodad"])
    with lab.inside("node"):
        server = socket.create_server(("::", 7002), family=socket.AF_INET6)
    with lab.inside("web"):
        node = socket.getaddrinfo("fe80::1%eth0", 7002)[0][4]

    def reached() -> bool:
        with lab.inside("web"):
            client = socket.socket(socket.AF_INET6)
        with client:
            client.settimeout(0.3)
            return client.connect_ex(node) == 0

    with server:
        # On a busy machine the neighbours take a moment to find each other.
        assert any(reached() for _ in range(30))
        lab.enforce([DENY_ALL], PODS, NAMESPACES)
        assert not reached()


def _udp(source: str, destination: str, port: int, payload: bytes) -> bytes:
    """An IPv4 packet; the kernel fills in the checksums that are zero, or ignores them."""
    udp = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses + udp
