"""A namespace as the platform wants it: restricted pods, a quota, limits for who names none, and no traffic but DNS."""

from typing import Literal

import pulumi
from pulumi_kubernetes.core.v1 import LimitRange, ResourceQuota
from pulumi_kubernetes.core.v1 import Namespace as KubernetesNamespace
from pydantic import Field

from components.kubernetes.cluster import ClusterSettings
from components.kubernetes.network_policy import Traffic, network_policy
from components.settings import Bytes, Cpu, DnsLabel, Settings

Role = Literal["control-plane", "tasks", "data"]


class NamespaceSettings(Settings):
    """A namespace and the most that everything in it may ask for together."""

    name: DnsLabel
    cpu: Cpu = "64"
    """Sum of the cores requested."""
    memory: Bytes = "256Gi"
    """Sum of the memory requested, and of its limits."""
    storage: Bytes = "2048Gi"
    """Sum of the volume claims."""
    pods: int = Field(500, ge=1)
    """Pods that are not finished."""


class Namespace(pulumi.ComponentResource):
    """Pod Security `restricted` is enforced; a ResourceQuota and a LimitRange bound it; traffic is denied in both
    directions, DNS excepted, until a workload's own policy allows it.
    """

    name: str

    def __init__(
        self,
        name: str,
        settings: NamespaceSettings,
        *,
        role: Role,
        cluster: ClusterSettings,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`protect`: the engine refuses to delete it, and with it the volumes that are in it."""
        super().__init__("airflow-platform:kubernetes:Namespace", name, None, opts)
        self.name = settings.name
        namespace = KubernetesNamespace(
            name,
            metadata={
                "name": settings.name,
                "labels": {
                    "airflow-platform/role": role,
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "pod-security.kubernetes.io/audit": "restricted",
                    "pod-security.kubernetes.io/warn": "restricted",
                },
            },
            opts=pulumi.ResourceOptions(parent=self, protect=protect),
        )
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        ResourceQuota(
            f"{name}-quota",
            metadata={"name": "quota", "namespace": settings.name},
            spec={
                "hard": {
                    "requests.cpu": settings.cpu,
                    "requests.memory": settings.memory,
                    "limits.memory": settings.memory,
                    "requests.storage": settings.storage,
                    "pods": str(settings.pods),
                }
            },
            opts=inside,
        )
        LimitRange(
            f"{name}-limits",
            metadata={"name": "limits", "namespace": settings.name},
            spec={
                "limits": [
                    {
                        "type": "Container",
                        "default_request": {"cpu": "100m", "memory": "256Mi"},
                        "default": {"cpu": "1", "memory": "256Mi"},
                    }
                ]
            },
            opts=inside,
        )
        dns = tuple(cluster.dns())
        network_policy(
            "default-deny",
            namespace=settings.name,
            labels={},
            sends=[Traffic(dns, cluster.dns_port, protocol) for protocol in ("UDP", "TCP")],
            opts=inside,
            resource_name=f"{name}-default-deny",
        )
        self.register_outputs({"name": settings.name})
