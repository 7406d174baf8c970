"""A small stack that violates no policy, and a way to change one thing of it."""

import json
from collections.abc import Sequence
from typing import Any

import yaml

ABSENT = object()
"""Instead of a value: removes what is there."""

NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
CONTEXT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
IMAGE = "registry.example.com/airflow:3.3.2"


def changed(objects: dict[str, Any], name: str, path: Sequence[str | int], value: Any) -> dict[str, Any]:
    """A copy of the objects in which one value of the object `name` is another; with an empty path, the whole object.

    A list's length as the path's end appends to it.
    """
    result = json.loads(json.dumps(objects))
    parent, last = (result[name][1], path[-1]) if path else (result, name)
    for key in path[:-1]:
        parent = parent.setdefault(key, {}) if isinstance(parent, dict) else parent[key]
    if value is ABSENT:
        del parent[last]
    elif isinstance(parent, list) and last == len(parent):
        parent.append(value)
    else:
        parent[last] = value
    return result


def stack() -> dict[str, tuple[str, dict[str, Any]]]:
    """Objects by their Pulumi name: type on the wire, properties."""
    return {
        "control-plane": ("kubernetes:core/v1:Namespace", namespace("airflow", "control-plane")),
        "tasks": ("kubernetes:core/v1:Namespace", namespace("airflow-tasks", "tasks")),
        "airflow-deny": (NETWORK_POLICY, deny("airflow")),
        "tasks-deny": (NETWORK_POLICY, deny("airflow-tasks")),
        "web-traffic": (NETWORK_POLICY, traffic("airflow", {"app": "web"})),
        "cleanup-traffic": (NETWORK_POLICY, traffic("airflow", {"app": "cleanup"})),
        "database-traffic": (NETWORK_POLICY, traffic("airflow", {"cnpg.io/cluster": "metadata"})),
        "task-traffic": (NETWORK_POLICY, traffic("airflow-tasks", {"app": "task"})),
        "web": (
            "kubernetes:apps/v1:Deployment",
            {
                "metadata": {"name": "web", "namespace": "airflow", "annotations": {"checksum/secret": "0f3a9c"}},
                "spec": {
                    "replicas": 2.0,
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": pod_spec(
                            {
                                "readinessProbe": {"httpGet": {"path": "/", "port": 8080.0}},
                                "livenessProbe": {"httpGet": {"path": "/", "port": 8080.0}},
                                "ports": [{"containerPort": 8080.0}],
                                "env": [
                                    {"name": "FERNET_KEY", "valueFrom": {"secretKeyRef": {"name": "fernet"}}},
                                    {"name": "TOKEN_TTL", "value": "3600"},
                                    {"name": "LOG_FOLDER", "value": "/logs"},
                                ],
                                "args": ["api-server"],
                            },
                            initContainers=[container("wait")],
                            volumes=[{"name": "tmp", "emptyDir": {}}],
                            topologySpreadConstraints=[
                                {
                                    "maxSkew": 1.0,
                                    "topologyKey": "kubernetes.io/hostname",
                                    "whenUnsatisfiable": "DoNotSchedule",
                                    "labelSelector": {"matchLabels": {"app": "web"}},
                                }
                            ],
                        ),
                    },
                },
            },
        ),
        "web-budget": (
            "kubernetes:policy/v1:PodDisruptionBudget",
            {
                "metadata": {"name": "web", "namespace": "airflow"},
                "spec": {"maxUnavailable": 1.0, "selector": {"matchLabels": {"app": "web"}}},
            },
        ),
        "cleanup": (
            "kubernetes:batch/v1:CronJob",
            {
                "metadata": {"name": "cleanup", "namespace": "airflow"},
                "spec": {
                    "jobTemplate": {
                        "spec": {
                            "template": {
                                "metadata": {"labels": {"app": "cleanup"}},
                                "spec": pod_spec(
                                    {},
                                    restartPolicy="Never",
                                    serviceAccountName="cleanup",
                                    volumes=[{"name": "api", "projected": {"sources": [{"serviceAccountToken": {}}]}}],
                                ),
                            }
                        }
                    }
                },
            },
        ),
        "cleanup-role": (
            "kubernetes:rbac.authorization.k8s.io/v1:Role",
            {
                "metadata": {"name": "cleanup", "namespace": "airflow-tasks"},
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "delete"]}],
            },
        ),
        "cleanup-binding": (
            "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
            {
                "metadata": {"name": "cleanup", "namespace": "airflow-tasks"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cleanup"},
                "subjects": [{"kind": "ServiceAccount", "name": "cleanup", "namespace": "airflow"}],
            },
        ),
        "fernet": (
            "kubernetes:core/v1:Secret",
            {
                "metadata": {
                    "name": "fernet",
                    "namespace": "airflow",
                    "labels": {"airflow-platform/secret": "control-plane"},
                },
                "stringData": {"fernet-key": "never-shown"},
            },
        ),
        "configuration": (
            "kubernetes:core/v1:ConfigMap",
            {
                "metadata": {"name": "configuration", "namespace": "airflow"},
                "data": {
                    "pod_template.yaml": pod_template(),
                    "airflow.cfg": "[core]\nexecutor = KubernetesExecutor\nfernet_key_cmd = cat /keys/fernet\n",
                    "settings.py": "token = os.environ['TOKEN']\n",
                },
            },
        ),
        "database": (
            "kubernetes:postgresql.cnpg.io/v1:Cluster",
            {
                "metadata": {"name": "metadata", "namespace": "airflow"},
                "spec": {
                    "instances": 3.0,
                    "imageName": "registry.example.com/postgresql:17.5",
                    "resources": RESOURCES,
                    "postgresql": {
                        "synchronous": {
                            "method": "any",
                            "number": 1.0,
                            "dataDurability": "required",
                            "failoverQuorum": True,
                        }
                    },
                },
            },
        ),
    }


def namespace(name: str, role: str) -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "airflow-platform/role": role}
    return {"metadata": {"name": name, "labels": labels}}


def deny(namespace: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "default-deny", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def traffic(namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"name": "traffic", "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": labels},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8080.0, "protocol": "TCP"}]}],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 443.0}]}],
        },
    }


def container(name: str) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "resources": RESOURCES, "securityContext": CONTEXT}


def pod_spec(main: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The spec of a pod with these fields, and these of its container."""
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container("main") | main],
        **fields,
    }


def pod_template(main: dict[str, Any] | None = None, *, namespace: str | None = "airflow-tasks", **fields: Any) -> str:
    """The file that Airflow's KubernetesExecutor makes task pods from."""
    metadata = {"namespace": namespace, "labels": {"app": "task"}}
    return yaml.safe_dump({"kind": "Pod", "metadata": metadata, "spec": pod_spec(main or {}, **fields)})
