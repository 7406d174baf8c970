"""Network policies of a stack: every flow is allowed at both ends, and every Service leads to pods."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.stack import Stack

Flow = tuple[str, str, int]
"""Who sends (namespace/labels), who receives, at which port."""


def _name(namespace: str, labels: Mapping[str, str]) -> str:
    return f"{namespace}/{','.join(f'{key}={value}' for key, value in sorted(labels.items()))}"


def _peers(policy: Mapping[str, Any], direction: str, side: str) -> Iterator[tuple[str, int]]:
    for rule in policy["spec"].get(direction, []):
        for port in rule["ports"]:
            for peer in rule[side]:
                if "ipBlock" in peer:
                    continue
                namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
                yield _name(namespace, peer["podSelector"].get("matchLabels", {})), port["port"]


def test_whoever_may_send_may_be_received_and_the_other_way_round(stack: Stack) -> None:
    sent: set[Flow] = set()
    received: set[Flow] = set()
    ours = {namespace["metadata"]["name"] for namespace in stack.of("Namespace")}
    for policy in stack.of("NetworkPolicy"):
        selected = policy["spec"]["podSelector"].get("matchLabels", {})
        if not selected:
            continue
        here = _name(policy["metadata"]["namespace"], selected)
        sent |= {(here, there, port) for there, port in _peers(policy, "egress", "to") if there.split("/")[0] in ours}
        received |= {
            (there, here, port) for there, port in _peers(policy, "ingress", "from") if there.split("/")[0] in ours
        }
    assert sent == received
    assert len(sent) > 10


def test_every_namespace_denies_what_nobody_allows(stack: Stack) -> None:
    for namespace in stack.of("Namespace"):
        policy = stack.get("NetworkPolicy", namespace["metadata"]["name"], "default-deny")
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert policy["spec"].get("ingress", []) == []
        assert {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]} == {53}


def test_a_task_pod_sends_to_the_execution_api_and_to_nobody_else(stack: Stack) -> None:
    policy = stack.get("NetworkPolicy", "airflow-tasks", "airflow-task")
    assert list(_peers(policy, "egress", "to")) == [
        ("airflow/app.kubernetes.io/name=airflow-execution-api,app.kubernetes.io/part-of=airflow", 8080)
    ]
    assert policy["spec"].get("ingress", []) == []


def test_every_service_leads_to_pods_at_a_port_that_they_open(stack: Stack) -> None:
    for service in stack.of("Service"):
        wanted = service["spec"]["selector"].items()
        namespace = service["metadata"]["namespace"]
        (pod,) = (pod for pod in stack.pods() if pod.namespace == namespace and wanted <= pod.labels.items())
        opened = {port["containerPort"] for container in pod.containers for port in container.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= opened
