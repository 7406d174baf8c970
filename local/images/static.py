"""Images of one static program and nothing else, built from Go or taken from Debian."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local import debian, go_build
from local.cluster.image import BUSYBOX, COREDNS, LOCAL_PATH_PROVISIONER, PAUSE, Image
from local.images import recipe
from local.images.archive import RunConfig

NONROOT = "65532:65532"


def for_cluster() -> list[Image]:
    """What the cluster itself runs: pause, CoreDNS, local-path-provisioner and its helper's tools."""
    pause = go_build.build("pause", ".", "pause", expected="5 s")
    coredns = go_build.build("coredns", ".", "coredns", expected="1 min")
    provisioner = go_build.build(
        "local-path-provisioner",
        "github.com/rancher/local-path-provisioner",
        "local-path-provisioner",
        expected="1.5 min",
    )
    busybox = debian.tools().path("busybox")
    return [
        image(PAUSE, pause, "/pause", entrypoint=["/pause"]),
        image(COREDNS, coredns, "/coredns", entrypoint=["/coredns"]),
        image(LOCAL_PATH_PROVISIONER, provisioner, "/usr/bin/local-path-provisioner"),
        image(BUSYBOX, busybox, "/bin/busybox", links=_applets(busybox), user="0"),
    ]


def image(
    ref: str,
    program: Path,
    path: str,
    *,
    entrypoint: Sequence[str] = (),
    links: Sequence[str] = (),
    user: str = NONROOT,
) -> Image:
    """The image `ref` with `program` at `path`, and at each of `links` a link to it; made, or found in the cache."""
    run = RunConfig(user=user, env={"PATH": "/usr/bin:/bin"}, entrypoint=tuple(entrypoint))
    made = Image(ref, recipe.location(ref, recipe.key(ref, path, repr(run), *links, files={"program": program})))
    if made.archive.exists():
        return made
    with recipe.scratch() as folder:
        root = Path(folder) / "root"
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True)
        shutil.copy(program, target)
        for link in links:
            (root / link.lstrip("/")).symlink_to(path)
        for directory in (root, *(each for each in root.rglob("*") if each.is_dir())):
            directory.chmod(0o755)
        recipe.pack(made, root, run)
    return made


def _applets(busybox: Path) -> list[str]:
    """Where busybox's tools are. Its list names the program itself, which a link would overwrite."""
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return [f"/bin/{applet}" for applet in listed if applet != "busybox"]
