"""What a Pulumi program registers, as plain Python values: what render, check and the tests read.

Keys are spelt as on the wire (camelCase for providers' resources). The wire has only floats: a number without a
fraction is an `int` here. A value that is not known yet is `UNKNOWN`, and its path is in `unknowns`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that only `pulumi up` will know. The SDK and the policy packs use this same string."""

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 the wire's mark of a secret, not a secret
_RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"

Path = tuple[str | int, ...]
"""Where a value is: keys of mappings and positions in lists, from the top."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One resource, as the engine would get it. Other resources are named by their URN, spelt as the engine does."""

    urn: str
    type: str
    name: str
    """Logical name, unique within the type and the parent."""
    custom: bool
    """False for a component."""
    remote: bool
    """A component that a plugin constructs: its children are not visible here."""
    parent: str
    provider: str
    """URN of an explicit provider; empty where the default provider is used."""
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    """A component's: what it registered by `register_outputs`. Else inputs and what the provider computes."""
    secrets: frozenset[Path]
    """Paths in `inputs` that are secret, with all below them."""
    unknowns: frozenset[Path]
    """Paths in `inputs` that are not known yet. Empty unless the recording is a preview."""
    dependencies: tuple[str, ...]
    property_dependencies: Mapping[str, tuple[str, ...]]
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool | None
    """None where the program leaves it to the provider."""
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    additional_secret_outputs: tuple[str, ...]
    aliases: tuple[str, ...]
    """URNs by which the resource was known before."""
    custom_timeouts: Mapping[str, str]
    """create, update, delete, read: durations as written, such as `10m`."""


@dataclass(frozen=True, slots=True)
class Recording:
    """All that a program registered, and the outputs of its stack."""

    project: str
    stack: str
    preview: bool
    registrations: tuple[Registration, ...]
    """In the order in which the engine would get them: each after all that it depends on."""
    outputs: Mapping[str, Any]
    secret_outputs: frozenset[Path]

    def of_type(self, type_: str) -> list[Registration]:
        """The resources of a type, such as `kubernetes:apps/v1:Deployment`."""
        return [registration for registration in self.registrations if registration.type == type_]

    def find(self, type_: str, name: str) -> Registration:
        """The resource of that type and logical name. LookupError, which names those there are, if it isn't one."""
        found = [registration for registration in self.of_type(type_) if registration.name == name]
        if len(found) != 1:
            names = ", ".join(sorted(registration.name for registration in self.of_type(type_))) or "none"
            raise LookupError(f"{len(found)} resources of type {type_} are named {name!r}. There are: {names}.")
        return found[0]


@dataclass(frozen=True, slots=True)
class Properties:
    """Properties decoded from the wire."""

    values: dict[str, Any]
    secrets: frozenset[Path]
    unknowns: frozenset[Path]


def decode(raw: Mapping[str, Any]) -> Properties:
    """Turn properties as JSON shows the wire's Struct into plain values, and list what is secret or unknown."""
    secrets: set[Path] = set()
    unknowns: set[Path] = set()

    def plain(value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            signature = value.get(_SIGNATURE)
            if signature == _SECRET:
                secrets.add(path)
                return plain(value["value"], path)
            if signature == _RESOURCE:
                return plain(value.get("id") or value["urn"], path)
            return {key: plain(item, (*path, key)) for key, item in value.items() if key != _SIGNATURE}
        if isinstance(value, list):
            return [plain(item, (*path, position)) for position, item in enumerate(value)]
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if value == UNKNOWN:
            unknowns.add(path)
        return value

    values = {key: plain(value, (key,)) for key, value in raw.items()}
    return Properties(values, frozenset(secrets), frozenset(unknowns))


def secret(value: Any) -> dict[str, Any]:
    """Mark a value as secret, as the wire does."""
    if isinstance(value, dict) and value.get(_SIGNATURE) == _SECRET:
        return value
    return {_SIGNATURE: _SECRET, "value": value}
