"""Namespaces enforce what the pack asks of pods, also for pods that come from elsewhere."""

from collections.abc import Iterator

from policies.rules import Resource, Schema, Settings, resource_policy
from policies.values import get, shown

_LABEL = "pod-security.kubernetes.io/enforce"
_SETTINGS: Schema = {
    "exempt": {
        "type": "object",
        "additionalProperties": {"type": "string", "minLength": 1},
        "default": {},
        "description": "Namespaces that need more, such as a storage operator's, each with the reason.",
    }
}


def _namespaces_enforce_restricted(resource: Resource, settings: Settings) -> Iterator[str]:
    if (resource.group, resource.kind) != ("core", "Namespace"):
        return
    level = get(resource.props, "metadata", "labels", _LABEL)
    if level != "restricted" and resource.name not in settings["exempt"]:
        yield (
            f"{resource} has the label `{_LABEL}` {shown(level)}. Write `restricted`, or name it with a reason in the "
            "configuration of this policy (`exempt`)."
        )


POLICIES = [
    resource_policy(
        "namespaces-enforce-restricted",
        "A namespace refuses pods that don't meet the `restricted` Pod Security standard.",
        _namespaces_enforce_restricted,
        _SETTINGS,
    )
]
