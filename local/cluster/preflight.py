"""What would keep the embedded Kubernetes from coming up on this machine, said before anything is built or started."""

from collections.abc import Iterator

from local.cluster.machine import GIB, Machine, look

MEMORY = 6 * GIB
DISK_EMPTY_CACHE = 15 * GIB
DISK_WARM_CACHE = 5 * GIB
ARCHITECTURES = ("x86_64", "aarch64")
_PROGRAMS = {
    "apt-get": "the container tools are Debian packages: use Debian or Ubuntu, or install Docker",
    "dpkg": "the container tools are Debian packages: use Debian or Ubuntu, or install Docker",
    "mount": "install the package mount",
    "nsenter": "install the package util-linux",
    "unshare": "install the package util-linux",
}
_SOCKET_PATH_LIMIT = 107
_LONGEST_SOCKET = "/containerd.sock.ttrpc"


def problems(machine: Machine | None = None) -> list[str]:
    """Sentences that say what is missing and what to do; none where the cluster can come up.

    `machine` is what to judge, by default this one as it is now.
    """
    seen = machine or look()
    if seen.system != "Linux":
        return [
            f"The embedded Kubernetes needs Linux, and this is {seen.system}. Install Docker, and a cluster is made"
            " with kind, or name a cluster of yours with CONTEXT=name."
        ]
    return list(_problems(seen))


def _problems(seen: Machine) -> Iterator[str]:
    if not seen.root:
        yield "The embedded Kubernetes starts containers, which needs root. Run the same command with sudo."
    elif seen.missing_capabilities:
        yield (
            f"Root lacks {' and '.join(seen.missing_capabilities)} here, as in a container that is not privileged."
            " Run on the machine itself, or in a privileged container."
        )
    if seen.architecture not in ARCHITECTURES:
        yield f"This processor is {seen.architecture}; the embedded Kubernetes runs on {' or '.join(ARCHITECTURES)}."
    for program, advice in _PROGRAMS.items():
        if program not in seen.programs:
            yield f"The program {program} is not on the PATH: {advice}."
    yield from _toolchain(seen)
    yield from _resources(seen)
    yield from _conflicts(seen)


def _toolchain(seen: Machine) -> Iterator[str]:
    if not seen.to_build:
        return
    needed = ".".join(map(str, seen.go_needed))
    if seen.go is None:
        yield f"{', '.join(seen.to_build)} must be built, but go is not on the PATH. Install Go {needed} or newer."
    elif seen.go < seen.go_needed:
        found = ".".join(map(str, seen.go))
        yield f"{', '.join(seen.to_build)} must be built with Go {needed} or newer, and this is Go {found}. Update Go."
    elif not seen.registry_reached:
        yield (
            f"{', '.join(seen.to_build)} must be fetched and built, but the Go module proxy can't be reached."
            " Check the network, and the variables GOPROXY and HTTPS_PROXY."
        )


def _resources(seen: Machine) -> Iterator[str]:
    disk = DISK_EMPTY_CACHE if seen.to_build else DISK_WARM_CACHE
    if seen.memory < MEMORY:
        yield f"{_gib(seen.memory)} of memory are available, and {_gib(MEMORY)} are needed. Close other programs."
    if seen.disk < disk:
        yield (
            f"{_gib(seen.disk)} are free on the disk of {seen.cache}, and {_gib(disk)} are needed. Make room, or name a"
            " directory on another disk with AIRFLOW_PLATFORM_CACHE."
        )
    if len(seen.state + _LONGEST_SOCKET) > _SOCKET_PATH_LIMIT:
        yield (
            f"The path {seen.state} is too long for the sockets in it. Name a shorter directory with"
            " AIRFLOW_PLATFORM_CACHE."
        )
    if not seen.cgroups_writable:
        yield "The cgroups under /sys/fs/cgroup can't be written, so no pod can be limited. Run outside a container."


def _conflicts(seen: Machine) -> Iterator[str]:
    for device in seen.address_elsewhere:
        yield f"The address {seen.node_ip} of the embedded Kubernetes is taken, on the device {device}. Free it."
    for address, port in seen.ports_taken:
        yield f"Port {port} of {address} is taken by another program. Stop it (`ss -ltnp` names it)."
    for pid in seen.other_kubelets:
        yield (
            f"Another Kubernetes runs on this machine (kubelet, process {pid}), and the two would undo each other's"
            " rules. Stop it, or deploy to it with CONTEXT=name."
        )


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
