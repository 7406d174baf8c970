"""containerd of the embedded cluster, by its command line client."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from local.cluster import node
from local.cluster.image import Image
from local.debian import DebianTools


class Runtime:
    """The containerd of the cluster in `state`."""

    def __init__(self, state: Path, tools: DebianTools) -> None:
        self._tools = tools
        self._socket = node.socket(state)

    def ready(self) -> bool:
        """Whether containerd answers."""
        return self._socket.exists() and self._ctr("version", timeout="2s").returncode == 0

    def missing(self, images: Sequence[Image]) -> list[Image]:
        """Those of `images` that are not there, or not from the same archive."""
        lines = self._checked("images", "list").splitlines()[1:]
        present = {line.split()[0]: line for line in lines}
        return [image for image in images if _label(image) not in present.get(image.ref, "")]

    def load(self, image: Image) -> None:
        """Import and unpack the image; raises RuntimeError with containerd's words."""
        self._checked("images", "import", "--snapshotter=overlayfs", str(image.archive))
        # Last, so that an import that was interrupted is done again.
        self._checked("images", "label", image.ref, _label(image))

    def _checked(self, *arguments: str) -> str:
        done = self._ctr(*arguments)
        if done.returncode:
            raise RuntimeError(f"`ctr {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return done.stdout

    def _ctr(self, *arguments: str, timeout: str = "0s") -> subprocess.CompletedProcess[str]:
        ctr = [self._tools.path("ctr"), f"--address={self._socket}", "--namespace=k8s.io", f"--timeout={timeout}"]
        return subprocess.run([*ctr, *arguments], env=self._tools.env(), capture_output=True, text=True)


def _label(image: Image) -> str:
    """Names the archive, which is kept by a hash of what is in it."""
    return f"airflow-platform.archive={image.archive.name}"
