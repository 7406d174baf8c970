"""CloudNativePG, the operator of the metadata database, built from its Go module and installed without a registry."""

import functools
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from kubernetes import config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError, NotFoundError, ResourceNotFoundError

from local import go_build
from local.cluster.image import Image
from local.images import archive, pgbouncer, postgresql, static
from local.progress import step

VERSION = "1.30.0"  # local/go/cloudnativepg/go.mod pins the same
REF = f"localhost/airflow-platform/cloudnative-pg:{VERSION}"
NAMESPACE = "cnpg-system"
DEPLOYMENT = "cnpg-controller-manager"

_MODULE = "github.com/cloudnative-pg/cloudnative-pg"
_FIELD_MANAGER = "airflow-platform"
_READY_SECONDS = 180.0
_POLL_SECONDS = 0.5

# The webhook is asked about this without anything being stored.
QUESTION = {
    "apiVersion": "postgresql.cnpg.io/v1",
    "kind": "Cluster",
    "metadata": {"name": "is-the-webhook-there", "namespace": NAMESPACE},
    "spec": {"instances": 1, "storage": {"size": "1Gi"}},
}


def image() -> Image:
    """The operator's image, built (about 2 minutes on two cores) or found in the cache.

    Instance pods copy their manager from it, and look for it by the processor's name: the layout is upstream's.
    """
    manager = go_build.build("cloudnativepg", f"{_MODULE}/cmd/manager", "cloudnative-pg", expected="2 min")
    path = f"/operator/manager_{archive.architecture()}"
    return static.image(REF, manager, path, links=["/manager"], entrypoint=["/manager"])


@functools.cache
def manifest() -> list[dict[str, Any]]:
    """The operator's objects as released, with images that are on this machine and are never pulled.

    Where a Cluster or Pooler names no image, the operator takes ours too.
    """
    objects = list(yaml.load_all(_release().read_text(), Loader=yaml.CSafeLoader))  # the pure one takes 10 s
    (deployment,) = (each for each in objects if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container |= {"image": REF, "imagePullPolicy": "IfNotPresent"}
    images = {
        "OPERATOR_IMAGE_NAME": REF,
        "POSTGRES_IMAGE_NAME": postgresql.RECIPE.ref,
        "PGBOUNCER_IMAGE_NAME": pgbouncer.RECIPE.ref,
    }
    kept = [variable for variable in container["env"] if variable["name"] not in images]
    container["env"] = [*kept, *({"name": name, "value": ref} for name, ref in images.items())]
    return objects


def install(kubeconfig: Path) -> bool:
    """Apply `manifest` to the cluster, whose nodes have the image, and wait until the operator and its webhook answer.

    Returns whether anything changed: a second run changes nothing. Raises TimeoutError when it is not ready within
    3 minutes, and the client's DynamicApiError when the API server refuses an object.
    """
    # The client keeps what it discovers in a file; by default it would stay behind in /tmp.
    with step(f"Installing CloudNativePG {VERSION}", "15 s") as progress, tempfile.TemporaryDirectory() as folder:
        api = DynamicClient(config.new_client_from_config(str(kubeconfig)), cache_file=f"{folder}/discovery.json")
        changes = [_apply(api, each) for each in manifest()]
        progress.update("waiting for the operator")
        for waiting_for in _wait(api):
            progress.update(f"waiting for {waiting_for}")
        if not any(changes):
            progress.cached()
    return any(changes)


def _release() -> Path:
    """The manifest in the operator's Go module, which is downloaded if it is not in the cache."""
    command = ["go", "mod", "download", "-json", _MODULE]
    done = subprocess.run(
        command, cwd=go_build.MODULES / "cloudnativepg", env=go_build.environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"Go can't download {_MODULE}:\n{done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"]) / "releases" / f"cnpg-{VERSION}.yaml"


def _apply(api: DynamicClient, wanted: dict[str, Any]) -> bool:
    """Server-side apply: the operator's certificates in its webhooks stay, as they are not in `wanted`."""
    resource = api.resources.get(api_version=wanted["apiVersion"], kind=wanted["kind"])
    name, namespace = wanted["metadata"]["name"], wanted["metadata"].get("namespace")
    try:
        before = resource.get(name=name, namespace=namespace).metadata.resourceVersion
    except NotFoundError:
        before = None
    applied = resource.server_side_apply(
        body=wanted, name=name, namespace=namespace, field_manager=_FIELD_MANAGER, force_conflicts=True
    )
    return applied.metadata.resourceVersion != before


def _wait(api: DynamicClient) -> Iterator[str]:
    """Yields what is still missing, until nothing is."""
    end = time.monotonic() + _READY_SECONDS
    while missing := _missing(api):
        if time.monotonic() > end:
            raise TimeoutError(f"CloudNativePG was not ready after {_READY_SECONDS:.0f} s: it still lacks {missing}.")
        yield missing
        time.sleep(_POLL_SECONDS)


def _missing(api: DynamicClient) -> str:
    """What the operator still lacks, or nothing."""
    deployment = api.resources.get(api_version="apps/v1", kind="Deployment").get(name=DEPLOYMENT, namespace=NAMESPACE)
    status = deployment.status
    if status.observedGeneration != deployment.metadata.generation or (status.updatedReplicas or 0) < 1:
        return "its pod"
    if (status.availableReplicas or 0) < deployment.spec.replicas or (status.replicas or 0) > deployment.spec.replicas:
        return f"an available pod of the Deployment {DEPLOYMENT}"
    try:
        clusters = api.resources.get(api_version=QUESTION["apiVersion"], kind=QUESTION["kind"])
        clusters.create(body=QUESTION, namespace=NAMESPACE, dry_run="All")
    except ResourceNotFoundError:
        return "its custom resources"
    except DynamicApiError as error:
        return f"its webhook ({error.summary()})"
    return ""
