"""OCI image archives: what a container runtime imports, written straight from tar layers."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class RunConfig:
    """What a container of the image runs with unless its pod says otherwise."""

    user: str
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    workdir: str = "/"

    def as_oci(self) -> dict[str, Any]:
        """The `config` section of an image configuration."""
        env = [f"{name}={value}" for name, value in self.env.items()]
        section = {"User": self.user, "Env": env, "WorkingDir": self.workdir}
        return section | ({"Entrypoint": list(self.entrypoint)} if self.entrypoint else {})


def write(archive: Path, ref: str, root: Path, run: RunConfig, *, on: Path | None = None) -> None:
    """Write the image `ref` to `archive`: the directory `root` as one layer, owners and times as they are.

    With `on`, an archive written by this function, the layer lies on that image's layers, which are only referred to:
    the archive stays small, and can be imported only where that image was imported before.
    """
    layer = archive.with_suffix(".layer")
    pack = ["tar", "--create", f"--file={layer}", f"--directory={root}", "--numeric-owner", "--sort=name", "."]
    subprocess.run(pack, check=True, capture_output=True)
    try:
        with layer.open("rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        below = _layers(on) if on else []
        layers = [*below, {"mediaType": _LAYER, "digest": digest, "size": layer.stat().st_size}]
        config = {
            "architecture": architecture(),
            "os": "linux",
            "config": run.as_oci(),
            "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in layers]},
        }
        _write_archive(archive, ref, json.dumps(config).encode(), layers, layer)
    finally:
        layer.unlink()


def architecture() -> str:
    """This machine's processor, by the name that Go and container images use: `amd64`."""
    return _ARCHITECTURE[platform.machine()]


def manifest(archive: Path) -> dict[str, Any]:
    """The manifest of the image that `write` put into `archive`."""
    with tarfile.open(archive) as tar:
        index = json.load(_member(tar, "index.json"))
        return json.load(_member(tar, _blob(index["manifests"][0]["digest"])))


def _write_archive(archive: Path, ref: str, config: bytes, layers: list[dict[str, Any]], top: Path) -> None:
    """The small files first, so that `manifest` needs not read through the layers."""
    image = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _descriptor(_CONFIG, config),
        "layers": layers,
    }
    content = json.dumps(image).encode()
    # The full name for containerd; Docker and others read only the tag.
    names = {"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref.rsplit(":", 1)[1]}
    index = {"schemaVersion": 2, "manifests": [_descriptor(_MANIFEST, content) | {"annotations": names}]}
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _add(tar, "index.json", json.dumps(index).encode())
        _add(tar, _blob(_descriptor(_MANIFEST, content)["digest"]), content)
        _add(tar, _blob(image["config"]["digest"]), config)
        tar.add(top, arcname=_blob(layers[-1]["digest"]))


def _layers(archive: Path) -> list[dict[str, Any]]:
    return manifest(archive)["layers"]


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{tar.name} is no archive written here: its {name} is not a file.")
    return file
