"""Task pods of the KubernetesExecutor: their template, who they are, what they may reach, and who may start them."""

from typing import Any

import pulumi
import yaml
from pulumi_kubernetes.core.v1 import ConfigMap, ServiceAccount
from pulumi_kubernetes.rbac.v1 import Role, RoleBinding

from components.airflow import process
from components.airflow.configuration import API_PORT, LOGS
from components.airflow.process import AirflowContext, egress
from components.airflow.settings import ProcessSettings
from components.kubernetes.network_policy import Traffic, network_policy
from components.kubernetes.pod import Mount, pod_spec

POD_TEMPLATE_MAP = "airflow-pod-template"


class TaskPods(pulumi.ComponentResource):
    """What the scheduler needs to start task pods, in a namespace where nothing of the control plane is kept."""

    template: str
    """The pod that every task's pod is made from, as YAML."""

    def __init__(self, name: str, airflow: AirflowContext, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("airflow-platform:airflow:TaskPods", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        namespace = airflow.tasks_namespace
        labels = dict(airflow.peer(process.TASK).labels)
        ServiceAccount(
            process.TASK,
            metadata={"name": process.TASK, "namespace": namespace, "labels": labels},
            automount_service_account_token=False,
            opts=inside,
        )
        network_policy(
            process.TASK,
            namespace=namespace,
            labels=labels,
            sends=[
                Traffic((airflow.peer(process.EXECUTION_API),), API_PORT),
                *egress(airflow.settings.tasks.egress),
            ],
            opts=inside,
            resource_name=f"{process.TASK}-traffic",
        )
        self.template = _template(airflow, labels)
        ConfigMap(
            POD_TEMPLATE_MAP,
            metadata={"name": POD_TEMPLATE_MAP, "namespace": airflow.namespace},
            data={"pod_template.yaml": self.template},
            opts=inside,
        )
        launcher: Any = {"name": "airflow-task-launcher", "namespace": namespace}
        role = Role(
            "airflow-task-launcher",
            metadata=launcher,
            rules=[
                {
                    "api_groups": [""],
                    "resources": ["pods"],
                    "verbs": ["create", "delete", "get", "list", "patch", "watch"],
                }
            ],
            opts=inside,
        )
        RoleBinding(
            "airflow-task-launcher",
            metadata=launcher,
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": "airflow-task-launcher"},
            subjects=[{"kind": "ServiceAccount", "name": process.SCHEDULER, "namespace": airflow.namespace}],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        self.register_outputs({})


def _template(airflow: AirflowContext, labels: dict[str, str]) -> str:
    # The executor knows the container by this name, and sets its arguments; no command, so that they are what runs.
    container = airflow.container(
        "base",
        (),
        ProcessSettings(replicas=1, resources=airflow.settings.tasks.resources),
        mounts=(Mount(process.LOG_VOLUME, LOGS, read_only=False),),
        database=False,
    )
    workload = airflow.workload(
        process.TASK, container, restart_policy="Never", placement=airflow.settings.tasks.placement
    )
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": process.TASK,
            "namespace": airflow.tasks_namespace,
            "labels": labels,
            # A node is not scaled away under a running task.
            "annotations": {
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                "karpenter.sh/do-not-disrupt": "true",
            },
        },
        "spec": pod_spec(workload.pod),
    }
    return yaml.safe_dump(pod, sort_keys=True)
