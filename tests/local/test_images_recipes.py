"""How images are made: what makes one anew, and from where its packages come."""

import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.cluster.image import Image
from local.images import airflow, archive, pgbouncer, postgresql, recipe, rootfs

PRINTED = """\
'http://vendor/debian/12/dists/bookworm/main/binary-amd64/Packages.xz' vendor_bookworm_Packages 0
'http://mirror/debian/dists/bookworm/InRelease' mirror_bookworm_InRelease 0
'http://mirror/debian/dists/bookworm/main/binary-amd64/Packages.xz' mirror_bookworm_Packages 0
'http://mirror/debian/dists/bookworm-updates/main/binary-amd64/Packages.xz' mirror_updates_Packages 0
'http://mirror/security/dists/bookworm-security/main/binary-amd64/Packages.xz' mirror_security_Packages 0
'http://docker/debian/dists/bookworm/stable/binary-amd64/Packages.xz' docker_Packages 0
"""


def test_an_image_is_made_anew_when_something_that_goes_into_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("one==1")
    made = replace(postgresql.RECIPE, inputs={"requirements.txt": file})
    others = [
        replace(made, ref="localhost/airflow-platform/postgresql:18"),
        replace(made, packages=("postgresql-18",)),
        replace(made, after="true"),
        replace(made, run=replace(made.run, user="27")),
    ]
    keys = {made.key, *(other.key for other in others)}
    file.write_text("one==2")
    assert len(keys | {made.key}) == 6


def test_an_image_is_not_made_anew_for_how_long_it_is_said_to_take() -> None:
    assert replace(pgbouncer.RECIPE, expected="5 min").key == pgbouncer.RECIPE.key


def test_packages_come_from_the_mirrors_that_this_machine_uses_for_its_own_release() -> None:
    assert rootfs.sources(PRINTED, "bookworm") == [
        "deb http://mirror/debian trixie main",
        "deb http://mirror/debian trixie-updates main",
        "deb http://mirror/security trixie-security main",
    ]


def test_a_machine_without_debians_mirrors_leaves_the_choice_to_debootstrap() -> None:
    assert rootfs.sources("'http://vendor/dists/stable/main/binary-amd64/Packages.xz' x 0\n", "bookworm") == []


def test_an_edited_dag_makes_a_new_thin_layer_and_leaves_the_runtime(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runtime = Image(airflow.RUNTIME.ref, tmp_path / "runtime.tar")
    (tmp_path / "root").mkdir()
    archive.write(runtime.archive, runtime.ref, tmp_path / "root", airflow.RUNTIME.run)
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "one.py").write_text("first")
    monkeypatch.setenv("AIRFLOW_PLATFORM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(airflow, "DAGS", dags)
    monkeypatch.setattr(recipe, "build", lambda _: runtime)

    _, first = airflow.build()
    assert airflow.build() == [runtime, first]
    (dags / "one.py").write_text("second")
    _, second = airflow.build()

    assert second.archive != first.archive
    layer = _top_layer(second.archive, tmp_path)
    assert layer["./opt/airflow/dags/one.py"].mode & 0o777 == 0o644
    # A layer's directories replace those below: closed ones would lock every user but root out of the image.
    assert {each.mode & 0o777 for each in layer.values() if each.isdir()} == {0o755}


def test_the_lock_pins_what_the_requirements_ask_for_by_version_and_hash() -> None:
    lock = re.sub(r"\\\n", " ", airflow.REQUIREMENTS.read_text())
    lines = [line for line in lock.splitlines() if line and not line.lstrip().startswith("#")]
    unpinned = [line for line in lines if "==" not in line or "--hash=sha256:" not in line]
    assert unpinned == []

    locked = dict(line.split(maxsplit=1)[0].split("==") for line in lines)
    asked = [line.split("#")[0].strip() for line in airflow.REQUIREMENTS.with_suffix(".in").read_text().splitlines()]
    for requirement in (Requirement(line) for line in asked if line):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), (
            f"{requirement} is not what requirements.txt pins: compile it anew, as its first lines say."
        )


def _top_layer(image: Path, folder: Path) -> dict[str, tarfile.TarInfo]:
    digest = archive.manifest(image)["layers"][-1]["digest"]
    with tarfile.open(image) as tar:
        tar.extract(f"blobs/{digest.replace(':', '/')}", folder, filter="data")
    with tarfile.open(folder / "blobs" / digest.replace(":", "/")) as layer:
        return {member.name: member for member in layer}
