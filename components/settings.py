"""The base of every settings model, and the types that settings share.

A settings model is at once a component's argument, its validation, its documentation and the stack file's JSON
schema. It holds what a person decides; what another component produces is a keyword argument of the component.
"""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """Frozen settings; a key that no field names is an error, so that a misspelt one is found."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)(m|[KMGTP]i|[kMGTP])?$")
_FACTOR = {"m": 1e-3, None: 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15} | {
    f"{unit}i": 1024**power for power, unit in enumerate("KMGTP", start=1)
}


def quantity(text: str) -> float:
    """The number that a Kubernetes quantity stands for: bytes for "512Mi", cores for "500m".

    Raises ValueError, with a sentence, for anything else.
    """
    match = _QUANTITY.match(text)
    if match is None or float(match[1]) == 0:
        raise ValueError(f'"{text}" is not a Kubernetes quantity above zero; write one such as "500m", "2", "512Mi"')
    return float(match[1]) * _FACTOR[match[2]]


def _is_cpu(text: str) -> str:
    if quantity(text) > 1024:
        raise ValueError(f'"{text}" is more than 1024 cores; write cores such as "500m" or "2"')
    return text


def _is_bytes(text: str) -> str:
    if quantity(text) < 1024**2:
        raise ValueError(f'"{text}" is less than 1 MiB; write a size such as "512Mi" or "20Gi"')
    return text


Cpu = Annotated[str, AfterValidator(_is_cpu), Field(examples=["500m", "2"])]
"""Cores, as a Kubernetes quantity."""

Bytes = Annotated[str, AfterValidator(_is_bytes), Field(examples=["512Mi", "20Gi"])]
"""Memory or storage, as a Kubernetes quantity."""

DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""A name that Kubernetes accepts for namespaces and services (RFC 1123 label)."""

ImageReference = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][\w.:/-]*(:[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64})$",
        examples=["apache/airflow:3.3.2", "registry.example.com/airflow@sha256:" + "0" * 64],
    ),
]
"""A container image with a tag or a digest. Policies forbid `latest`."""


def _is_cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f'"{text}" is not a range of addresses ({error}); write one such as "10.0.0.0/8"') from None


Cidr = Annotated[str, AfterValidator(_is_cidr), Field(examples=["10.0.0.0/8"])]
"""A range of IP addresses."""


class Resources(Settings):
    """What one container asks for and may use. Requests and limits are equal for memory: no eviction by surprise."""

    cpu: Cpu
    """Cores requested."""
    memory: Bytes
    """Memory requested, and the limit."""
    cpu_limit: Cpu | None = None
    """Cores it may use while others don't need them. Default: four times the request."""

    @model_validator(mode="after")
    def _limit_covers_request(self) -> "Resources":
        if self.cpu_limit is not None and quantity(self.cpu_limit) < quantity(self.cpu):
            raise ValueError(f"cpu_limit is {self.cpu_limit}, less than the cpu of {self.cpu} that is asked for")
        return self

    def requirements(self) -> dict[str, dict[str, str]]:
        """As the `resources` of a container."""
        limit = self.cpu_limit or f"{round(quantity(self.cpu) * 4000)}m"
        return {
            "requests": {"cpu": self.cpu, "memory": self.memory},
            "limits": {"cpu": limit, "memory": self.memory},
        }


class Toleration(Settings):
    """A node's taint that pods put up with. https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Default: every effect."""


class Placement(Settings):
    """Which nodes pods run on, and how urgently."""

    node_selector: dict[str, str] = {}
    """Labels that a node must have."""
    tolerations: list[Toleration] = []
    priority_class: str | None = None
    """Name of a PriorityClass of the cluster."""
