"""Properties as plain data, in which a value that is known only after `pulumi up` is UNKNOWN.

The SDK downgrades a mandatory policy that touches an unknown value to an advice, and skips the rest of its checks. Here
an unknown value never equals what a policy asks for, so that the policy is violated and the message says why; policies
that can do without a value ignore it when it is UNKNOWN.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy.proxy import UnknownValueError


class Unknown:
    """The type of UNKNOWN, which equals nothing, not even another unknown value."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        return "known only after `pulumi up`"


UNKNOWN = Unknown()


class UnknownInPreviewError(Exception):
    """A policy can't do without a value that is known only after `pulumi up`."""

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(
            f"`{'.'.join(path)}` is known only after `pulumi up`, so this policy can't be checked before it. "
            "Write it as a plain value, not as another resource's output."
        )


def plain(value: Any) -> Any:
    """A copy of a property without the SDK's proxies. Whole numbers, which arrive as floats, are ints again."""
    if isinstance(value, Mapping):
        return {key: _entry(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_entry(value, index) for index in range(len(value))]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def get(value: Any, *path: str) -> Any:
    """The value at `path`; None where there is none, UNKNOWN where it or something above it is unknown."""
    for key in path:
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def mapping(value: Any, *path: str) -> Mapping[str, Any]:
    """The mapping at `path`; empty where there is none. Raises UnknownInPreviewError where it is unknown."""
    found = get(value, *path)
    if found is UNKNOWN:
        raise UnknownInPreviewError(path)
    return found if isinstance(found, Mapping) else {}


def sequence(value: Any, *path: str) -> Sequence[Any]:
    """The list at `path`; empty where there is none. Raises UnknownInPreviewError where it or an item is unknown."""
    found = get(value, *path)
    if found is UNKNOWN or (isinstance(found, list) and UNKNOWN in found):
        raise UnknownInPreviewError(path)
    return found if isinstance(found, list) else []


def text(value: Any, *path: str) -> str:
    """The string at `path`; empty where there is none. Raises UnknownInPreviewError where it is unknown."""
    found = get(value, *path)
    if found is UNKNOWN:
        raise UnknownInPreviewError(path)
    return found if isinstance(found, str) else ""


def shown(value: Any) -> str:
    """A value as a message spells it: `true`, `"text"`, `not set`."""
    if value is None:
        return "not set"
    if value is UNKNOWN:
        return repr(UNKNOWN)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _entry(container: Any, key: Any) -> Any:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN
