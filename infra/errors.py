"""What pydantic found wrong, as sentences: the file, the key, what was given, what is accepted."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def sentences(
    error: ValidationError, model: type[BaseModel], given: Mapping[str, Any], *, file: str, prefix: str
) -> list[str]:
    """One sentence for each mistake, in the order of the fields."""
    found = []
    for detail in error.errors():
        path = _path(detail["loc"], given)
        key = prefix + ".".join(str(part) for part in path)
        found.append(f"{file}: {_sentence(detail, key, model, path, given)}")
    return found


def _path(location: tuple[int | str, ...], given: Any) -> list[int | str]:
    """The location as the file has it: without the tags that pydantic adds for the chosen member of a union."""
    path: list[int | str] = []
    here: Any = given
    for part in location:
        if isinstance(here, Mapping) and part not in here and part in here.values():
            continue
        path.append(part)
        try:
            here = here[part]  # ty: ignore[not-subscriptable]
        except (KeyError, IndexError, TypeError):
            here = None
    return path


def _sentence(detail: ErrorDetails, key: str, model: type[BaseModel], path: list[int | str], given: Any) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        accepted = _fields(model, path[:-1], given)
        close = difflib.get_close_matches(str(path[-1]), accepted, n=1)
        hint = f"did you mean {close[0]}?" if close else f"accepted are: {', '.join(sorted(accepted))}"
        return f"{key} is not a setting; {hint}"
    if kind == "missing":
        return f"{key} is missing; it has no default"
    if kind == "value_error":
        context = detail.get("ctx") or {}
        reason = str(context.get("error", detail["msg"]))
        return f"{key}: {reason}" if key[-1] != ":" else reason
    message = detail["msg"][0].lower() + detail["msg"][1:]
    shown = repr(value) if not isinstance(value, Mapping | list) else f"a {type(value).__name__}"
    return f"{key} is {shown}, but {message}"


def _fields(model: type[BaseModel], path: list[int | str], given: Any) -> list[str]:
    """Names of the settings that are accepted at `path`."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})

    def resolved(node: dict[str, Any], here: Any) -> dict[str, Any]:
        while "$ref" in node:
            node = definitions[node["$ref"].rsplit("/", 1)[1]]
        if discriminator := node.get("discriminator"):
            tag = here.get(discriminator["propertyName"]) if isinstance(here, Mapping) else None
            return resolved({"$ref": discriminator["mapping"][tag]}, here) if tag in discriminator["mapping"] else {}
        return node

    node, here = resolved(schema, given), given
    for part in path:
        here = here[part]
        below = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
        node = resolved(below or node.get("additionalProperties") or {}, here)
    return list(node.get("properties", {}))
