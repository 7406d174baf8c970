"""Nothing talks to a pod, and a pod talks to nothing, unless a network policy says so."""

from collections.abc import Iterator

from policies.label_selectors import selects, selects_everything
from policies.pods import all_pods
from policies.rules import Resource, Settings, Stack, resource_policy, stack_policy
from policies.values import get, mapping, sequence

_NETWORKING = "networking.k8s.io"
_DIRECTIONS = ("Ingress", "Egress")


def _pods_have_network_policies(stack: Stack, _: Settings) -> Iterator[tuple[Resource, str]]:
    """The policy must be the pod's own: one that selects every pod of a namespace would hide a misspelt selector."""
    policies = [
        policy for policy in stack.of(_NETWORKING, "NetworkPolicy") if not selects_everything(_pod_selector(policy))
    ]
    for resource in stack.resources:
        for pod in all_pods(resource):
            if not pod.namespace:
                yield resource, f"{pod} doesn't say where its pods run. Write `metadata.namespace` in it."
                continue
            own = [
                policy
                for policy in policies
                if policy.namespace == pod.namespace and selects(_pod_selector(policy), pod.labels)
            ]
            for direction in _DIRECTIONS:
                if not any(direction in _directions(policy) for policy in own):
                    message = (
                        f"No network policy of its own restricts the {direction.lower()} of {pod}. Write a "
                        f"NetworkPolicy in `{pod.namespace}` that selects its labels, with `{direction}` in "
                        "`policyTypes`."
                    )
                    yield resource, message


def _namespaces_deny_by_default(stack: Stack, _: Settings) -> Iterator[tuple[Resource, str]]:
    inhabitants = {
        pod.namespace: resource for resource in stack.resources for pod in all_pods(resource) if pod.namespace
    }
    policies = stack.of(_NETWORKING, "NetworkPolicy")
    for namespace, resource in sorted(inhabitants.items(), key=lambda item: item[0]):
        denied = {
            direction
            for policy in policies
            if policy.namespace == namespace and selects_everything(_pod_selector(policy))
            for direction in _directions(policy)
        }
        for direction in _DIRECTIONS:
            if direction not in denied:
                message = (
                    f"The namespace `{namespace}`, where {resource} runs, allows all {direction.lower()} to pods that "
                    "nobody wrote a policy for. Write a NetworkPolicy in it with `podSelector: {}` and "
                    f"`{direction}` in `policyTypes`."
                )
                yield resource, message


def _network_policies_name_their_peers(resource: Resource, _: Settings) -> Iterator[str]:
    if (resource.group, resource.kind) != (_NETWORKING, "NetworkPolicy"):
        return
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in sequence(resource.props, "spec", direction):
            # Kubernetes takes an empty list for "everyone", as it does none at all.
            if not sequence(rule, peers):
                yield (
                    f"{resource} has a rule in `{direction}` without `{peers}`, which allows everyone. Name the peers; "
                    "if everyone is meant, write `ipBlock: {cidr: 0.0.0.0/0}`."
                )
            if not sequence(rule, "ports"):
                yield f"{resource} has a rule in `{direction}` without `ports`, which allows every port. Name them."


def _pod_selector(policy: Resource) -> object:
    return mapping(policy.props, "spec", "podSelector")


def _directions(policy: Resource) -> list[str]:
    """What the policy isolates; Kubernetes' own defaults where it doesn't say."""
    given = list(sequence(policy.props, "spec", "policyTypes"))
    return given or ["Ingress", *(["Egress"] if get(policy.props, "spec", "egress") else [])]


POLICIES = [
    stack_policy(
        "pods-have-network-policies",
        "Every pod has a network policy of its own, for both directions.",
        _pods_have_network_policies,
    ),
    stack_policy(
        "namespaces-deny-by-default",
        "In a namespace where pods run, everything is denied that no policy allows.",
        _namespaces_deny_by_default,
    ),
    resource_policy(
        "network-policies-name-their-peers",
        "A network policy opens named ports to named peers.",
        _network_policies_name_their_peers,
    ),
]
