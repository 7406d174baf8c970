"""Image archives: what a runtime imports is what was put in."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from local.images import archive
from local.images.archive import RunConfig

RUN = RunConfig(user="50000:0", env={"PATH": "/bin"}, workdir="/work")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    root = _root(tmp_path / "base", {"etc/name": "base"})
    target = tmp_path / "base.tar"
    archive.write(target, "localhost/test/base:1", root, RUN)
    return target


def test_every_blob_is_stored_under_the_hash_of_its_content(base: Path) -> None:
    blobs = {name: content for name, content in _files(base).items() if name.startswith("blobs/")}
    assert len(blobs) == 3, "manifest, configuration and one layer"
    for name, content in blobs.items():
        assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def test_containerd_finds_the_images_full_name_in_the_index(base: Path) -> None:
    (listed,) = json.loads(_files(base)["index.json"])["manifests"]
    assert listed["annotations"]["io.containerd.image.name"] == "localhost/test/base:1"


def test_a_container_gets_the_user_and_environment_and_no_entrypoint_unless_one_is_named(base: Path) -> None:
    config = _config(base)["config"]
    assert config == {"User": "50000:0", "Env": ["PATH=/bin"], "WorkingDir": "/work"}


def test_an_image_on_another_has_both_layers_and_carries_only_its_own(base: Path, tmp_path: Path) -> None:
    root = _root(tmp_path / "top", {"etc/more": "top"})
    top = tmp_path / "top.tar"
    archive.write(top, "localhost/test/top:1", root, RUN, on=base)

    layers = archive.manifest(top)["layers"]
    below = archive.manifest(base)["layers"]
    assert layers[:1] == below
    assert _config(top)["rootfs"]["diff_ids"] == [each["digest"] for each in layers]
    carried = [name for name in _files(top) if name.startswith("blobs/")]
    assert f"blobs/{below[0]['digest'].replace(':', '/')}" not in carried
    assert f"blobs/{layers[1]['digest'].replace(':', '/')}" in carried


def _root(folder: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    return folder


def _files(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


def _config(path: Path) -> dict:
    files = _files(path)
    return json.loads(files["blobs/" + archive.manifest(path)["config"]["digest"].replace(":", "/")])
