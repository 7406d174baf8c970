"""A stack's configuration, read from its file as the engine would hand it to the program."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class UnknownStackError(ValueError):
    """There is no file for the stack. The message names the stacks there are."""


class UnreadableStackError(ValueError):
    """A stack's file is not YAML. The message names the file and the line."""


@dataclass(frozen=True, slots=True)
class StackConfig:
    """Configuration by full key (`project:key`). Values are strings; mappings and lists are JSON."""

    project: str
    stack: str
    values: dict[str, str]
    secret_keys: frozenset[str]


def stacks(root: Path) -> list[str]:
    """The names of the stacks that have a file."""
    directory = _directory(root, _read(root / "Pulumi.yaml"))
    return sorted(file.stem.removeprefix("Pulumi.") for file in directory.glob("Pulumi.*.yaml"))


def load(stack: str, root: Path) -> StackConfig:
    """Read Pulumi.yaml in `root` and the stack's file, in the directory that Pulumi.yaml names.

    An encrypted value (`secure:`) can't be read here: the program gets the placeholder `<secret:project:key>`.
    """
    project_file = _read(root / "Pulumi.yaml")
    file = _directory(root, project_file) / f"Pulumi.{stack}.yaml"
    if not file.exists():
        known = ", ".join(stacks(root)) or "none yet"
        raise UnknownStackError(f"There is no stack {stack!r} ({file} does not exist). The stacks are: {known}.")
    project = project_file["name"]
    values: dict[str, str] = {}
    secret_keys: set[str] = set()
    for short, value in (_read(file).get("config") or {}).items():
        key = short if ":" in short else f"{project}:{short}"
        readable, has_secret = _without_secrets(value, f"<secret:{key}>")
        values[key] = _as_text(readable)
        if has_secret:
            secret_keys.add(key)
    return StackConfig(project, stack, values, frozenset(secret_keys))


def _directory(root: Path, project_file: Mapping[str, Any]) -> Path:
    return root / project_file.get("stackConfigDir", ".")


def _without_secrets(value: Any, placeholder: str) -> tuple[Any, bool]:
    if isinstance(value, dict):
        if value.keys() == {"secure"}:
            return placeholder, True
        items = {key: _without_secrets(item, placeholder) for key, item in value.items()}
        return {key: item for key, (item, _) in items.items()}, any(secret for _, secret in items.values())
    if isinstance(value, list):
        elements = [_without_secrets(item, placeholder) for item in value]
        return [item for item, _ in elements], any(secret for _, secret in elements)
    return value, False


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class _Loader(yaml.CSafeLoader):
    """Reads YAML 1.2, as the engine does. PyYAML's 1.1 would read `on` as true, `12:30` as 750, a date as a date."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def _read(file: Path) -> dict[str, Any]:
    try:
        return yaml.load(file.read_text(), _Loader) or {}  # noqa: S506 a safe loader
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UnreadableStackError(f"{file}{line}: this is not YAML: {error.problem}") from None
