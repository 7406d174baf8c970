"""This machine as the embedded Kubernetes finds it: facts only, judged in `preflight`."""

import os
import platform
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from local import go_build, paths
from local.cluster import addresses, cgroups, process, programs

GIB = 2**30
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
_IP_FREEBIND = 15  # from linux/in.h; Python has no name for it
_PROGRAMS = ("apt-get", "dpkg", "mount", "nsenter", "unshare")


@dataclass(frozen=True)
class Machine:
    """Sizes in bytes; versions as tuples; what is `other`, `elsewhere` or `taken` is so by none of our processes."""

    system: str
    architecture: str
    root: bool
    missing_capabilities: tuple[str, ...]
    programs: frozenset[str]
    go: tuple[int, ...] | None
    go_needed: tuple[int, ...]
    to_build: tuple[str, ...]
    registry_reached: bool
    memory: int
    disk: int
    cache: str
    state: str
    cgroups_writable: bool
    node_ip: str
    address_elsewhere: tuple[str, ...]
    ports_taken: tuple[tuple[str, int], ...]
    other_kubelets: tuple[int, ...]


def look() -> Machine:
    """This machine now. Asks the Go module proxy one question where something must still be built."""
    linux = platform.system() == "Linux"
    state, to_build, go = paths.cluster(), tuple(programs.unbuilt()) if linux else (), _go_version()
    ours = bool(linux and process.running(state))
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        root=os.geteuid() == 0,
        missing_capabilities=_missing_capabilities() if linux else (),
        programs=frozenset(name for name in _PROGRAMS if shutil.which(name)),
        go=go,
        go_needed=_go_needed(),
        to_build=to_build,
        registry_reached=not to_build or go is None or _registry_reached(),
        # A cluster that runs has its memory and ports already.
        memory=_memory_available() if linux and not ours else 1024 * GIB,
        disk=_disk_free(paths.cache()),
        cache=str(paths.cache()),
        state=str(state),
        cgroups_writable=linux and cgroups.writable(),
        node_ip=addresses.NODE_IP,
        address_elsewhere=_address_elsewhere() if linux else (),
        ports_taken=() if ours else tuple(_taken(addresses.LISTENERS)),
        other_kubelets=_other_kubelets(state) if linux else (),
    )


def _missing_capabilities() -> tuple[str, ...]:
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    bits = int(effective[1], 16) if effective else 0
    return tuple(name for name, bit in _CAPABILITIES.items() if not bits >> bit & 1)


def _go_version() -> tuple[int, ...] | None:
    if not shutil.which("go"):
        return None
    said = subprocess.run(["go", "env", "GOVERSION"], env=go_build.environment(), capture_output=True, text=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said))


def _go_needed() -> tuple[int, ...]:
    """The newest Go that one of our modules asks for."""
    files = (file.read_text() for file in go_build.MODULES.glob("*/go.mod"))
    asked = (re.search(r"^go ([\d.]+)$", text, re.MULTILINE) for text in files)
    return max((tuple(map(int, found[1].split("."))) for found in asked if found), default=(0,))


def _registry_reached() -> bool:
    with tempfile.TemporaryDirectory() as empty:
        try:
            asked = ["go", "list", "-m", "-versions", "golang.org/x/term@latest"]
            environment = go_build.environment() | {"GOFLAGS": ""}
            return not subprocess.run(asked, cwd=empty, env=environment, capture_output=True, timeout=20).returncode
        except subprocess.TimeoutExpired:
            return False


def _memory_available() -> int:
    available = re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(available[1]) * 1024 if available else 0


def _disk_free(directory: Path) -> int:
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory).free


def _address_elsewhere() -> tuple[str, ...]:
    if not shutil.which("ip"):
        return ()
    listed = subprocess.run(["ip", "-oneline", "address"], capture_output=True, text=True).stdout.splitlines()
    devices = (line.split()[1] for line in listed if f" {addresses.NODE_IP}/" in line)
    return tuple(device for device in devices if device != "lo")


def _taken(listeners: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
    for address, port in listeners:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection's remains are no listener
            if platform.system() == "Linux":
                probe.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)  # the address comes with the cluster
            try:
                probe.bind((address, port))
                probe.listen()
            except OSError:
                yield address, port


def _other_kubelets(state: Path) -> tuple[int, ...]:
    """Kubelets in this network that are not ours; those in containers (kind) have a network of their own."""
    ours, here = set(process.running(state)), Path("/proc/self/ns/net").readlink()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in ours:
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            is_kubelet = any(Path(os.fsdecode(word)).name == "kubelet" for word in words[:2])
            if is_kubelet and (entry / "ns/net").readlink() == here:
                found.append(int(entry.name))
        except OSError:  # gone meanwhile, or not for us to see
            continue
    return tuple(found)
