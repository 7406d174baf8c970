"""What a container asks for, how the kubelet knows that it lives, and which image it runs."""

import re
from collections.abc import Iterator

from policies.pods import all_pods, pods
from policies.rules import Resource, Schema, Settings, resource_policy
from policies.values import UNKNOWN, get, shown

_RESOURCES = (("requests", "cpu"), ("requests", "memory"), ("limits", "cpu"), ("limits", "memory"))
_LONG_RUNNING = frozenset({"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet"})

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_VERSION = re.compile(r"v?\d+(\.\d+)+\b")
_COMMIT = re.compile(r"(sha-)?[0-9a-f]{7,40}$")

_IMAGE_SETTINGS: Schema = {
    "registries": {
        "type": "array",
        "items": {"type": "string"},
        "default": [],
        "description": "Beginnings of the image names that may run. Empty: any.",
    },
    "registriesWithFixedTags": {
        "type": "array",
        "items": {"type": "string"},
        "default": [],
        "description": "Beginnings of image names whose tags nobody can move, so that any tag but `latest` is exact.",
    },
}


def _containers_have_resources(resource: Resource, _: Settings) -> Iterator[str]:
    for pod in all_pods(resource):
        for container in pod.containers():
            missing = [field for field in _RESOURCES if get(container.spec, "resources", *field) in (None, "")]
            if missing:
                names = ", ".join(f"`{'.'.join(field)}`" for field in missing)
                yield f"{pod}: {container} gives no {names}. Write all four in its `resources`."


def _long_running_containers_have_probes(resource: Resource, _: Settings) -> Iterator[str]:
    for pod in pods(resource):
        restarted = pod.kind == "Pod" and get(pod.spec, "restartPolicy") in (None, "Always", UNKNOWN)
        if pod.kind not in _LONG_RUNNING and not restarted:
            continue
        for container in pod.containers():
            for probe in ("readinessProbe", "livenessProbe"):
                if not container.init and not get(container.spec, probe):
                    yield (
                        f"{pod}: {container} has no `{probe}`. Write one that fails when the container "
                        f"{'can serve no requests' if probe == 'readinessProbe' else 'must be restarted'}."
                    )


def _images_are_pinned(resource: Resource, settings: Settings) -> Iterator[str]:
    for pod in all_pods(resource):
        for container in pod.containers():
            image = get(container.spec, "image")
            if image is None:
                continue  # An operator's default, which the operator's own version pins.
            where = f"{pod}: {container} has the image {shown(image)}"
            if image is UNKNOWN:
                yield f"{where}. Write its name as a plain value, so that it can be judged before that."
                continue
            if settings["registries"] and not _is_under(image, settings["registries"]):
                allowed = ", ".join(f"`{registry}`" for registry in settings["registries"])
                yield f"{where}, from a registry that is not allowed. Use an image under one of: {allowed}."
            if not _is_exact(image, fixed=_is_under(image, settings["registriesWithFixedTags"])):
                yield f"{where}, which may be another one tomorrow. Write a full version such as `:3.3.2`, or a digest."


def _is_under(image: str, registries: list[str]) -> bool:
    return any(
        image.startswith((f"{registry.rstrip('/')}/", f"{registry}:", f"{registry}@")) for registry in registries
    )


def _is_exact(image: str, *, fixed: bool) -> bool:
    if _DIGEST.search(image):
        return True
    _, _, tag = image.rpartition("/")[2].partition(":")
    if not tag or "latest" in tag:
        return False
    return fixed or bool(_VERSION.match(tag) or _COMMIT.match(tag))


POLICIES = [
    resource_policy(
        "containers-have-resources",
        "Every container says how much CPU and memory it needs, and how much it may use at most.",
        _containers_have_resources,
    ),
    resource_policy(
        "long-running-containers-have-probes",
        "The kubelet can tell whether a container serves and whether it must be restarted.",
        _long_running_containers_have_probes,
    ),
    resource_policy(
        "images-are-pinned",
        "An image is named so that it can't change unnoticed, and comes from an allowed registry.",
        _images_are_pinned,
        _IMAGE_SETTINGS,
    ),
]
