"""Stands in for the providers: what each would answer when a resource is created, without any of them running."""

import sys
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks

from infra.generated import Generated
from infra.recording import UNKNOWN


class Providers(Mocks):
    """Ids and computed outputs, by the provider that a type belongs to.

    kubernetes: the id is `namespace/name`, nothing else is computed. random and tls: from `generated`. gcp: a readable
    placeholder for each text that Google would decide, such as a service account's email. Others: an id.
    """

    def __init__(self, generated: Generated) -> None:
        self._generated = generated

    def created(self, type_: str, name: str, inputs: Mapping[str, Any], *, preview: bool) -> tuple[str, dict[str, Any]]:
        """The id and the computed outputs of a new resource. In a preview the id is empty and those are UNKNOWN."""
        package = type_.partition(":")[0]
        computed: Mapping[str, Any] = {}
        id_ = f"<{type_} {name}.id>"
        if package in {"random", "tls"}:
            computed = self._generated.outputs(type_, name, inputs)
            id_ = computed.get("id", id_)
        elif package == "gcp":
            computed = {key: f"<{type_} {name}.{key}>" for key in _computed_texts(type_) if key not in inputs}
        elif package == "kubernetes":
            id_ = _object_id(type_, name, inputs)
        if preview:
            return "", dict.fromkeys(computed, UNKNOWN)
        return id_, dict(computed)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Answer the reading of a resource that the program doesn't own (`Namespace.get`): what is known of it."""
        return args.resource_id, args.inputs

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Refuse provider functions: their answers come from an account, which the program must not need."""
        raise NotImplementedError(
            f"The program calls the provider function {args.token}, whose answer comes from an account or a cluster. "
            "Make what it looks up a setting in the stack file, so that the program gives the same result anywhere."
        )


def _object_id(type_: str, name: str, inputs: Mapping[str, Any]) -> str:
    # A Helm release has its name at the top, an object in its metadata.
    metadata = inputs if type_.startswith("kubernetes:helm.sh/") else inputs.get("metadata", {})
    if not metadata.get("name"):
        raise ValueError(
            f"{type_} {name!r} is given no name in the cluster, so the provider would make one up with a random "
            "suffix. Name it (`metadata.name`)."
        )
    return "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)


def _computed_texts(type_: str) -> list[str]:
    """The outputs of a resource class that are always text, by their names on the wire.

    The class is found among the modules that the program has already imported: importing the SDK costs seconds.
    """
    package, module, class_name = type_.split(":")
    resource_class = getattr(sys.modules.get(f"pulumi_{package}.{module.partition('/')[0]}"), class_name, None)
    getters = [member.fget for member in vars(resource_class or object).values() if isinstance(member, property)]
    return [
        getattr(getter, "_pulumi_name", getter.__name__)
        for getter in getters
        if getter and getter.__annotations__.get("return") == pulumi.Output[str]
    ]
