"""A stack file: what is accepted, and what is refused with which sentence."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from infra import settings
from infra.settings import InvalidSettingsError, load

STACKS = Path(__file__).parents[2] / "stacks"


def _file(stack: str) -> dict[str, Any]:
    return yaml.safe_load((STACKS / f"Pulumi.{stack}.yaml").read_text())["config"]


def _load(config: dict[str, Any], stack: str = "local", secret_keys: frozenset[str] = frozenset()) -> Any:
    secret_keys |= {key for key, value in config.items() if isinstance(value, dict) and "secure" in value}
    return load(stack, {key: json.dumps(value) for key, value in config.items()}, secret_keys)


def _mistakes(config: dict[str, Any], stack: str = "local", **arguments: Any) -> list[str]:
    with pytest.raises(InvalidSettingsError) as refused:
        _load(config, stack, **arguments)
    return str(refused.value).splitlines()


def _changed(section: str, **values: Any) -> dict[str, Any]:
    config = _file("local")
    config[f"airflow-platform:{section}"] |= values
    return config


@pytest.mark.parametrize("stack", ["local", "prod"])
def test_the_stack_files_of_the_project_are_accepted(stack: str) -> None:
    assert _load(_file(stack), stack).airflow.executors == ["KubernetesExecutor"]


@pytest.mark.parametrize(
    ("section", "values", "sentence"),
    [
        (
            "airflow",
            {"executer": "LocalExecutor"},
            "airflow-platform:airflow.executer is not a setting; did you mean executor?",
        ),
        (
            "airflow",
            {"executor": "SequentialExecutor"},
            '"SequentialExecutor" was removed in Airflow 3; write LocalExecutor',
        ),
        (
            "airflow",
            {"executor": "LocalKubernetesExecutor"},
            '"LocalKubernetesExecutor" was removed in Airflow 3; write LocalExecutor,KubernetesExecutor',
        ),
        ("airflow", {"executor": "DaskExecutor"}, "write one of KubernetesExecutor, LocalExecutor"),
        ("airflow", {"executor": "LocalExecutor,LocalExecutor"}, "names an executor twice"),
        (
            "airflow",
            {"parallelism": "many"},
            "airflow-platform:airflow.parallelism is 'many', but input should be a valid integer",
        ),
        ("airflow", {"image": "apache/airflow"}, "airflow-platform:airflow.image is 'apache/airflow'"),
        ("airflow", {"base_url": "https://example.com/airflow"}, "airflow-platform:airflow.base_url"),
        (
            "airflow",
            {"config": {"core": {"fernet_key": "abc"}}},
            "airflow.config.core.fernet_key is set by the platform itself",
        ),
        (
            "airflow",
            {"config": {"database": {"sql_alchemy_conn_cmd": "cat x"}}},
            "airflow.config.database.sql_alchemy_conn_cmd is set by the platform itself",
        ),
        (
            "airflow",
            {"config": {"core": {"Fernet_Key": "abc"}}},
            "airflow.config.core.Fernet_Key is set by the platform",
        ),
        ("airflow", {"config": {"core": {"EXECUTOR": "x"}}}, "airflow.config.core.EXECUTOR is set by the platform"),
        ("airflow", {"config": {"sentry": {"sentry_dsn": "x"}}}, "or holds a secret"),
        ("airflow", {"dags": {}}, "airflow-platform:airflow.dags"),
        (
            "airflow",
            {"tasks": {"resources": {"cpu": "2", "memory": "1Gi", "cpu_limit": "1"}}},
            "less than the cpu of 2",
        ),
        ("cluster", {"api_server_cidrs": ["999.1.1.1/99"]}, '"999.1.1.1/99" is not a range of addresses'),
        ("database", {"storage": "2 GB"}, '"2 GB" is not a Kubernetes quantity'),
        ("database", {"engine": "mysql"}, "airflow-platform:database"),
        ("database", {"pooler": {"instances": 9}}, "raise max_connections or lower pooler.connections_per_database"),
        ("database", {"instance": 3}, "airflow-platform:database.instance is not a setting; did you mean instances?"),
        ("cluster", {"api_server_cidrs": []}, "airflow-platform:cluster.api_server_cidrs"),
        ("cluster", {"api_server_port": 70000}, "airflow-platform:cluster.api_server_port is 70000"),
    ],
)
def test_a_mistake_gets_a_sentence_that_names_the_file_and_the_key(section: str, values: Any, sentence: str) -> None:
    (mistake,) = _mistakes(_changed(section, **values))
    assert mistake.startswith("stacks/Pulumi.local.yaml: ")
    assert sentence in mistake


def test_all_mistakes_are_told_at_once() -> None:
    config = _changed("airflow", executor="DebugExecutor", parallelism=0) | {"airflow-platform:databse": {}}
    del config["airflow-platform:cluster"]
    mistakes = "\n".join(_mistakes(config))
    for key in ("airflow.executor", "airflow.parallelism", "databse is not a setting; did you mean database?"):
        assert f"airflow-platform:{key}" in mistakes
    assert "airflow-platform:cluster is missing" in mistakes


def test_the_local_executor_with_two_schedulers_is_refused() -> None:
    config = _changed("airflow", executor="LocalExecutor", scheduler={"replicas": 2})
    (mistake,) = _mistakes(config)
    assert "scheduler: {replicas: 1}" in mistake


def test_the_simple_auth_manager_is_refused_outside_of_the_stack_local() -> None:
    mistakes = _mistakes(_file("local"), "staging")
    assert any("airflow.auth.manager is simple in the stack staging" in mistake for mistake in mistakes)


def test_a_stack_other_than_local_names_its_context() -> None:
    config = _file("prod")
    del config["airflow-platform:cluster"]["context"]
    (mistake,) = _mistakes(config, "prod")
    assert "airflow-platform:cluster.context is missing" in mistake


def test_a_secret_in_clear_is_refused_with_the_command_that_encrypts_it() -> None:
    config = _file("prod") | {"airflow-platform:oidcClientSecret": "hunter2"}
    mistakes = _mistakes(config, "prod")
    assert "`pulumi config set --secret airflow-platform:oidcClientSecret`" in mistakes[0]
    assert "hunter2" not in "".join(mistakes)


def test_single_sign_on_without_its_secret_is_refused_with_the_command_that_sets_it() -> None:
    config = _file("prod")
    del config["airflow-platform:oidcClientSecret"]
    (mistake,) = _mistakes(config, "prod")
    assert "pulumi config set --secret airflow-platform:oidcClientSecret" in mistake


def test_a_section_that_is_encrypted_is_refused() -> None:
    config = _file("local") | {"airflow-platform:airflow": "hunter2"}
    (mistake,) = _mistakes(config, secret_keys=frozenset({"airflow-platform:airflow"}))
    assert "a section holds no secrets" in mistake
    assert "hunter2" not in mistake


def test_two_namespaces_of_the_same_name_are_refused() -> None:
    config = _file("local") | {"airflow-platform:namespaces": {"tasks": {"name": "airflow"}}}
    (mistake,) = _mistakes(config)
    assert "give each a name of its own" in mistake


def test_a_namespace_of_kubernetes_itself_is_refused() -> None:
    config = _file("local") | {"airflow-platform:namespaces": {"tasks": {"name": "kube-system"}}}
    (mistake,) = _mistakes(config)
    assert "kube-system is a namespace of Kubernetes itself" in mistake


def test_another_projects_keys_are_none_of_our_business() -> None:
    assert _load(_file("local") | {"kubernetes:context": "production"})


def test_the_schema_that_editors_use_is_the_models_own() -> None:
    written = (STACKS / "schema.json").read_text()
    assert json.loads(written) == settings.schema(), "run `make docs`"


@pytest.mark.parametrize("stack", ["local", "prod"])
def test_an_editor_accepts_the_stack_files_and_marks_a_misspelt_key(stack: str) -> None:
    schema = json.loads((STACKS / "schema.json").read_text())
    text = (STACKS / f"Pulumi.{stack}.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    content = yaml.safe_load(text)
    jsonschema.validate(content, schema)
    content["config"]["airflow-platform:airflow"]["executer"] = "LocalExecutor"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)
