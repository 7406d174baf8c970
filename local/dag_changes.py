"""DAGs are baked into the image, and its tag stays the same on this machine: after an edit, pods run the old one."""

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from kubernetes import client, config

from local import apply
from local.cluster.image import Image
from local.progress import step
from local.readiness import wait_until_ready
from local.target import Target

_NAMESPACES = ("airflow", "airflow-tasks")


def restart_stale(target: Target, image: Image) -> list[str]:
    """Restart every Deployment whose pods run an older image of this name, and return their names."""
    api_client = config.new_client_from_config(str(target.kubeconfig), target.context)
    stale = _stale(client.CoreV1Api(api_client), image)
    if not stale:
        return []
    with step(f"Restarting {len(stale)} processes for the new image", "40 s"):
        now = datetime.now(UTC).isoformat()
        template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}
        apps = client.AppsV1Api(api_client)
        for namespace, name in stale:
            apps.patch_namespaced_deployment(name, namespace, {"spec": {"template": template}})
        kubernetes = apply.dynamic_client(target.kubeconfig, target.context, target.state / "discovery.json")
        deployments = kubernetes.resources.get(api_version="apps/v1", kind="Deployment")
        for namespace, name in stale:
            wait_until_ready(kubernetes, deployments.get(name=name, namespace=namespace).to_dict())
    return [name for _, name in stale]


def _stale(core: client.CoreV1Api, image: Image) -> list[tuple[str, str]]:
    current = image_id(image.archive)
    stale = set()
    for namespace in _NAMESPACES:
        listed = core.list_namespaced_pod(namespace, label_selector="pod-template-hash")
        for pod in client.ApiClient().sanitize_for_serialization(listed)["items"]:
            for status in pod["status"].get("containerStatuses", []):
                if status["image"] == image.ref and status["imageID"] != current:
                    stale.add((namespace, pod["metadata"]["labels"]["app.kubernetes.io/name"]))
    return sorted(stale)


def image_id(archive: Path) -> str:
    """The image's id as the kubelet reports it: the digest of its configuration."""
    with tarfile.open(archive) as tar:

        def read(name: str) -> dict:
            member = tar.extractfile(name)
            if member is None:
                raise ValueError(f"{archive} has no file {name}, so it is not an OCI archive")
            return json.load(member)

        (manifest,) = read("index.json")["manifests"]
        return read(f"blobs/{manifest['digest'].replace(':', '/')}")["config"]["digest"]
