"""Write the generated parts of docs/: every setting, every network flow, who holds which secret.

    python -m infra.docs

A test fails while a file differs from what this writes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from infra import offline
from infra.recording import Recording
from infra.settings import PROJECT, SECRETS, PlatformSettings

DOCS = Path(__file__).resolve().parent.parent / "docs"
_GENERATED = "<!-- Written by `make docs`. -->\n"


def pages() -> dict[str, str]:
    """Contents by file name in docs/."""
    # What differs between stacks is how much there is of each, not who talks to whom.
    recording = offline.evaluate("prod", preview=True)
    return {"settings.md": _settings(), "network.md": _network(recording), "secrets.md": _secrets(recording)}


def _settings() -> str:
    schema = PlatformSettings.model_json_schema()
    lines = [
        "# Settings\n",
        _GENERATED,
        "A stack file holds one key for each section, `airflow-platform:SECTION`. An editor that knows the YAML",
        "language server completes and checks it by `stacks/schema.json`. A key that is not listed here is refused.\n",
    ]
    for section, node in schema["properties"].items():
        lines += _section(f"{PROJECT}:{section}", node, schema["$defs"])
    lines += [
        "## Secrets\n",
        "Keys of their own, set with `pulumi config set --secret KEY`.\n",
        "| key | what |",
        "|---|---|",
    ]
    lines += [f"| `{PROJECT}:{name}` | {what} |" for name, what in SECRETS.items()]
    return "\n".join(lines) + "\n"


def _section(title: str, node: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    lines = []
    for model in _models(node, definitions):
        rows = list(_rows("", model, definitions))
        tag = next((f", `{row[0]}: {row[1][1:-1]}`" for row in rows if row[0] in ("engine", "manager")), "")
        lines += [
            f"## `{title}`{tag}\n",
            f"{_text(model)}\n",
            "| setting | type | default | what |",
            "|---|---|---|---|",
        ]
        lines += [f"| `{name}` | {kind} | {default} | {what} |" for name, kind, default, what in rows]
        lines.append("")
    return lines


def _models(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "$ref" in node:
        yield definitions[node["$ref"].rsplit("/", 1)[1]]
    for member in node.get("oneOf", []):
        yield from _models(member, definitions)


def _rows(prefix: str, model: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    required = model.get("required", [])
    for name, node in model["properties"].items():
        below = list(_models(node, definitions))
        nested = below and "properties" in below[0]
        default = "**required**" if name in required else _default(node, bool(nested))
        tag = "const" in node
        yield f"{prefix}{name}", f'"{node["const"]}"' if tag else _type(node, definitions), default, _text(node, below)
        if nested:
            for each in below:
                yield from _rows(f"{prefix}{name}.", each, definitions)
        elif (items := _values(node)) is not None:
            for each in _models(items, definitions):
                mark = "NAME" if node.get("type") == "object" else "N"
                yield from _rows(f"{prefix}{name}.{mark}.", each, definitions)


def _values(node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    values = node.get("items") or node.get("additionalProperties")
    return values if isinstance(values, Mapping) else None


def _type(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "anyOf" in node:
        return " or ".join(_type(each, definitions) for each in node["anyOf"] if each.get("type") != "null")
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if (values := _values(node)) is not None:
        return f"{'map' if node['type'] == 'object' else 'list'} of {_type(values, definitions)}"
    return str(node.get("type", "section"))


def _default(node: Mapping[str, Any], nested: bool) -> str:
    default = node.get("default")
    if default is None or nested:
        return ""
    text = yaml.safe_dump(default, default_flow_style=True, width=1000)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


def _text(node: Mapping[str, Any], below: list[Mapping[str, Any]] | None = None) -> str:
    text = node.get("description") or next((each["description"] for each in below or [] if "description" in each), "")
    return " ".join(str(text).split())


def _network(recording: Recording) -> str:
    lines = [
        "# Network flows\n",
        _GENERATED,
        "Everything that is not in this table is denied, in both directions. Names are pods (`namespace/name`). Every",
        "pod may ask the cluster's DNS as well, and a node reaches its own pods (the kubelet's probes), as Kubernetes",
        "has it.\n",
        "| from | to | port |",
        "|---|---|---|",
    ]
    flows: set[tuple[str, str, int]] = set()
    for policy in recording.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy"):
        spec, namespace = policy.inputs["spec"], policy.inputs["metadata"]["namespace"]
        if not spec["podSelector"].get("matchLabels"):
            continue
        here = _pods(namespace, spec["podSelector"])
        for rule in spec.get("egress", []):
            flows |= {(here, _peer(peer), port["port"]) for peer in rule["to"] for port in rule["ports"]}
        for rule in spec.get("ingress", []):
            flows |= {(_peer(peer), here, port["port"]) for peer in rule["from"] for port in rule["ports"]}
    lines += [f"| {sender} | {receiver} | {port} |" for sender, receiver, port in sorted(flows)]
    return "\n".join(lines) + "\n"


def _peer(peer: Mapping[str, Any]) -> str:
    if "ipBlock" in peer:
        return f"addresses `{peer['ipBlock']['cidr']}` of the stack file"
    namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    return _pods(namespace, peer["podSelector"])


def _pods(namespace: str, selector: Mapping[str, Any]) -> str:
    labels = selector.get("matchLabels") or {}
    name = next(
        (
            labels[key]
            for key in ("app.kubernetes.io/name", "airflow-platform/database", "cnpg.io/poolerName")
            if key in labels
        ),
        "*",
    )
    return f"`{namespace}/{name}`"


def _secrets(recording: Recording) -> str:
    lines = [
        "# Who holds which secret\n",
        _GENERATED,
        "Each Secret has one purpose, and a pod reads those that its process needs. A task pod reads none: it asks the",
        "execution API for variables and connections, with a token that is its own and expires.\n",
        "| process | Secrets |",
        "|---|---|",
    ]
    for type_ in ("apps/v1:Deployment", "batch/v1:Job"):
        for workload in recording.of_type(f"kubernetes:{type_}"):
            namespace = workload.inputs["metadata"]["namespace"]
            names = ", ".join(f"`{name}`" for name in _read(workload.inputs["spec"]["template"]["spec"]))
            lines.append(f"| `{namespace}/{workload.name}` | {names or 'none'} |")
    for template in recording.of_type("kubernetes:core/v1:ConfigMap"):
        if "pod_template.yaml" in template.inputs.get("data", {}):
            pod = yaml.safe_load(template.inputs["data"]["pod_template.yaml"])
            names = ", ".join(f"`{name}`" for name in _read(pod["spec"]))
            lines.append(f"| `{pod['metadata']['namespace']}/{pod['metadata']['name']}` | {names or 'none'} |")
    return "\n".join(lines) + "\n"


def _read(pod: Mapping[str, Any]) -> list[str]:
    names = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        for variable in container.get("env", []):
            if key := variable.get("valueFrom", {}).get("secretKeyRef"):
                names.add(key["name"])
    return sorted(names)


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (DOCS / name).write_text(text)


if __name__ == "__main__":
    main()
