"""A pod can call the Kubernetes API only if it has something to do there."""

from collections.abc import Iterator

from policies.pods import Pod, pods
from policies.rules import Resource, Settings, Stack, stack_policy
from policies.values import get, sequence, shown, text


def _api_tokens_have_a_role(stack: Stack, _: Settings) -> Iterator[tuple[Resource, str]]:
    bound = {
        (get(subject, "namespace") or binding.namespace, get(subject, "name"))
        for kind in ("RoleBinding", "ClusterRoleBinding")
        for binding in stack.of("rbac.authorization.k8s.io", kind)
        for subject in sequence(binding.props, "subjects")
        if get(subject, "kind") == "ServiceAccount"
    }
    for resource in stack.resources:
        for pod in pods(resource):
            automount = get(pod.spec, "automountServiceAccountToken")
            if automount is not False and automount is not True:
                message = (
                    f"{pod} has `automountServiceAccountToken` {shown(automount)}, which mounts a token for the "
                    "Kubernetes API. Write `false`."
                )
                yield resource, message
            elif (automount or _projects_api_token(pod)) and (pod.namespace, pod.service_account) not in bound:
                message = (
                    f"{pod} has a token for the Kubernetes API, but no role is bound to its service account "
                    f"`{pod.namespace}/{pod.service_account}`. Bind a Role to it with a RoleBinding of this stack, "
                    "or write `automountServiceAccountToken: false` and remove the token's volume."
                )
                yield resource, message


def _projects_api_token(pod: Pod) -> bool:
    """Whether a volume projects a token that the API server accepts; one for another audience opens nothing there."""
    return any(
        get(source, "serviceAccountToken") is not None
        and "kubernetes" in (text(source, "serviceAccountToken", "audience") or "kubernetes")
        for volume in sequence(pod.spec, "volumes")
        for source in sequence(volume, "projected", "sources")
    )


POLICIES = [
    stack_policy(
        "api-tokens-have-a-role",
        "A pod holds a token for the Kubernetes API only if its service account has a role there.",
        _api_tokens_have_a_role,
    )
]
