"""What has replicas survives a drained node and a lost one."""

import math
from collections.abc import Iterator
from typing import Any

from policies.label_selectors import selects
from policies.pods import Pod, all_pods
from policies.rules import Resource, Settings, Stack, stack_policy
from policies.values import UNKNOWN, get, mapping, sequence, shown

_REPLICATED = {
    ("apps", "Deployment"): "replicas",
    ("apps", "StatefulSet"): "replicas",
    ("postgresql.cnpg.io", "Pooler"): "instances",
}
_AUTOSCALERS = {
    ("autoscaling", "HorizontalPodAutoscaler"): "minReplicas",
    ("keda.sh", "ScaledObject"): "minReplicaCount",
}
_FAILURE_DOMAINS = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")


def _replicas_have_a_disruption_budget(stack: Stack, _: Settings) -> Iterator[tuple[Resource, str]]:
    budgets = stack.of("policy", "PodDisruptionBudget")
    for resource, pod, replicas in _replicated(stack):
        own = [
            budget
            for budget in budgets
            if budget.namespace == pod.namespace and selects(get(budget.props, "spec", "selector"), pod.labels)
        ]
        if not own:
            message = (
                f"{pod} has {shown(replicas)} replicas and no disruption budget, so that a drain may take all of them "
                "at once. Write a PodDisruptionBudget with `maxUnavailable: 1` that selects its labels."
            )
            yield resource, message
        if len(own) > 1:
            names = ", ".join(str(budget) for budget in own)
            yield resource, f"{pod} has more than one disruption budget ({names}): no drain ends. Keep one of them."
        for budget in own:
            if isinstance(replicas, int) and _allowed_to_go(budget, replicas) < 1:
                message = (
                    f"{budget} lets none of the {replicas} replicas of {pod} go, so that no drain of their nodes ends. "
                    "Write `maxUnavailable: 1`."
                )
                yield budget, message


def _replicas_are_spread(stack: Stack, _: Settings) -> Iterator[tuple[Resource, str]]:
    for resource, pod, replicas in _replicated(stack):
        if not any(
            get(term, "topologyKey") in _FAILURE_DOMAINS and selects(get(term, "labelSelector"), pod.labels)
            for term in _spreading_terms(pod)
        ):
            message = (
                f"{pod} has {shown(replicas)} replicas that may all be put on one node. Write "
                "`topologySpreadConstraints` (or a pod anti-affinity) over `kubernetes.io/hostname` that select its "
                "own labels."
            )
            yield resource, message


def _replicated(stack: Stack) -> Iterator[tuple[Resource, Pod, Any]]:
    """Every workload with two pods or more, with how many; UNKNOWN counts as more than one."""
    scaled = {
        (scaler.namespace, get(target, "kind"), get(target, "name")): get(scaler.props, "spec", minimum)
        for (group, kind), minimum in _AUTOSCALERS.items()
        for scaler in stack.of(group, kind)
        for target in [mapping(scaler.props, "spec", "scaleTargetRef")]
    }
    for resource in stack.resources:
        field = _REPLICATED.get((resource.group, resource.kind))
        if field is None:
            continue
        replicas = get(resource.props, "spec", field)
        if replicas is None:
            replicas = scaled.get((resource.namespace, resource.kind, resource.name))
        if replicas is UNKNOWN or (replicas or 1) > 1:
            yield from ((resource, pod, replicas) for pod in all_pods(resource))


def _allowed_to_go(budget: Resource, replicas: int) -> int:
    """How many of the replicas a drain may take at once. Kubernetes rounds percentages up, on both sides."""
    spec = mapping(budget.props, "spec")
    if spec.get("maxUnavailable") is not None:
        return _count(spec["maxUnavailable"], replicas)
    return replicas - _count(spec.get("minAvailable", 1), replicas)


def _count(value: Any, replicas: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return math.ceil(float(value[:-1]) * replicas / 100)
    return int(value) if isinstance(value, int | str) else 0


def _spreading_terms(pod: Pod) -> Iterator[Any]:
    yield from sequence(pod.spec, "topologySpreadConstraints")
    anti_affinity = mapping(pod.spec, "affinity", "podAntiAffinity")
    yield from sequence(anti_affinity, "requiredDuringSchedulingIgnoredDuringExecution")
    for preferred in sequence(anti_affinity, "preferredDuringSchedulingIgnoredDuringExecution"):
        yield mapping(preferred, "podAffinityTerm")


POLICIES = [
    stack_policy(
        "replicas-have-a-disruption-budget",
        "A drained node takes some of a workload's replicas, never all.",
        _replicas_have_a_disruption_budget,
    ),
    stack_policy(
        "replicas-are-spread",
        "A workload's replicas are not all on one node.",
        _replicas_are_spread,
    ),
]
