"""Every pod that the platform runs by itself goes through here: a Deployment or a Job, with its own service account,
network policy, disruption budget and spread.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import Input, Output
from pulumi_kubernetes.apps.v1 import Deployment as KubernetesDeployment
from pulumi_kubernetes.batch.v1 import Job as KubernetesJob
from pulumi_kubernetes.core.v1 import Service, ServiceAccount
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components.kubernetes.network_policy import Traffic, network_policy
from components.kubernetes.pod import Pod, pod_spec


@dataclass(frozen=True)
class Workload:
    """What a Deployment and a Job have in common."""

    name: str
    """Of the workload and of everything that belongs to it. Also its `app.kubernetes.io/name`."""
    namespace: str
    part_of: str
    """The application that it is a piece of."""
    pod: Pod
    receives: tuple[Traffic, ...] = ()
    sends: tuple[Traffic, ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """Labels that select this workload's pods, and no others of the namespace."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/part-of": self.part_of}


class Deployment(pulumi.ComponentResource):
    """`replicas` interchangeable pods. A rollout starts a new pod before it stops an old one; from two replicas on they
    are spread over nodes and zones, and a drain takes one at a time.
    """

    def __init__(
        self,
        workload: Workload,
        *,
        replicas: int,
        restart_on: Mapping[str, Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`restart_on`: contents of configuration and secrets; the pods are replaced when one changes."""
        super().__init__("airflow-platform:kubernetes:Deployment", workload.name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        identity = _identity(workload, inside)
        pod: dict[str, Any] = pod_spec(workload.pod)
        # Kubernetes waits 300 s before it replaces a pod of a node that is gone.
        pod["tolerations"] = [
            *pod.get("tolerations", []),
            *(
                {
                    "key": f"node.kubernetes.io/{gone}",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 60,
                }
                for gone in ("not-ready", "unreachable")
            ),
        ]
        if replicas > 1:
            pod["topologySpreadConstraints"] = [
                _spread(workload, "kubernetes.io/hostname", "DoNotSchedule"),
                _spread(workload, "topology.kubernetes.io/zone", "ScheduleAnyway"),
            ]
            PodDisruptionBudget(
                f"{workload.name}-budget",
                metadata={"name": workload.name, "namespace": workload.namespace, "labels": workload.labels},
                spec={
                    "max_unavailable": 1,
                    # A pod that does not serve anyway must not keep its node from being drained.
                    "unhealthy_pod_eviction_policy": "AlwaysAllow",
                    "selector": {"match_labels": workload.labels},
                },
                opts=inside,
            )
        one_by_one = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        spec: Any = {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": workload.labels},
            "strategy": one_by_one,
            "template": {
                "metadata": {
                    "labels": workload.labels,
                    "annotations": {"airflow-platform/configuration": checksum(restart_on)},
                },
                "spec": pod,
            },
        }
        KubernetesDeployment(
            workload.name,
            metadata={"name": workload.name, "namespace": workload.namespace, "labels": workload.labels},
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=identity),
        )
        self.register_outputs({})


class Job(pulumi.ComponentResource):
    """Runs once to its end for each different pod and each different `reads`: a change is a new Job, with a new name.

    A Job's template is immutable, so its name holds a digest of it. Whoever depends on this component waits for the
    Job's success; one that failed is run again by the next deployment.
    """

    def __init__(
        self,
        workload: Workload,
        *,
        reads: Mapping[str, str],
        deadline_seconds: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`reads`: contents of what the pod mounts, none of it secret."""
        super().__init__("airflow-platform:kubernetes:Job", workload.name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        identity = _identity(workload, inside)
        pod = pod_spec(workload.pod)
        digest = hashlib.sha256(json.dumps([pod, dict(reads)], sort_keys=True).encode()).hexdigest()[:8]
        spec: Any = {
            "backoffLimit": 3,
            "activeDeadlineSeconds": deadline_seconds,
            "template": {"metadata": {"labels": workload.labels}, "spec": pod},
        }
        KubernetesJob(
            workload.name,
            metadata={
                "name": f"{workload.name}-{digest}",
                "namespace": workload.namespace,
                "labels": workload.labels,
                "annotations": {"pulumi.com/replaceUnready": "true"},
            },
            spec=spec,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=identity,
                # Otherwise a Job that fails leaves its predecessor there, whose name is taken when the pod goes back to
                # what it was.
                delete_before_replace=True,
                custom_timeouts=pulumi.CustomTimeouts(create=f"{deadline_seconds + 60}s"),
            ),
        )
        self.register_outputs({})


def checksum(contents: Mapping[str, Input[str]]) -> Output[str]:
    """A digest of the contents. It is no secret, though it may be made from secrets: each holds 128 random bits."""
    digest = Output.all(**contents).apply(
        lambda known: hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    )
    return Output.unsecret(digest)


def service(workload: Workload, port: int, opts: pulumi.ResourceOptions, *, node_port: int | None = None) -> Service:
    """A Service of the workload's name, at the port that its pods listen on."""
    ports: Any = [{"name": "http", "port": port, "targetPort": port} | ({"nodePort": node_port} if node_port else {})]
    return Service(
        workload.name,
        metadata={"name": workload.name, "namespace": workload.namespace, "labels": workload.labels},
        spec={
            "type": "NodePort" if node_port else "ClusterIP",
            "selector": workload.labels,
            "ports": ports,
        },
        opts=opts,
    )


def _identity(workload: Workload, inside: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """What must be there before the first pod and until the last one is gone."""
    policy = network_policy(
        workload.name,
        namespace=workload.namespace,
        labels=workload.labels,
        receives=workload.receives,
        sends=workload.sends,
        opts=inside,
        resource_name=f"{workload.name}-traffic",
    )
    account = ServiceAccount(
        workload.pod.service_account,
        metadata={
            "name": workload.pod.service_account,
            "namespace": workload.namespace,
            "labels": workload.labels,
        },
        automount_service_account_token=False,
        opts=inside,
    )
    return [policy, account]


def _spread(workload: Workload, topology_key: str, when_unsatisfiable: str) -> dict[str, object]:
    return {
        "maxSkew": 1,
        "topologyKey": topology_key,
        "whenUnsatisfiable": when_unsatisfiable,
        "labelSelector": {"matchLabels": workload.labels},
        # Judge each rollout by itself: the pods that it replaces don't count.
        "matchLabelKeys": ["pod-template-hash"],
        # A cordoned node is not a place that is still empty.
        "nodeTaintsPolicy": "Honor",
    }
