"""Which cluster is meant, and what is said where there is none."""

import subprocess
from pathlib import Path

import pytest
import yaml

from local import paths, target
from local.target import EMBEDDED, KIND, NoTargetError


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux without Docker, with an empty cache and a kubeconfig of two contexts."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(target, "docker_runs", lambda: False)
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    contexts = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("staging", "arn:eks/cluster/a")]
    users = [{"name": "u", "user": {}}]
    kubeconfig.write_text(
        yaml.safe_dump({"clusters": [cluster], "contexts": contexts, "users": users, "current-context": "staging"})
    )
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))


def test_without_docker_linux_brings_up_the_embedded_cluster() -> None:
    assert target.choose(None).name == EMBEDDED


def test_with_docker_it_is_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "docker_runs", lambda: True)
    assert target.choose(None).name == KIND


def test_an_embedded_cluster_that_is_up_is_still_meant_after_docker_was_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths.cluster().mkdir(parents=True)
    monkeypatch.setattr(target, "docker_runs", lambda: True)
    assert target.choose(None).name == EMBEDDED


def test_neither_linux_nor_docker_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(NoTargetError, match=r"darwin without Docker\. Start Docker, name a cluster"):
        target.choose(None)


def test_an_unknown_context_is_answered_with_those_there_are() -> None:
    with pytest.raises(NoTargetError, match=r"no context stagin\. It has: arn:eks/cluster/a, staging\."):
        target.choose("stagin")


def test_a_missing_kubeconfig_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = str(tmp_path / "missing")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", missing)
    with pytest.raises(NoTargetError, match="There is no kubeconfig with the context staging"):
        target.choose("staging")


def test_a_context_named_like_a_path_keeps_its_state_in_one_directory() -> None:
    assert target.choose("arn:eks/cluster/a").state.parent == paths.cache() / "deployments"


def test_a_docker_client_without_an_engine_is_no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\nexit 1\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert subprocess.run(["docker", "info"]).returncode == 1
    assert not target.docker_runs()
