"""Images imported and unpacked once: the cluster's containerd starts on a copy that shares the files.

Importing takes containerd half a minute at every start of a new cluster. What it makes of an image never changes
after, so it is kept in the cache. A cluster's own store has copies of its databases, hard links to the
blobs and symbolic links to the unpacked layers: overlay mounts only read those, and removing the cluster removes links.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local import paths
from local.cluster import node, process
from local.cluster.image import Image
from local.cluster.programs import Programs
from local.cluster.runtime import Runtime
from local.cluster.waiting import until
from local.progress import step

_PROCESS = "image-store"
_THIN = 2**20  # bytes; images that are one small layer on another are imported at each start, where they change often
_BLOBS = Path("io.containerd.content.v1.content/blobs/sha256")
_SNAPSHOTS = Path("io.containerd.snapshotter.v1.overlayfs/snapshots")
_DATABASES = (
    Path("io.containerd.metadata.v1.bolt/meta.db"),
    Path("io.containerd.snapshotter.v1.overlayfs/metadata.db"),
)
_CONTENTS = "images.json"


def fill(root: Path, images: Sequence[Image], built: Programs, owner: Path) -> None:
    """Make `root`, containerd's directory for the cluster in `owner`, with all but the thinnest of `images` in it.

    Does nothing when `root` is there. Needs the machine prepared, as for the cluster's own containerd.
    """
    if root.exists():
        return
    stores = paths.cache() / "containerd"
    stores.mkdir(parents=True, exist_ok=True)
    lasting = [each for each in images if each.archive.stat().st_size > _THIN]
    store = _find(stores, lasting, built) or _make(stores, lasting, built, owner)
    _copy(store, root)


def _find(stores: Path, images: Sequence[Image], built: Programs) -> Path | None:
    """A store that has all the images."""
    wanted = set(_contents(images, built))
    for contents in stores.glob(f"*/{_CONTENTS}"):
        if wanted <= set(json.loads(contents.read_text())):
            return contents.parent
    return None


def _contents(images: Sequence[Image], built: Programs) -> list[str]:
    """What decides whether a store fits: the archives, named by their content, and whose containerd wrote it."""
    return [built.tools.root.name, *(each.archive.name for each in images)]


def _make(stores: Path, images: Sequence[Image], built: Programs, owner: Path) -> Path:
    """Import the images with a containerd of its own; the store replaces all others."""
    process.kill(owner, _PROCESS)  # of an interrupted call
    for old in stores.iterdir():
        shutil.rmtree(old)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=stores))
    containerd = node.containerd(built, scratch)
    importer = process.Process(_PROCESS, containerd.command, containerd.files)
    with step("Unpacking images", "40 s") as progress:
        started = process.start(importer, owner, built.tools.env(), node.NEW_NAMESPACE)
        runtime = Runtime(scratch, built.tools)
        until(runtime.ready, 30, "containerd", owner, {_PROCESS: started})
        for number, each in enumerate(images, 1):
            progress.update(f"{number} of {len(images)}: {each.ref}")
            runtime.load(each)
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError("containerd did not end within 20 s of being told to.") from error
    root = scratch / "containerd"
    (root / _CONTENTS).write_text(json.dumps(_contents(images, built)))
    store = stores / scratch.name.removeprefix(".")
    root.rename(store)
    shutil.rmtree(scratch)
    return store


def _copy(store: Path, root: Path) -> None:
    scratch = root.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    for database in _DATABASES:
        (scratch / database).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(store / database, scratch / database)
    for directory in (_BLOBS, _SNAPSHOTS):
        (scratch / directory).mkdir(parents=True)
    for blob in (store / _BLOBS).iterdir():
        os.link(blob, scratch / _BLOBS / blob.name)
    for snapshot in (store / _SNAPSHOTS).iterdir():
        (scratch / _SNAPSHOTS / snapshot.name).symlink_to(snapshot)
    for directory in (scratch, (scratch / _SNAPSHOTS).parent, scratch / _SNAPSHOTS):
        directory.chmod(0o700)
    scratch.rename(root)
