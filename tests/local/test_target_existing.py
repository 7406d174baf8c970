"""What is asked of a cluster that the user names, and what of the stack is said otherwise there."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml

from infra import offline
from infra.platform import CLOUDNATIVEPG_CHART
from infra.render import Object, objects
from local import existing, variant
from local.existing import Cluster
from local.target import REPOSITORY

FITTING = Cluster(
    groups={"apps", "postgresql.cnpg.io"},
    storage_classes={"standard", "shared"},
    foreign_namespaces={"default", "kube-system"},
    images={
        "localhost/airflow-platform/airflow:3.3.2",
        "localhost/airflow-platform/postgresql:17",
        "localhost/airflow-platform/pgbouncer:1.24",
    },
)


@pytest.fixture(scope="module")
def wanted() -> list[Object]:
    return [obj for layer in objects(offline.evaluate("local")) for obj in layer]


def test_a_cluster_with_operator_storage_and_images_lacks_nothing(wanted: list[Object]) -> None:
    assert list(existing.missing("staging", FITTING, wanted)) == []


def test_without_the_operator_its_chart_and_version_are_named(wanted: list[Object]) -> None:
    (said,) = existing.missing("staging", replace(FITTING, groups={"apps"}), wanted)
    assert f"helm install cloudnative-pg cloudnative-pg --version {CLOUDNATIVEPG_CHART}" in said


def test_a_storage_class_that_is_not_there_is_named_with_those_that_are(wanted: list[Object]) -> None:
    (said,) = existing.missing("staging", replace(FITTING, storage_classes={"standard"}), wanted)
    assert "no StorageClass shared" in said
    assert "ReadWriteMany" in said
    assert "it has standard." in said


def test_images_that_no_registry_has_must_be_on_every_node(wanted: list[Object]) -> None:
    (said,) = existing.missing("staging", replace(FITTING, images=set()), wanted)
    assert "localhost/airflow-platform/airflow:3.3.2" in said


def test_nodes_that_list_too_many_images_to_tell_are_trusted(wanted: list[Object]) -> None:
    assert list(existing.missing("staging", replace(FITTING, images=None), wanted)) == []


def test_a_namespace_of_somebody_else_is_not_taken_over(wanted: list[Object]) -> None:
    (said,) = existing.missing("staging", replace(FITTING, foreign_namespaces={"default", "airflow"}), wanted)
    assert "the namespace airflow already, of somebody else" in said


def test_all_that_is_missing_is_said_at_once(wanted: list[Object]) -> None:
    empty = Cluster(groups=(), storage_classes=(), foreign_namespaces={"airflow"}, images=set())
    assert len(list(existing.missing("staging", empty, wanted))) == 5


@pytest.mark.parametrize(
    ("family", "address", "cidr"),
    [("IPv4", "10.0.0.2", "10.0.0.2/32"), ("IPv6", "::2", "::2/128")],
)
def test_the_api_servers_address_is_what_its_endpoints_say(family: str, address: str, cidr: str) -> None:
    endpoints = SimpleNamespace(
        address_type=family, endpoints=[SimpleNamespace(addresses=[address])], ports=[SimpleNamespace(port=6443)]
    )
    assert variant.api_server(endpoints) == ([cidr], 6443)


def test_only_the_way_to_the_cluster_and_to_the_ui_differ_from_the_stack_file() -> None:
    text = (REPOSITORY / "stacks" / "Pulumi.local.yaml").read_text()
    before, after = (yaml.safe_load(text)["config"] for _ in range(2))
    variant.adapt(after, context="staging", api_server_cidrs=["10.0.0.2/32"], api_server_port=443)
    assert after["airflow-platform:cluster"]["api_server_cidrs"] == ["10.0.0.2/32"]
    assert after["airflow-platform:cluster"]["context"] == "staging"
    assert after["airflow-platform:airflow"]["base_url"] == "http://127.0.0.1:30080"
    assert "node_port" not in after["airflow-platform:airflow"]["api_server"]
    assert after["airflow-platform:database"] == before["airflow-platform:database"]
    assert after["airflow-platform:airflow"]["tasks"] == before["airflow-platform:airflow"]["tasks"]
