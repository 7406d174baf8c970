"""Root file systems of Debian trixie (Python 3.13, PostgreSQL 17), made without Docker and without lasting mounts."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local import debian, paths
from local.progress import step

SUITE = "trixie"

# Where a script run by `run` finds its input files. Removed before the root file system is packed.
INPUTS = "/inputs"

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_UNWANTED = "/usr/share/doc/* /usr/share/man/* /usr/share/info/* /usr/share/locale/* /usr/share/lintian/*"
_LEAN_DPKG = "".join(f"path-exclude={pattern}\n" for pattern in _UNWANTED.split())
# Package scripts must not start services: there is no init here.
_NO_SERVICES = "#!/bin/sh\nexit 101\n"


def base() -> Path:
    """Debian's minimal system as released: made by debootstrap, or found in the cache. Copy it, never change it.

    Packages come from this machine's own Debian mirrors, or from debootstrap's default where it has none. Raises
    RuntimeError with the tool's last words when that fails.
    """
    result = paths.cache() / "images" / f"base-{SUITE}-1"
    if result.exists():
        return result
    result.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".base-", dir=result.parent))
    root = scratch / "root"
    try:
        with step(f"Installing Debian {SUITE} for the images", "30 s"):
            here = mirrors()
            _debootstrap(root, here[0].split()[1] if here else None)
            if here:
                (root / "etc/apt/sources.list").write_text("\n".join(here) + "\n")
            (root / "etc/dpkg/dpkg.cfg.d/lean").write_text(_LEAN_DPKG)
            (root / "usr/sbin/policy-rc.d").write_text(_NO_SERVICES)
            (root / "usr/sbin/policy-rc.d").chmod(0o755)
            run(root, f"apt-get clean; rm -rf {_UNWANTED}")
        root.chmod(0o755)
        root.replace(result)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return result


def mirrors() -> list[str]:
    """apt sources of `SUITE` (release, updates, security), at the mirrors this Debian machine uses for its own release.

    Empty on another distribution: its mirrors have no Debian.
    """
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian":
        return []
    # What apt has indexed would be empty where nobody ran `apt-get update` yet.
    listed = subprocess.run(["apt-get", "update", "--print-uris"], capture_output=True, text=True, check=True).stdout
    return sources(listed, release["VERSION_CODENAME"])


def sources(listed: str, ours: str) -> list[str]:
    """apt sources of `SUITE` from what `apt-get update --print-uris` lists on a machine of the release `ours`."""
    found = dict.fromkeys(re.findall(r"'(\S+)/dists/(\S+)/main/binary-", listed))
    uris = {suite: uri for uri, suite in found}
    # Other vendors name suites after Debian's releases too; but where the updates are, there is the release.
    uris[ours] = uris.get(f"{ours}-updates", uris.get(ours, ""))
    wanted = (ours, f"{ours}-updates", f"{ours}-security")
    return [f"deb {uris[suite]} {suite.replace(ours, SUITE)} main" for suite in wanted if uris.get(suite)]


def run(root: Path, script: str, inputs: Mapping[str, Path] | None = None) -> None:
    """Run a shell script as root inside `root`, with the network's settings of this machine; stops at its first error.

    It runs in process and mount namespaces of its own, so neither a process nor a mount outlives it. `inputs` are files
    that it finds by name under `INPUTS`. Raises RuntimeError with the script's last words when it fails.
    """
    folder = root / INPUTS.lstrip("/")
    folder.mkdir()
    for name, file in (inputs or {}).items():
        shutil.copy(file, folder / name)
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "APT_CONFIG": f"{INPUTS}/apt.conf",
        **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
        **{name: value for name, value in os.environ.items() if name.startswith("UV_")},
    }
    (folder / "apt.conf").write_text(_network_settings())
    if _CERTIFICATES.exists():
        shutil.copy(_CERTIFICATES, folder / "certificates.crt")
        environment |= {"SSL_CERT_FILE": f"{INPUTS}/certificates.crt"}
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--root={root}", "--mount-proc"]
    try:
        done = subprocess.run([*namespaces, "/bin/sh", "-euc", script], env=environment, capture_output=True, text=True)
    finally:
        shutil.rmtree(folder)
        (root / "etc/resolv.conf").write_text("")
    if done.returncode:
        raise RuntimeError(f"In the image's file system this failed:\n{script}\n{(done.stdout + done.stderr)[-3000:]}")


def clean(root: Path) -> None:
    """Remove what an image has no use for: package lists and archives, logs, documentation, device files."""
    run(root, f"rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /tmp/* /root/.cache /dev/* {_UNWANTED}")


def _debootstrap(root: Path, mirror: str | None) -> None:
    tools = debian.tools()
    keyring = tools.root / "usr/share/keyrings/debian-archive-keyring.gpg"
    command = [tools.path("debootstrap"), "--variant=minbase", f"--keyring={keyring}", SUITE, root]
    # Its own mounts end with the namespace.
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", *command, *([mirror] if mirror else [])],
        env=tools.env(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"debootstrap of Debian {SUITE} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _network_settings() -> str:
    """This machine's proxies and timeouts for apt; what it says of certificates is for paths outside the image."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    kept = [line for line in dump.splitlines() if line.startswith(("Acquire::http", "Acquire::Retries"))]
    certificates = f'Acquire::https::CAInfo "{INPUTS}/certificates.crt";' if _CERTIFICATES.exists() else ""
    return "\n".join([*(line for line in kept if "CAInfo" not in line), certificates, 'APT::Sandbox::User "root";', ""])
