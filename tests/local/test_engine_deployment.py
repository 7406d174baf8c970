"""The platform as the Pulumi engine deployed it, where there is a CLI: nothing drifts, nothing secret is in clear, and
the offline evaluation tells the truth.
"""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest

from components.settings import quantity
from infra import offline
from infra.render import SECRET, redacted
from local import engine, target
from tests.local.platform import Platform

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not engine.available(), reason="No Pulumi CLI is on the PATH, so `make up` did not use it."),
]

GENERATED = {"airflow-platform/configuration", "ca.crt", "jwks.json"}
"""Keys of values that are made from random ones, and are no secret."""
QUANTITY = re.compile(r"[1-9][0-9.]*(m|[KMGT]i)?")


@pytest.fixture
def resources() -> list[dict[str, Any]]:
    """The resources in the engine's state."""
    return engine.export(target.choose(None))["deployment"]["resources"]


def test_an_update_of_what_is_deployed_changes_nothing() -> None:
    assert engine.up(target.choose(None)) == "nothing changed"


def test_the_offline_evaluation_has_the_objects_that_the_engine_deployed(resources: list[dict[str, Any]]) -> None:
    deployed = {
        resource["urn"]: _comparable(resource["inputs"])
        for resource in resources
        if "kind" in resource.get("inputs", {})
    }
    recording = offline.evaluate("local", root=target.choose(None).project)
    evaluated = {
        registration.urn: _comparable(redacted(registration))
        for registration in recording.registrations
        if "kind" in registration.inputs
    }
    assert len(evaluated) > 60
    assert deployed == evaluated


def test_no_secret_is_in_clear_in_the_state(platform: Platform) -> None:
    encoded = {
        (namespace, secret.metadata and secret.metadata.name, key): str(value)
        for namespace in ("airflow", "airflow-data", "airflow-tasks")
        for secret in platform.core.list_namespaced_secret(namespace, label_selector="!cnpg.io/reload").items
        for key, value in (secret.data or {}).items()
        if key not in ("ca.crt", "username")
    }
    assert len(encoded) > 10
    state = "".join(
        file.read_text() for file in (platform.target.state / "pulumi" / "state").rglob("*") if file.is_file()
    )
    leaked = [name for name, value in encoded.items() if value in state or base64.b64decode(value).decode() in state]
    assert leaked == []


def _comparable(inputs: dict[str, Any]) -> dict[str, Any]:
    kept = dict(_items(inputs))
    return kept | {"data": SECRET} if kept["kind"] == "Secret" else kept


def _items(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if value is not False and value != []:  # the server leaves those out
            yield key, "<generated>" if key in GENERATED else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return SECRET if "ciphertext" in value else dict(_items(value))
    if isinstance(value, list):
        return [_plain(item) for item in value]
    # The server writes 2048Gi as 2Ti.
    return quantity(value) if isinstance(value, str) and QUANTITY.fullmatch(value) else value
