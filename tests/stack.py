"""What a stack's evaluation gives, as tests ask for it: the Kubernetes objects, pods, secrets in clear."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from infra import offline
from infra.generated import Stored
from infra.recording import Recording
from infra.render import Object, objects


@dataclass(frozen=True)
class PodTemplate:
    """A pod that an object of the stack makes."""

    owner: Object
    namespace: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The owner's name."""
        return self.owner["metadata"]["name"]

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All of them, those that run first included."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def secrets(self) -> set[tuple[str, str]]:
        """Names of the Secrets that it reads, with the key, or with "" for all keys."""
        read = set()
        for container in self.containers:
            for variable in container["env"]:
                if key := variable.get("valueFrom", {}).get("secretKeyRef"):
                    read.add((key["name"], key["key"]))
        for volume in self.spec["volumes"]:
            if "secret" in volume:
                read.add((volume["secret"]["secretName"], ""))
        return read


class Stack:
    """A stack, evaluated with real passwords and keys."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.layers = objects(recording)

    @cached_property
    def objects(self) -> list[Object]:
        """Every Kubernetes object."""
        return [obj for layer in self.layers for obj in layer]

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [obj for obj in self.objects if obj["kind"] == kind]

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """One object."""
        (found,) = (
            obj
            for obj in self.of(kind)
            if (obj["metadata"].get("namespace"), obj["metadata"]["name"]) == (namespace, name)
        )
        return found

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """A Secret's contents in clear."""
        data = self.get("Secret", namespace, name)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def pods(self) -> Iterator[PodTemplate]:
        """Every pod that the platform describes itself, the KubernetesExecutor's template included."""
        for obj in self.objects:
            if obj["kind"] in ("Deployment", "Job"):
                template = obj["spec"]["template"]
                yield PodTemplate(obj, obj["metadata"]["namespace"], template["metadata"]["labels"], template["spec"])
            elif "pod_template.yaml" in obj.get("data", {}):
                pod = yaml.safe_load(obj["data"]["pod_template.yaml"])
                yield PodTemplate(pod, pod["metadata"]["namespace"], pod["metadata"]["labels"], pod["spec"])

    def pod(self, name: str) -> PodTemplate:
        """The pod of one workload."""
        (found,) = (pod for pod in self.pods() if pod.labels["app.kubernetes.io/name"] == name)
        return found


def evaluate(stack: str, directory: Any) -> Stack:
    """The stack, with passwords and keys made in `directory`."""
    return Stack(offline.evaluate(stack, generated=Stored(directory / "generated.json")))
