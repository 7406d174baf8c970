"""The embedded Kubernetes as a whole: up, down, running."""

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local import debian, paths
from local.cluster import (
    addresses,
    api,
    cgroups,
    control_plane,
    health,
    host,
    image,
    image_store,
    kubeconfig,
    lock,
    node,
    pki,
    preflight,
    process,
    programs,
)
from local.cluster.api import Api
from local.cluster.image import Image
from local.cluster.process import Process
from local.cluster.programs import Programs
from local.cluster.runtime import Runtime
from local.cluster.waiting import until
from local.progress import step

_MANIFESTS = Path(__file__).parent / "manifests"
_REPOSITORY = Path(__file__).parents[2]

_Started = dict[str, subprocess.Popen[bytes]]


def up(images: Sequence[Image]) -> Path:
    """Start the cluster, load `images` into it, and wait until it can run pods; returns the kubeconfig's path.

    `images` begin with those that the cluster itself runs (`image.INTERNAL`). What is there and right is left alone:
    a second call only verifies, and one after an interrupted call continues. Raises RuntimeError or TimeoutError, with
    the last words of the process that did not come up.
    """
    _check_internal(images)
    built = programs.build()
    with lock.exclusive():
        return _up(images, built, paths.cluster())


def _up(images: Sequence[Image], built: Programs, state: Path) -> Path:
    _prepare(built, state, images)
    with step("Starting Kubernetes", "12 s") as progress, ThreadPoolExecutor() as pool:
        etcd, api_server, *_ = control_plane.processes(built, state)
        started = _start_missing([etcd, api_server, node.containerd(built, state)], state, built)
        runtime = Runtime(state, built.tools)
        until(runtime.ready, 30, "containerd", state, started)
        internal = len(image.INTERNAL)
        _load(runtime, images[:internal])
        rest = pool.submit(_load, runtime, images[internal:])

        progress.update("waiting for the API server")
        until(Api(state).ready, 60, "the API server", state, started)
        started |= _start_missing(_processes(built, state), state, built)
        api.apply(built, config_file(state), _manifests(state))
        progress.update("waiting for the node, names and storage")
        since = process.started(node.containerd(built, state), state)
        until(lambda: health.usable(Api(state), since), 120, "node, names and storage", state, started)
        progress.update("loading images")
        rest.result()
        until(lambda: not _missing(_processes(built, state), state), 10, "all processes", state, started)
        if not started:
            progress.cached("runs already")
    return config_file(state)


def down() -> None:
    """Stop and remove all of the cluster: processes, mounts, networks, rules, addresses, files. Safe to repeat."""
    state = paths.cluster()
    if not state.exists():
        return
    with lock.exclusive(), step("Taking the cluster down", "5 s"):
        _stop(state)
        shutil.rmtree(state)


def running() -> bool:
    """Whether every process of the cluster runs, as this version of the repository would start it."""
    state = paths.cluster()
    if not programs.complete() or not (state / "pki").exists():
        return False
    return not _missing(_processes(programs.build(), state), state)


def load_images(images: Sequence[Image]) -> None:
    """Load those of `images` that the running cluster does not have, in their order (one may lie on another)."""
    runtime = Runtime(paths.cluster(), debian.tools())
    if missing := runtime.missing(images):
        with step("Loading images", "30 s") as progress:
            for number, each in enumerate(missing, 1):
                progress.update(f"{number} of {len(missing)}: {each.ref}")
                runtime.load(each)


def config_file(state: Path) -> Path:
    """The administrator's kubeconfig of the cluster in `state`."""
    return state / "kubeconfig"


def _prepare(built: Programs, state: Path, images: Sequence[Image]) -> None:
    """What must be there before any process starts: the machine's own changes, certificates, unpacked images."""
    if process.pid(node.containerd(built, state), state) is None:
        _stop(state)  # the node's mount namespace went with it, so that nothing else of the node is of use
        if problems := preflight.problems():
            raise RuntimeError("\n".join(["The embedded Kubernetes can't come up on this machine.", *problems]))
    host.prepare(state, built.tools)
    cgroups.create()
    pki.create(state / "pki")
    config_file(state).touch(mode=0o600)
    config_file(state).write_text(kubeconfig.text(state / "pki", "admin"))
    image_store.fill(state / "containerd", images, built, state)


def _start_missing(wanted: Sequence[Process], state: Path, built: Programs) -> _Started:
    started = {}
    for each in _missing(wanted, state):
        process.kill(state, each.name)  # one of an older configuration
        started[each.name] = process.start(each, state, built.tools.env(), _wrapper(each, state, built))
    return started


def _wrapper(started: Process, state: Path, built: Programs) -> tuple[str, ...]:
    """What puts a process where it belongs: a mount namespace, or Python's search path."""
    if started.name == "containerd":
        return node.NEW_NAMESPACE
    search_path = ("env", f"PYTHONPATH={_REPOSITORY}") if started.name == "network-policy" else ()
    # The enforcer reads what containerd's CNI library keeps.
    in_node = started.name in ("kubelet", "network-policy")
    if in_node and (holder := process.pid(node.containerd(built, state), state)):
        return (*node.namespace_of(holder), *search_path)
    return search_path


def _processes(built: Programs, state: Path) -> list[Process]:
    return [
        *control_plane.processes(built, state),
        node.containerd(built, state),
        node.kubelet(built, state),
        node.kube_proxy(built, state),
        node.network_policy(state),
    ]


def _missing(wanted: Sequence[Process], state: Path) -> list[Process]:
    return [each for each in wanted if process.pid(each, state) is None]


def _stop(state: Path) -> None:
    """End all processes and undo what was changed on the machine; the cluster's data stay."""
    process.kill(state)
    if host.prepared(state):  # else the cgroup, addresses and rules, if there are any, are somebody else's
        cgroups.remove()
        host.restore(state, debian.tools())


def _load(runtime: Runtime, images: Sequence[Image]) -> None:
    for each in runtime.missing(images):
        runtime.load(each)


def _manifests(state: Path) -> str:
    values = {
        "BUSYBOX": image.BUSYBOX,
        "CLUSTER_DOMAIN": addresses.CLUSTER_DOMAIN,
        "COREDNS": image.COREDNS,
        "DNS_SERVICE_IP": addresses.DNS_SERVICE_IP,
        "LOCAL_PATH_PROVISIONER": image.LOCAL_PATH_PROVISIONER,
        "VOLUMES": str(state / "volumes"),
    }
    text = "---\n".join(file.read_text() for file in sorted(_MANIFESTS.glob("*.yaml")))
    for name, value in values.items():  # no string.Template: the shell scripts in them have $NAMEs of their own
        text = text.replace(f"${{{name}}}", value)
    return text


def _check_internal(images: Sequence[Image]) -> None:
    given = [each.ref for each in images[: len(image.INTERNAL)]]
    if sorted(given) != sorted(image.INTERNAL):
        raise ValueError(f"The images must begin with {', '.join(image.INTERNAL)}; given were {', '.join(given)}.")
