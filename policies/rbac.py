"""Roles grant what is needed, by name."""

from collections.abc import Iterator
from typing import Any

from policies.rules import Resource, Schema, Settings, resource_policy
from policies.values import get, sequence

_RBAC = "rbac.authorization.k8s.io"
_FIELDS = ("apiGroups", "resources", "verbs", "nonResourceURLs")
_SHELLS = frozenset({"pods/exec", "pods/attach", "pods/portforward", "nodes/proxy", "services/proxy", "pods/proxy"})
_ESCALATING_VERBS = frozenset({"escalate", "bind", "impersonate"})
_READING_VERBS = frozenset({"get", "list", "watch"})
_EVERYONE = frozenset({"system:authenticated", "system:unauthenticated", "system:anonymous", "system:masters"})

_ROLE_SETTINGS: Schema = {
    "allowed": {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
        "default": {},
        "description": "What a role may grant all the same, by its namespace/name (a ClusterRole's name): "
        f"any of {', '.join(sorted(_SHELLS))}.",
    }
}


def _roles_grant_the_least(resource: Resource, settings: Settings) -> Iterator[str]:
    if resource.group != _RBAC or resource.kind not in ("Role", "ClusterRole"):
        return
    cluster_wide = resource.kind == "ClusterRole"
    allowed = settings["allowed"].get(resource.name if cluster_wide else f"{resource.namespace}/{resource.name}", ())
    for rule in sequence(resource.props, "rules"):
        for message in _rule_violations(rule, cluster_wide, allowed):
            yield f"{resource} {message}"


def _rule_violations(rule: Any, cluster_wide: bool, allowed: Any) -> Iterator[str]:
    fields = {field: sequence(rule, field) for field in _FIELDS}
    resources, verbs = set(fields["resources"]), set(fields["verbs"])
    for field, given in fields.items():
        if any("*" in each for each in given):
            yield f"has a wildcard in `{field}`. List what it needs, one by one."
    for verb in sorted(verbs & _ESCALATING_VERBS):
        yield f"grants the verb `{verb}`, by which anyone who has it can take any right. Remove it."
    for shell in sorted((resources & _SHELLS) - set(allowed)):
        yield (
            f"grants `{shell}`, which opens a way into running pods. Remove it, or allow it for this role in the "
            "configuration of this policy (`allowed`)."
        )
    if cluster_wide and "secrets" in resources and verbs & _READING_VERBS and not sequence(rule, "resourceNames"):
        yield "reads the Secrets of every namespace. Write a Role in the one namespace, with `resourceNames`."
    if "serviceaccounts/token" in resources and "create" in verbs and not sequence(rule, "resourceNames"):
        yield "makes tokens for any service account. Name the accounts in `resourceNames`."


def _nobody_is_cluster_admin(resource: Resource, _: Settings) -> Iterator[str]:
    if resource.group != _RBAC or resource.kind not in ("RoleBinding", "ClusterRoleBinding"):
        return
    if get(resource.props, "roleRef", "name") == "cluster-admin":
        yield f"{resource} binds `cluster-admin`. Bind a role that grants what is needed."
    for subject in sequence(resource.props, "subjects"):
        if get(subject, "name") in _EVERYONE:
            yield f"{resource} binds a role to `{get(subject, 'name')}`. Bind it to one service account or group."


POLICIES = [
    resource_policy(
        "roles-grant-the-least",
        "Roles hold no wildcards, no way to take more rights, into running pods or to every Secret.",
        _roles_grant_the_least,
        _ROLE_SETTINGS,
    ),
    resource_policy(
        "nobody-is-cluster-admin",
        "No binding hands out the whole cluster, or hands anything to everyone.",
        _nobody_is_cluster_admin,
    ),
]
