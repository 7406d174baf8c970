"""Rules whose cases are many, and the traps of the folder that holds them."""

import sys
from importlib.metadata import packages_distributions

import pytest

from policies.label_selectors import selects
from policies.plain_secrets import found_in
from tests.policies.analyzer import PACK


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD",
        "dbPassword",
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "secret_key",
        "AWS_SECRET_ACCESS_KEY",
        "apiKey",
        "PWD",
    ],
)
def test_a_value_is_secret_if_its_name_ends_with_what_a_secret_is(name: str) -> None:
    assert list(found_in(name, "hunter2"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD_FILE", "hunter2"),
        ("TOKEN_TTL", "3600"),
        ("SECRET_NAME", "airflow-fernet"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AIRFLOW__SECRETS__BACKEND", "airflow.providers.example.SecretsBackend"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/var/run/secrets/google/configuration.json"),
        ("DB_PASSWORD", "$(PASSWORD)"),
        ("DB_PASSWORD", ""),
        ("USE_TOKEN", "true"),
        ("X", "automountServiceAccountToken: false\nserviceAccountToken:\n  path: token\n"),
        ("X", "secretKeyRef: {name: db, key: password}"),
        ("X", "password: {{ secrets.password }}"),
        ("X", "export PGPASSWORD=$(cat /run/password)"),
        ("X", "fernet_key_cmd = cat /keys/fernet"),
        ("x.py", 'SECRET_KEY = os.environ["SECRET_KEY"]\ntoken = read(path)'),
        ("X", "https://example.com/a:b/c@d"),
        ("X", "postgresql://airflow@db:5432/airflow"),
        ("X", "postgresql://airflow:$(PASSWORD)@db/airflow"),
        ("X", "-----BEGIN CERTIFICATE-----"),
        ("jwks.json", '{"keys": [{"kty": "RSA", "kid": "1", "n": "x", "e": "AQAB"}]}'),
    ],
)
def test_what_only_names_or_points_to_a_secret_is_none(name: str, value: str) -> None:
    assert list(found_in(name, value)) == []


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter2",
        '{"client_secret": "hunter2"}',
        "psql 'host=db password=hunter2'",
        "curl https://example.com/?token=hunter2",
        "redis://:hunter2@redis:6379/0",
        "postgresql+psycopg://airflow:hunter2@db/airflow",
        "-----BEGIN RSA PRIVATE KEY-----",
        '{"kty": "EC", "d": "hunter2"}',
    ],
)
def test_a_secret_inside_of_a_text_is_found_and_not_repeated(text: str) -> None:
    findings = list(found_in("X", text))

    assert findings
    assert not any("hunter2" in finding for finding in findings)


def test_a_long_text_is_searched_quickly() -> None:
    assert list(found_in("dashboard.json", "abc.def-" * 200_000)) == []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "tier", "operator": "In", "values": ["web", "api"]}, True),
        ({"key": "tier", "operator": "In", "values": ["api"]}, False),
        ({"key": "tier", "operator": "NotIn", "values": ["api"]}, True),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "tier", "operator": "Exists"}, True),
        ({"key": "zone", "operator": "Exists"}, False),
        ({"key": "zone", "operator": "DoesNotExist"}, True),
        ({"key": "tier", "operator": "DoesNotExist"}, False),
    ],
)
def test_selector_expressions_select_as_kubernetes_does(expression: dict[str, object], expected: bool) -> None:
    assert selects({"matchExpressions": [expression]}, {"tier": "web"}) is expected


def test_no_module_of_the_pack_hides_one_that_python_or_a_package_brings() -> None:
    modules = {file.stem for file in PACK.glob("*.py")} - {"__init__", "__main__"}

    assert not modules & (sys.stdlib_module_names | packages_distributions().keys())
