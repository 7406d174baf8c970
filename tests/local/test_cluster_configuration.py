"""What the embedded cluster is configured with, as far as it can be judged without running it."""

from pathlib import Path

import pytest
import yaml

from local.cluster import embedded, pki
from local.cluster.addresses import LISTENERS
from local.cluster.process import Process
from local.cluster.programs import Programs
from local.debian import DebianTools


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> list[Process]:
    state = tmp_path_factory.mktemp("state")
    pki.create(state / "pki")
    for program in ("containerd", "ctr"):
        (state / "usr/bin").mkdir(parents=True, exist_ok=True)
        (state / "usr/bin" / program).touch()
    programs = Programs(kubernetes=state / "kubernetes", etcd=state / "etcd", tools=DebianTools(state))
    return embedded._processes(programs, state)


def test_what_a_process_reads_it_is_given_by_path(processes: list[Process]) -> None:
    """A flag that names a file of the configuration must name one that is written, or made with the certificates."""
    written = {path for each in processes for path in each.files}
    for each in processes:
        for argument in each.command:
            path = Path(argument.partition("=")[2])
            if path.parent.name in ("config", "pki"):
                assert path in written or path.exists(), f"{each.name}: {argument}"


def test_every_port_that_a_process_is_told_is_one_that_the_preflight_probes(processes: list[Process]) -> None:
    told = " ".join(text for each in processes for text in (*each.command, *each.files.values()))
    for _, port in LISTENERS:
        assert str(port) in told
    assert "0.0.0.0:" not in told


def test_the_clusters_own_objects_have_no_blank_left(tmp_path: Path) -> None:
    text = embedded._manifests(tmp_path)
    assert "${" not in text
    assert len(list(yaml.safe_load_all(text))) > 10


def test_the_clusters_own_pods_are_restricted_and_limited(tmp_path: Path) -> None:
    for each in yaml.safe_load_all(embedded._manifests(tmp_path)):
        if each["kind"] != "Deployment":
            continue
        pod = each["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
