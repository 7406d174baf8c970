"""A cluster by kind, where Docker runs. CI has no Docker: it checks what is computed here, and runs none of it.

The images are built by Docker as the stack file names them, from the same pinned packages as elsewhere. kind's own
network enforces network policies. Everything is in one container, which `down` deletes.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from local import paths
from local.images import airflow, pgbouncer, postgresql
from local.operators import cloudnativepg
from local.progress import Step, step
from local.target import KIND_CLUSTER, Target

VERSION = "v0.30.0"
"""Brings Kubernetes 1.34, as the embedded cluster. https://github.com/kubernetes-sigs/kind/releases/tag/v0.30.0"""

MEMORY = 6 * 2**30
NODE = f"{KIND_CLUSTER}-control-plane"

_OPERATOR_MANIFEST = (
    "https://raw.githubusercontent.com/cloudnative-pg/cloudnative-pg/"
    f"release-{cloudnativepg.VERSION.rpartition('.')[0]}/releases/cnpg-{cloudnativepg.VERSION}.yaml"
)
"""As its documentation says to install it. The node fetches it, and the operator's image."""

_AIRFLOW = f"""
FROM python:3.13-slim-trixie
RUN apt-get update && apt-get install --yes --no-install-recommends git openssh-client && rm -rf /var/lib/apt/lists/* \\
 && useradd --uid 50000 --gid 0 --home-dir {airflow.HOME} airflow \\
 && install -d {airflow.HOME} && install -d -o airflow {airflow.HOME}/logs && touch {airflow.HOME}/airflow.cfg
COPY images/airflow/requirements.txt /tmp/
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/requirements.txt
COPY dags {airflow.HOME}/dags
ENV AIRFLOW_HOME={airflow.HOME} LANG=C.UTF-8 PYTHONUNBUFFERED=1
WORKDIR {airflow.HOME}
USER 50000:0
"""

IMAGES = {
    postgresql.RECIPE.ref: "FROM ghcr.io/cloudnative-pg/postgresql:17-standard-trixie\n",
    pgbouncer.RECIPE.ref: "FROM ghcr.io/cloudnative-pg/pgbouncer:1.24.1\n",
    airflow.REF: _AIRFLOW,
}
"""Dockerfiles by the names that the stack file has. Built also where nothing is added: that takes one platform's image,
and `kind load` fails on those of several or with attestations."""

_SHARED = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "shared"},
    "provisioner": "rancher.io/local-path",
    "volumeBindingMode": "Immediate",
    "reclaimPolicy": "Delete",
}


def problems() -> list[str]:
    """Sentences that say what is missing on this machine; none where the cluster can come up."""
    found = []
    if shutil.which("kubectl") is None:
        found.append("kubectl is not on the PATH; the way to Airflow in kind is its port-forward. Install kubectl.")
    if shutil.which("kind") is None and shutil.which("go") is None:
        found.append(
            "Docker runs, but neither kind nor Go (which kind can be built with) is on the PATH. Install kind."
        )
    memory = int(_run("docker", "info", "--format", "{{.MemTotal}}"))
    if memory < MEMORY:
        found.append(
            f"Docker may use {memory / 2**30:.1f} GiB of memory, and 6 GiB are needed. Raise it in its settings."
        )
    return found


