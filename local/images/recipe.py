"""A container image as a few values, and how it is made from them."""

import hashlib
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local import paths
from local.cluster.image import Image
from local.images import archive, rootfs
from local.images.archive import RunConfig
from local.progress import step

# Part of every key: raise it when the same inputs make something else than before.
_BUILDER = "1"

_APT = "apt-get --quiet --quiet --yes"


@dataclass(frozen=True)
class Recipe:
    """Debian packages on the base, and shell scripts run inside the image before and after they are installed."""

    ref: str
    run: RunConfig
    packages: tuple[str, ...]
    before: str = ""
    after: str = ""
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """Files that `after` finds under `rootfs.INPUTS`, by name."""
    expected: str = "1 min"
    """How long it takes on two cores; only shown."""

    @property
    def key(self) -> str:
        """Hash of everything of ours that decides what is in the image; Debian's updates are not."""
        return key(self.ref, repr(self.run), *self.packages, self.before, self.after, files=self.inputs)


def build(recipe: Recipe) -> Image:
    """Make the image, or find it in the cache. Raises RuntimeError with the failing step's last words."""
    image = Image(recipe.ref, location(recipe.ref, recipe.key))
    if image.archive.exists():
        return image
    base = rootfs.base()
    with step(f"Building image {short(recipe.ref)}", recipe.expected) as progress, scratch() as folder:
        root = Path(folder) / "root"
        subprocess.run(["cp", "--archive", str(base), str(root)], check=True)
        rootfs.run(root, recipe.before)
        progress.update("installing packages")
        packages = " ".join(recipe.packages)
        rootfs.run(root, f"{_APT} update; {_APT} upgrade; {_APT} install --no-install-recommends {packages}")
        progress.update("finishing")
        rootfs.run(root, recipe.after, recipe.inputs)
        rootfs.clean(root)
        progress.update("packing")
        pack(image, root, recipe.run)
    return image


def pack(image: Image, root: Path, run: RunConfig, *, on: Path | None = None) -> None:
    """Write the archive of `image` from `root`, whole or not at all; see `archive.write`."""
    unfinished = image.archive.with_suffix(".part")
    archive.write(unfinished, image.ref, root, run, on=on)
    unfinished.replace(image.archive)


def key(*values: str, files: Mapping[str, Path]) -> str:
    """Hash of the values and of the files' names and contents."""
    digest = hashlib.sha256("\0".join((_BUILDER, rootfs.SUITE, *values)).encode())
    for name, file in sorted(files.items()):
        digest.update(f"\0{name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def location(ref: str, key: str) -> Path:
    """Where the archive of the image `ref`, made from inputs with the hash `key`, is kept."""
    return paths.cache() / "images" / f"{short(ref).replace(':', '-')}-{key}.tar"


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A directory inside the cache for making one image, removed after use."""
    folder = paths.cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=".build-", dir=folder)


def short(ref: str) -> str:
    """Name and tag without the part that all images share: `airflow:3.3.2`."""
    return ref.rsplit("/", 1)[1]
