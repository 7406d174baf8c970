"""Debian programs for this machine without installing any: packages are downloaded and unpacked into the cache."""

import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local import paths
from local.progress import step

PACKAGES = (
    "busybox-static",
    "containerd",
    "containernetworking-plugins",
    "debian-archive-keyring",
    "debootstrap",
    "iproute2",
    "nftables",
    "runc",
)

_PROGRAM_DIRS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
_MULTIARCH = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}


@dataclass(frozen=True)
class DebianTools:
    """The unpacked packages, found under `root`."""

    root: Path

    @property
    def cni_plugins(self) -> Path:
        """Directory of the CNI plugins (`ptp`, `host-local`, ...)."""
        return self.root / "usr/lib/cni"

    def env(self) -> dict[str, str]:
        """This process's environment, in which the unpacked programs and their libraries are found first."""
        multiarch = _MULTIARCH[platform.machine()]
        programs = [str(self.root / directory) for directory in _PROGRAM_DIRS]
        libraries = [str(self.root / prefix / multiarch) for prefix in ("usr/lib", "lib")]
        return os.environ | {
            "PATH": ":".join([*programs, os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]),
            "LD_LIBRARY_PATH": ":".join(libraries),
            "DEBOOTSTRAP_DIR": str(self.root / "usr/share/debootstrap"),
        }

    def path(self, name: str) -> Path:
        """The unpacked program `name`. Raises FileNotFoundError when none of the packages has it."""
        for directory in _PROGRAM_DIRS:
            if (program := self.root / directory / name).exists():
                return program
        raise FileNotFoundError(f"None of the packages {', '.join(PACKAGES)} has a program {name!r}.")


def location() -> Path:
    """Where `tools` unpacks: keyed by the packages and by the release of this machine's distribution."""
    release = platform.freedesktop_os_release()
    inputs = [*PACKAGES, release.get("ID", ""), release.get("VERSION_ID", ""), platform.machine()]
    return paths.cache() / "debian" / hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]


@functools.cache
def tools() -> DebianTools:
    """Download and unpack `PACKAGES` and what they need beyond the installed ones, or find them in the cache.

    Raises RuntimeError with apt's words when a package can't be had.
    """
    result = location()
    if not result.exists():
        result.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=result.parent))
        try:
            with step("Downloading container tools (containerd, runc, CNI plugins, nftables)", "20 s") as progress:
                archives = _download(scratch)
                root = scratch / "root"
                for number, archive in enumerate(archives, 1):
                    progress.update(f"unpacking {number} of {len(archives)}")
                    _run(["dpkg", "-x", str(archive), str(root)])
            root.replace(result)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return DebianTools(result)


def _download(scratch: Path) -> list[Path]:
    """Packages and their missing dependencies, downloaded into `scratch` with an apt state of its own."""
    for directory in ("state/lists/partial", "cache/archives/partial"):
        (scratch / directory).mkdir(parents=True)
    (scratch / "apt.conf").write_text(_configuration(scratch))
    environment = os.environ | {"APT_CONFIG": str(scratch / "apt.conf")}
    # One unreachable source of several fails the update, though the packages may all be in the others.
    subprocess.run(["apt-get", "-qq", "update"], env=environment, capture_output=True)
    _run(
        ["apt-get", "-qq", "--yes", "--download-only", "--no-install-recommends", "--reinstall", "install", *PACKAGES],
        environment,
    )
    return sorted((scratch / "cache/archives").glob("*.deb"))


def _configuration(scratch: Path) -> str:
    """This machine's apt configuration (sources, proxies) without its hooks and with a state of its own."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    hooks = ("APT::Update::", "DPkg::", "Dir::State", "Dir::Cache", "Dir::Etc::parts", "APT::Sandbox")
    kept = [line for line in dump.splitlines() if not line.startswith(hooks)]
    ours = {
        "Dir::State": scratch / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::State::lists": scratch / "state/lists",
        "Dir::Cache": scratch / "cache",
        "Dir::Cache::archives": scratch / "cache/archives",
        "Dir::Etc::parts": "/dev/null",  # its files are in the dump; read again they would bring the hooks back
        "Dir::Log": scratch,
        "APT::Sandbox::User": "root",  # the sandbox's user can't write to a cache below /root
    }
    return "\n".join([*kept, *(f'{key} "{value}";' for key, value in ours.items())]) + "\n"


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{done.stderr[-2000:]}")
