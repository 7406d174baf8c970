"""kind, as far as it can be checked without Docker: what is built, configured and asked for."""

import json
from pathlib import Path

import pytest

from infra import offline
from infra.render import objects
from local import kind
from local.existing import values
from local.target import REPOSITORY


def test_every_image_that_the_stack_names_is_built() -> None:
    wanted = values([*objects(offline.evaluate("local"))], {"image", "imageName"})
    assert wanted == set(kind.IMAGES)


def test_what_dockerfiles_copy_is_in_the_build_context() -> None:
    copied = [line.split()[1] for text in kind.IMAGES.values() for line in text.splitlines() if line.startswith("COPY")]
    assert copied
    assert all((REPOSITORY / "local" / path).exists() for path in copied)


def test_storage_has_a_directory_for_each_class_that_the_stack_names() -> None:
    wanted = values([*objects(offline.evaluate("local"))], {"storageClass", "storageClassName"})
    assert set(json.loads(kind.storage_configuration())["storageClassConfigs"]) == wanted


@pytest.mark.parametrize(
    ("programs", "memory", "said"),
    [
        (["kubectl", "kind"], 8, []),
        (["kubectl", "go"], 8, []),
        (["kind"], 8, ["kubectl is not on the PATH"]),
        (["kubectl"], 8, ["neither kind nor Go"]),
        (["kubectl", "kind"], 2, ["2.0 GiB of memory"]),
        ([], 2, ["kubectl", "neither kind nor Go", "2.0 GiB"]),
    ],
)
def test_all_that_the_machine_lacks_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, programs: list[str], memory: int, said: list[str]
) -> None:
    for program in programs:
        (tmp_path / program).touch(mode=0o755)
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho {memory * 2**30}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = kind.problems()
    assert len(found) == len(said)
    assert all(words in problem for words, problem in zip(said, found, strict=True))
