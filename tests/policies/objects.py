"""A small stack that violates no policy, and how a test changes one thing of it."""

import copy
from collections.abc import Sequence
from typing import Any

import yaml

ABSENT = object()
"""Instead of a value: removes what is there."""

RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
CONTEXT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
IMAGE = "registry.example.com/airflow:3.3.2"


def changed(objects: dict[str, Any], name: str, path: Sequence[str | int], value: Any) -> dict[str, Any]:
    """A copy of the objects in which one value of the object `name` is another. A list's end is its length."""
    result = copy.deepcopy(objects)
    if not path:
        del result[name]
        return result
    parent = result[name][1]
    for key in path[:-1]:
        parent = parent.setdefault(key, {}) if isinstance(parent, dict) else parent[key]
    if value is ABSENT:
        del parent[path[-1]]
    elif isinstance(parent, list) and path[-1] == len(parent):
        parent.append(value)
    else:
        parent[path[-1]] = value
    return result


def stack() -> dict[str, tuple[str, dict[str, Any]]]:
    """Objects by their Pulumi name: type on the wire, properties."""
    return {
        "control-plane": ("kubernetes:core/v1:Namespace", namespace("airflow", "control-plane")),
        "tasks": ("kubernetes:core/v1:Namespace", namespace("airflow-tasks", "tasks")),
        "airflow-deny": ("kubernetes:networking.k8s.io/v1:NetworkPolicy", deny("airflow")),
        "tasks-deny": ("kubernetes:networking.k8s.io/v1:NetworkPolicy", deny("airflow-tasks")),
        "web-traffic": (
            "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            {
                "metadata": {"name": "web", "namespace": "airflow"},
                "spec": {
                    "podSelector": {"matchLabels": {"app": "web"}},
                    "policyTypes": ["Ingress", "Egress"],
                    "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8080.0, "protocol": "TCP"}]}],
                    "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 443.0}]}],
                },
            },
        ),
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


def container(name: str) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "resources": RESOURCES, "securityContext": CONTEXT}


def pod_spec(main: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container("main") | main],
        **fields,
    }


def pod_template(*, labels: dict[str, str] | None = None, **fields: Any) -> str:
    """The file that Airflow's KubernetesExecutor makes task pods from; `fields` are of its container."""
    metadata = {"namespace": "airflow-tasks", "labels": labels or {"app": "task"}}
    return yaml.safe_dump({"kind": "Pod", "metadata": metadata, "spec": pod_spec(fields, restartPolicy="Never")})
