"""What the Kubernetes documentation says of NetworkPolicies, in a real kernel between real sockets."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.network_policy_lab import Lab, why_not
from tests.local.network_policy_objects import DENY_ALL, HOSTS, NAMESPACES, PODS, policy

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab(HOSTS)
    yield made
    made.close()


CASES: dict[str, tuple[list[Any], list[str], list[str]]] = {
    "default deny isolates both ways, but for the node and for the pods of others": (
        [DENY_ALL],
        ["node -> web:80", "node -> api:80", "client -> web-b:80", "client -> node:6443", "client -> outside:80"],
        ["client -> web:80", "web -> api:80", "web -> client:80", "web -> node:6443", "outside -> web:80"],
    ),
    "only ingress where only ingress is said": (
        [policy("a", "{podSelector: {matchLabels: {app: web}}}")],
        ["web -> client:80", "web -> node:6443", "web -> outside:80", "client -> api:80"],
        ["client -> web:80", "api -> web:80", "outside -> web:80"],
    ),
    "only egress where only egress is said; answers to others pass": (
        [policy("a", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}")],
        ["client -> web:80", "outside -> web:80", "node -> web:80", "client -> web:53/udp"],
        ["web -> client:80", "web -> outside:80", "web -> node:6443"],
    ),
    "egress rules alone isolate both ways where no policyTypes are given": (
        [policy("a", "{podSelector: {matchLabels: {app: web}}, egress: [{ports: [{port: 80}]}]}")],
        ["web -> client:80", "web -> node:80"],
        ["client -> web:80", "web -> client:8080", "web -> client:80/udp"],
    ),
    "one empty rule allows all": (
        [DENY_ALL, policy("a", "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}")],
        ["client -> web:80", "web -> client:80", "outside -> web:53/udp", "web -> node:6443"],
        ["unknown -> web:80", "web -> unknown:80"],
    ),
    "a pod selector means pods of the policy's own namespace": (
        [policy("a", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}")],
        ["web -> api:80"],
        ["web-b -> api:80", "client -> api:80", "outside -> api:80", "api -> web:80"],
    ),
    "a namespace selector means all pods of those namespaces": (
        [policy("a", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}")],
        ["client -> api:80", "web-b -> api:80"],
        ["web -> api:80", "dns -> api:80", "outside -> api:80"],
    ),
    "both selectors of one peer must hold, of two peers either": (
        [
            policy(
                "a",
                """
                podSelector: {matchLabels: {app: api}}
                ingress:
                - from:
                  - namespaceSelector: {matchLabels: {team: blue}}
                    podSelector: {matchLabels: {app: web}}
                """,
                name="both",
            ),
            policy(
                "a",
                """
                podSelector: {matchLabels: {app: web}}
                ingress:
                - from:
                  - namespaceSelector: {matchLabels: {team: blue}}
                  - podSelector: {matchLabels: {app: api}}
                """,
                name="either",
            ),
        ],
        ["web-b -> api:80", "web-b -> web:80", "client -> web:80", "api -> web:80"],
        ["client -> api:80", "web -> api:80", "dns -> web:80"],
    ),
    "expressions: NotIn holds also where there is no such label": (
        [
            policy(
                "a",
                """
                podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}
                ingress:
                - from:
                  - namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [blue]}]}
                    podSelector:
                      matchExpressions: [{key: app, operator: Exists}, {key: gone, operator: DoesNotExist}]
                """,
            )
        ],
        ["dns -> web:80", "web -> api:80"],
        ["client -> web:80", "web-b -> api:80"],
    ),
    "an address block without its exceptions": (
        [
            policy(
                "a",
                """
                podSelector: {}
                policyTypes: [Ingress, Egress]
                ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.64/26, 198.51.100.77/32]}}]}]
                egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.244.0.0/16, 198.51.100.7/32]}}]}]
                """,
            )
        ],
        ["outside -> web:80", "web -> partner:80", "web -> node:6443"],
        ["partner -> web:80", "web -> outside:80", "client -> web:80", "web -> client:80"],
    ),
    "an address block that covers pods and the node means them too": (
        [
            policy(
                "a",
                """
                podSelector: {matchLabels: {app: web}}
                policyTypes: [Egress]
                egress:
                - to: [{ipBlock: {cidr: 172.30.0.1/32}}]
                  ports: [{port: 6443}]
                - to: [{ipBlock: {cidr: 10.244.0.11/32}}]
                  ports: [{port: http}]
                """,
            )
        ],
        ["web -> node:6443", "web -> api:9090"],
        ["web -> node:80", "web -> api:8080", "web -> client:9090"],
    ),
    "a named port is each receiving pod's own": (
        [
            policy("a", "{podSelector: {}, ingress: [{ports: [{port: http}]}]}", name="in"),
            policy(
                "b",
                "{podSelector: {}, policyTypes: [Egress],"
                " egress: [{to: [{namespaceSelector: {}}], ports: [{port: http}, {port: 53}]}]}",
                name="out",
            ),
        ],
        ["client -> web:8080", "client -> api:9090", "outside -> api:9090", "client -> dns:53"],
        ["client -> web:9090", "client -> api:8080", "client -> dns:8080", "client -> web:53", "outside -> web:80"],
    ),
    "a name may mean another port for each protocol": (
        [policy("kube-system", "{podSelector: {}, ingress: [{ports: [{port: dns, protocol: UDP}, {port: dns}]}]}")],
        ["client -> dns:53/udp", "client -> dns:80"],
        ["client -> dns:53", "client -> dns:80/udp"],
    ),
    "port ranges include both ends; overlapping ones add up": (
        [
            policy(
                "a",
                "{podSelector: {}, ingress: [{ports: [{port: 8080, endPort: 8090}, {port: 8081},"
                " {port: 53, protocol: UDP}]}]}",
            )
        ],
        ["client -> web:8080", "client -> web:8081", "client -> web:8090", "client -> web:53/udp"],
        ["client -> web:80", "client -> web:9090", "client -> web:53", "client -> web:8080/udp"],
    ),
    "a port without a number means all of its protocol": (
        [policy("a", "{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}")],
        ["client -> web:53/udp", "client -> web:8080/udp"],
        ["client -> web:53", "client -> web:8080"],
    ),
    "policies add up, and sender and receiver must both allow": (
        [
            DENY_ALL,
            policy(
                "a",
                "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress],"
                " egress: [{to: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 80}]}]}",
                name="web-sends",
            ),
            policy(
                "a",
                "{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress],"
                " ingress: [{from: [{podSelector: {}}], ports: [{port: 80}, {port: 8080}]}]}",
                name="api-receives",
            ),
            policy(
                "a",
                "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector:"
                " {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{port: 53, protocol: UDP}]}]}",
                name="dns",
            ),
        ],
        ["web -> api:80", "web -> dns:53/udp", "api -> dns:53/udp"],
        ["web -> api:8080", "api -> web:80", "client -> api:80", "web -> dns:53", "web -> dns:80"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_policy_means_what_kubernetes_documents(lab: Lab, case: str) -> None:
    policies, passing, dropped = CASES[case]
    lab.enforce(policies, PODS, NAMESPACES)
    lab.expect(passing=passing, dropped=dropped)