def up(target: Target) -> None:
    """Make the cluster, or find it; put images, storage and the operator in it. Safe to interrupt and to repeat.

    Raises subprocess.CalledProcessError with the words of the tool that failed.
    """
    kind = _program()
    target.state.mkdir(parents=True, exist_ok=True)
    with step("Starting Kubernetes with kind", "1 min") as progress:
        if exists():
            _run("docker", "start", NODE)  # after the machine was off
            ready = "until kubectl --kubeconfig=/etc/kubernetes/admin.conf get --raw=/readyz; do sleep 1; done"
            _run("docker", "exec", NODE, "timeout", "180", "bash", "-c", ready)
            _run(kind, "export", "kubeconfig", f"--name={KIND_CLUSTER}", f"--kubeconfig={target.kubeconfig}")
            progress.cached("runs already")
        else:
            create = ("create", "cluster", f"--name={KIND_CLUSTER}", f"--kubeconfig={target.kubeconfig}", "--wait=3m")
            _run(kind, *create)
    with step("Building and loading images", "5 min") as progress:
        _load_images(kind, progress)
    with step("Preparing storage", "20 s"):
        _share_storage()
    with step(f"Installing CloudNativePG {cloudnativepg.VERSION}", "1 min"):
        _kubectl("apply", "--server-side", "--force-conflicts", "-f", _OPERATOR_MANIFEST)
        where = f"--namespace={cloudnativepg.NAMESPACE}"
        _kubectl("rollout", "status", where, f"deployment/{cloudnativepg.DEPLOYMENT}", "--timeout=5m")


def down(target: Target) -> bool:
    """Delete the cluster that `up` made, and its state; returns whether there was one."""
    was_there = exists()
    if was_there:
        with step("Taking the kind cluster down", "10 s"):
            _run(_program(), "delete", "cluster", f"--name={KIND_CLUSTER}", f"--kubeconfig={target.kubeconfig}")
    shutil.rmtree(target.state, ignore_errors=True)
    return was_there


def exists() -> bool:
    """Whether there is a cluster of ours, running or stopped."""
    label = f"label=io.x-k8s.kind.cluster={KIND_CLUSTER}"
    return bool(_run("docker", "ps", "--all", "--quiet", "--filter", label).strip())


def storage_configuration() -> str:
    """local-path-provisioner's configuration: a directory of the node for either class, one of them for many pods."""
    base = "/var/local-path-provisioner"
    single = {"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [f"{base}/standard"]}]}
    many = {"sharedFileSystemPath": f"{base}/shared"}
    return json.dumps({"nodePathMap": [], "storageClassConfigs": {"standard": single, "shared": many}})


def _program() -> str:
    """kind from the PATH, or built from its Go module into the cache."""
    if found := shutil.which("kind"):
        return found
    program = paths.cache() / "bin" / f"kind-{VERSION}" / "kind"
    if not program.exists():
        with step(f"Building kind {VERSION}", "1 min"):
            environment = os.environ | {"GOBIN": str(program.parent), "CGO_ENABLED": "0"}
            _run("go", "install", f"sigs.k8s.io/kind@{VERSION}", environment=environment)
    return str(program)


def _load_images(kind: str, progress: Step) -> None:
    folder = Path(__file__).parent
    for number, (ref, dockerfile) in enumerate(IMAGES.items(), 1):
        progress.update(f"{number} of {len(IMAGES)}: {ref}")
        _run("docker", "build", "--provenance=false", f"--tag={ref}", "--file=-", str(folder), given=dockerfile)
        _run(kind, "load", "docker-image", ref, f"--name={KIND_CLUSTER}")


def _share_storage() -> None:
    """The class `shared`, and the provisioner of kind with a directory for it."""
    where = "--namespace=local-path-storage"
    patch = json.dumps({"data": {"config.json": storage_configuration()}})
    said = _kubectl("patch", where, "configmap/local-path-config", f"--patch={patch}")
    _kubectl("apply", "--server-side", "-f", "-", given=json.dumps(_SHARED))
    if "no change" not in said:
        _kubectl("rollout", "restart", where, "deployment/local-path-provisioner")
        _kubectl("rollout", "status", where, "deployment/local-path-provisioner", "--timeout=2m")


def _kubectl(*arguments: str, given: str | None = None) -> str:
    """By the node's own kubectl, whose version fits the cluster."""
    admin = "--kubeconfig=/etc/kubernetes/admin.conf"
    return _run("docker", "exec", "--interactive", NODE, "kubectl", admin, *arguments, given=given)


def _run(*command: str, given: str | None = None, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=True)
    return done.stdout
