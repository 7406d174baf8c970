"""What the pack's configuration changes, and that the files in `policies/config/` fit the pack."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from policies.pack import POLICIES
from tests.policies.analyzer import PACK, Analyzer
from tests.policies.mutations import MAIN
from tests.policies.objects import changed, stack

FILES = sorted((PACK / "config").glob("*.json"))


@pytest.mark.parametrize(
    ("policy", "settings", "name", "path", "value"),
    [
        ("databases-lose-no-commit", {"minimumInstances": 1}, "database", ("spec", "instances"), 1.0),
        (
            "images-are-pinned",
            {"registriesWithFixedTags": ["localhost/platform"]},
            "web",
            (*MAIN, "image"),
            "localhost/platform/airflow:17",
        ),
        (
            "namespaces-enforce-restricted",
            {"exempt": {"longhorn-system": "Its engine mounts disks of the node."}},
            "longhorn",
            (),
            ("kubernetes:core/v1:Namespace", {"metadata": {"name": "longhorn-system"}}),
        ),
        (
            "roles-grant-the-least",
            {"allowed": {"airflow-tasks/cleanup": ["pods/exec"]}},
            "cleanup-role",
            ("rules", 0, "resources"),
            ["pods/exec"],
        ),
    ],
)
def test_a_setting_allows_what_is_refused_without_it(
    analyzer: Analyzer, policy: str, settings: dict[str, Any], name: str, path: tuple[str | int, ...], value: Any
) -> None:
    objects = changed(stack(), name, path, value)

    assert [violation.policy for violation in analyzer.violations(objects)] == [policy]
    with analyzer.configured({policy: settings}):
        assert analyzer.violations(objects) == []


def test_images_of_other_registries_are_refused_where_the_registries_are_named(analyzer: Analyzer) -> None:
    with analyzer.configured({"images-are-pinned": {"registries": ["registry.example.com"]}}):
        assert analyzer.violations(stack()) == []
    with analyzer.configured({"images-are-pinned": {"registries": ["registry.example"]}}):
        violations = analyzer.violations(stack())
        assert {violation.policy for violation in violations} == {"images-are-pinned"}
        assert all(violation.mandatory and "`registry.example`" in violation.message for violation in violations)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_configuration_file_fits_the_policies_that_it_names(file: Path) -> None:
    schemas = {policy.name: policy.config_schema for policy in POLICIES}
    for policy, given in json.loads(file.read_text()).items():
        schema = schemas[policy]
        jsonschema.validate(
            given,
            {
                "properties": {"enforcementLevel": {"enum": ["mandatory"]}, **(schema.properties if schema else {})},
                "required": ["enforcementLevel"],
                "additionalProperties": False,
            },
        )


def test_production_has_no_configuration_of_its_own() -> None:
    assert {"local", "dev"} == {file.stem for file in FILES}
