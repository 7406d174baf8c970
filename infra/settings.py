"""A stack's settings: one field for each component, the rules across components, and the stack files' JSON schema.

python -m infra.settings > stacks/schema.json
"""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from components.airflow.configuration import check_config
from components.airflow.settings import AirflowSettings, SimpleAuthSettings
from components.database.settings import DatabaseSettings, ExternalDatabaseSettings
from components.kubernetes.cluster import ClusterSettings
from components.kubernetes.namespace import NamespaceSettings
from components.settings import DnsLabel, Settings
from infra import errors

PROJECT = "airflow-platform"
SECRETS = {
    "databasePassword": "Password of an external database.",
    "oidcClientSecret": "Airflow's client secret at the identity provider.",
}
"""Keys of secret values: `pulumi config set --secret airflow-platform:KEY`."""


_SYSTEM_NAMESPACES = re.compile("default|kube-.*")


class NamespacesSettings(Settings):
    """The platform's namespaces. Task pods are apart from the control plane, and data from both."""

    control_plane: NamespaceSettings = NamespaceSettings(name="airflow")
    tasks: NamespaceSettings = NamespaceSettings(name="airflow-tasks")
    data: NamespaceSettings = NamespaceSettings(name="airflow-data")

    @model_validator(mode="after")
    def _are_different(self) -> "NamespacesSettings":
        names = [self.control_plane.name, self.tasks.name, self.data.name]
        if len(set(names)) < 3:
            raise ValueError(f"the namespaces are {', '.join(names)}; give each a name of its own")
        for name in names:
            if _SYSTEM_NAMESPACES.fullmatch(name):
                raise ValueError(f"{name} is a namespace of Kubernetes itself; write a name of the platform's own")
        return self


class OperatorSettings(Settings):
    """An operator that the platform needs on the cluster."""

    install: Literal["managed", "preinstalled"] = "managed"
    """`managed`: this program installs the pinned chart. `preinstalled`: somebody runs it already."""
    namespace: DnsLabel = "cnpg-system"
    """Where it runs."""


class AddonsSettings(Settings):
    """Operators, each installed by this program or found."""

    cloudnativepg: OperatorSettings = OperatorSettings()
    """CloudNativePG, for the database engine of this name."""


class PlatformSettings(Settings):
    """Everything that a stack file says. Each field is one key, `airflow-platform:FIELD`."""

    cluster: ClusterSettings
    namespaces: NamespacesSettings = NamespacesSettings()
    addons: AddonsSettings = AddonsSettings()
    database: DatabaseSettings = Field(description="The metadata database.")
    airflow: AirflowSettings
    protect_data: bool = True
    """The engine refuses to delete the database, the logs, their namespaces and the keys that read them. To delete them
    on purpose, set this to false and deploy first."""

    @model_validator(mode="after")
    def _airflow_config_is_free(self) -> "PlatformSettings":
        check_config(self.airflow)
        return self


class InvalidSettingsError(ValueError):
    """What a stack file says can't be. The message has a sentence for each mistake."""


def load(stack: str, config: Mapping[str, str], secret_keys: frozenset[str]) -> PlatformSettings:
    """The settings of a stack, from the configuration of the project as Pulumi hands it over: by full key, values as
    JSON. `secret_keys`: which of the keys are secret.

    Raises InvalidSettingsError, with every mistake at once.
    """
    file = f"stacks/Pulumi.{stack}.yaml"
    sections: dict[str, Any] = {}
    mistakes: list[str] = []
    for key, value in config.items():
        project, _, section = key.partition(":")
        if project != PROJECT:
            continue
        if section in SECRETS:
            if key not in secret_keys:
                mistakes.append(f"{file}: {key} is in clear; encrypt it: `pulumi config set --secret {key}`")
            continue
        if key not in secret_keys:
            sections[section] = _parsed(value)
        else:
            # Not looked into: a message would show what is in it.
            mistakes.append(
                f"{file}: {key} is encrypted, but a section holds no secrets; secrets are keys of their own: "
                f"{', '.join(f'{PROJECT}:{name}' for name in SECRETS)}"
            )
    if any(key in secret_keys and key.partition(":")[2] not in SECRETS for key in config):
        raise InvalidSettingsError("\n".join(mistakes))
    settings = None
    try:
        settings = PlatformSettings.model_validate(sections)
    except ValidationError as error:
        mistakes += errors.sentences(error, PlatformSettings, sections, file=file, prefix=f"{PROJECT}:")
    if settings is not None:
        mistakes += [f"{file}: {mistake}" for mistake in _of_stack(stack, settings, config)]
    if mistakes or settings is None:
        raise InvalidSettingsError("\n".join(mistakes))
    return settings


def _of_stack(stack: str, settings: PlatformSettings, config: Mapping[str, str]) -> list[str]:
    mistakes = []
    needed = {
        "databasePassword": isinstance(settings.database, ExternalDatabaseSettings)
        and "the database is an external one",
        "oidcClientSecret": settings.airflow.auth.manager == "oidc" and "people sign in with OpenID Connect",
    }
    for key, reason in needed.items():
        full_key = f"{PROJECT}:{key}"
        if reason and full_key not in config:
            mistakes.append(f"{full_key} is missing, and {reason}; run `pulumi config set --secret {full_key}`")
    if settings.cluster.context is None and stack != "local":
        mistakes.append(
            f"{PROJECT}:cluster.context is missing, and the kubeconfig's current context may be any cluster; write the "
            f"context that the stack {stack} is for"
        )
    if isinstance(settings.airflow.auth, SimpleAuthSettings) and stack != "local":
        mistakes.append(
            f"{PROJECT}:airflow.auth.manager is simple in the stack {stack}; it has no single sign-on and no "
            "rotation, so it is for the stack local alone; write manager: oidc"
        )
    return mistakes


def _parsed(value: str) -> object:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def schema() -> dict[str, Any]:
    """The JSON schema of a stack file, for editors."""
    model = PlatformSettings.model_json_schema()
    definitions = model.pop("$defs")
    sections = {f"{PROJECT}:{name}": section for name, section in model["properties"].items()}
    encrypted = {"type": "object", "properties": {"secure": {"type": "string"}}, "required": ["secure"]}
    secrets = {f"{PROJECT}:{name}": encrypted | {"description": text} for name, text in SECRETS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of the Airflow platform",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": sections | secrets,
                "required": [f"{PROJECT}:{name}" for name in model["required"]],
                "patternProperties": {f"^(?!{PROJECT}:)": True},
                "additionalProperties": False,
            }
        },
        "$defs": definitions,
    }


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
