"""Turn a recording into Kubernetes objects in the order in which they must exist, and those into files for review.

A render is the same byte for byte wherever it is made, so that two commits can be compared. It holds no secret.

    layer-00/namespace__airflow.yaml    one file an object: kind, namespace, name; each layer waits for those before
    charts.yaml                         Helm releases: repository, chart, version, values
    inventory.yaml                      everything else: Google resources, generated passwords and keys, providers
    .rendered                           the files of this render, so that the next one can remove what is stale
"""

import copy
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from infra.recording import Path as ValuePath
from infra.recording import Recording, Registration

Object = dict[str, Any]
"""A Kubernetes object, ready to apply."""

SECRET = "<secret>"  # noqa: S105 what stands in for one
_MARKER = ".rendered"
_HELM = ("kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v4:Chart")


def objects(recording: Recording) -> list[list[Object]]:
    """The stack's Kubernetes objects, with real secret values, in layers: each may need those of the layers before.

    ValueError if two resources are the same object.
    """
    registered = _objects(recording)
    ranks = _ranks(recording)
    return [
        [copy.deepcopy(dict(registration.inputs)) for registration in registered if ranks[registration.urn] == rank]
        for rank in sorted({ranks[registration.urn] for registration in registered})
    ]


def files(recording: Recording) -> dict[str, str]:
    """The render, without secrets: contents by path within its directory."""
    registered = _objects(recording)
    ranks = _ranks(recording)
    charts = [registration for registration in recording.registrations if registration.type in _HELM]
    # Numbered without gaps, over objects and charts together.
    numbers = {
        rank: number
        for number, rank in enumerate(sorted({ranks[registration.urn] for registration in [*registered, *charts]}))
    }
    names = _file_names(registered)
    rendered = {
        f"layer-{numbers[ranks[registration.urn]]:02}/{names[registration.urn]}": _yaml(redacted(registration))
        for registration in registered
    }
    rendered["charts.yaml"] = _yaml(
        sorted((_chart(chart, numbers[ranks[chart.urn]]) for chart in charts), key=lambda chart: chart["release"])
    )
    elsewhere = {registration.urn for registration in [*registered, *charts]}
    rest = [
        registration
        for registration in recording.registrations
        if (registration.custom or registration.remote) and registration.urn not in elsewhere
    ]
    rendered["inventory.yaml"] = _yaml(
        [
            {"type": registration.type, "name": registration.name, "inputs": redacted(registration)}
            for registration in sorted(rest, key=lambda registration: (registration.type, registration.urn))
        ]
    )
    return rendered


def write(rendered: Mapping[str, str], directory: Path) -> None:
    """Write a render, and remove what an earlier one wrote there and this one doesn't. Other files are left alone."""
    marker = directory / _MARKER
    stale = set(marker.read_text().splitlines()) - set(rendered) if marker.exists() else set()
    for name in stale:
        file = directory / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ValueError(f"{marker} lists {name!r}, which is not below {directory}. Remove the marker by hand.")
        file.unlink(missing_ok=True)
        if file.parent != directory and file.parent.exists() and not any(file.parent.iterdir()):
            file.parent.rmdir()
    for name, content in rendered.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    marker.write_text("".join(f"{name}\n" for name in sorted(rendered)))


def redacted(registration: Registration) -> dict[str, Any]:
    """A resource's inputs, with `<secret>` for each value that is secret. Keys stay: a Secret still shows its own."""
    # An output that is always secret is no less so as an input, and a Secret's data is, even if nobody marked it.
    keys = {*registration.additional_secret_outputs}
    if registration.inputs.get("kind") == "Secret":
        keys |= {"data", "stringData"}
    secrets = registration.secrets | {(key,) for key in keys}

    def hide(value: Any, path: ValuePath, *, is_secret: bool) -> Any:
        is_secret = is_secret or path in secrets
        if isinstance(value, dict):
            return {key: hide(item, (*path, key), is_secret=is_secret) for key, item in value.items()}
        if isinstance(value, list):
            return [hide(item, (*path, position), is_secret=is_secret) for position, item in enumerate(value)]
        return SECRET if is_secret else value

    return {key: hide(value, (key,), is_secret=False) for key, value in registration.inputs.items()}


def _objects(recording: Recording) -> list[Registration]:
    found = [
        registration
        for registration in recording.registrations
        if registration.type.startswith("kubernetes:") and {"apiVersion", "kind"} <= registration.inputs.keys()
    ]
    by_identity: dict[tuple[str, ...], Registration] = {}
    for registration in found:
        group = registration.inputs["apiVersion"].rpartition("/")[0]
        identity = (group, *_identity(registration))
        other = by_identity.setdefault(identity, registration)
        if other is not registration:
            raise ValueError(
                f"Two resources are the same object, {' '.join(part for part in identity if part)}: {other.urn} and "
                f"{registration.urn}. The second would fail with 'already exists': rename one, or leave it out."
            )
    return found


def _identity(registration: Registration) -> tuple[str, str, str]:
    metadata = registration.inputs["metadata"]
    return registration.inputs["kind"], metadata.get("namespace", ""), metadata["name"]


def _ranks(recording: Recording) -> dict[str, int]:
    """How many Kubernetes objects or charts must be made one after the other before each resource can be.

    A resource waits for its dependencies, its provider and its parent; the children of a component also for what the
    component depends on, since the SDK registers them only once the component is registered. (A dependency on a
    component is a dependency on all its children already when the SDK sends it.)
    """
    earliest: dict[str, int] = {}
    done: dict[str, int] = {}
    for registration in recording.registrations:
        awaited = (*registration.dependencies, registration.provider)
        inherited = done.get(registration.parent, 0)
        earliest[registration.urn] = max([inherited, *(done.get(urn, 0) for urn in awaited)])
        takes_time = registration.type.startswith("kubernetes:") and (registration.custom or registration.remote)
        done[registration.urn] = earliest[registration.urn] + takes_time
    return earliest


def _file_names(registered: Iterable[Registration]) -> dict[str, str]:
    # A namespace or a name never contains "_", so that two objects can't get the same file name this way.
    identities = {registration.urn: _identity(registration) for registration in registered}
    same = Counter(identities.values())
    names = {}
    for registration in registered:
        kind, namespace, name = identities[registration.urn]
        if same[identities[registration.urn]] > 1:  # the same kind in two API groups
            kind += "." + registration.inputs["apiVersion"].rpartition("/")[0]
        names[registration.urn] = f"{kind.lower()}_{namespace}_{quote(name, safe='')}.yaml"
    return names


def _chart(registration: Registration, layer: int) -> dict[str, Any]:
    inputs = redacted(registration)
    release = inputs.pop("name", registration.name)
    return {
        "layer": layer,
        "release": release,
        "namespace": inputs.pop("namespace", None),
        "repository": inputs.pop("repositoryOpts", {}).get("repo"),
        "chart": inputs.pop("chart"),
        "version": inputs.pop("version", None),
        "values": inputs.pop("values", {}),
        "options": inputs,
    }


class _Dumper(yaml.CSafeDumper):
    """Quotes what a Kubernetes client would read as a number and PyYAML wouldn't, such as the text 1e3 or 0o17."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$|^0o[0-7]+$"), list("-+0123456789")
)
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=1_000_000)
