"""Whoever writes a DAG runs code in a task pod, so that a task pod holds nothing that opens the control plane.

Namespaces are labelled `airflow-platform/role`, Secrets of the control plane `airflow-platform/secret`.
"""

import re
from collections.abc import Iterator
from typing import Any

from policies.pods import TASK_POD, Pod, all_pods
from policies.rules import Resource, Settings, Stack, stack_policy
from policies.values import get, sequence

_OF_THE_CONTROL_PLANE = re.compile(
    r"AIRFLOW__(DATABASE__SQL_ALCHEMY_CONN(_ASYNC)?|CORE__FERNET_KEY|API__SECRET_KEY|API_AUTH__JWT_SECRET"
    r"|API_AUTH__JWT_PRIVATE_KEY_PATH|CELERY__RESULT_BACKEND)(_CMD|_SECRET)?$"
)


def _task_pods_hold_no_control_plane_secret(stack: Stack, _: Settings) -> Iterator[tuple[Resource, str]]:
    task_namespaces = {
        namespace.name
        for namespace in stack.of("core", "Namespace")
        if get(namespace.props, "metadata", "labels", "airflow-platform/role") == "tasks"
    }
    guarded = {
        (secret.namespace, secret.name): secret
        for secret in stack.of("core", "Secret")
        if get(secret.props, "metadata", "labels", "airflow-platform/secret") == "control-plane"
    }
    for (namespace, _name), secret in guarded.items():
        if namespace in task_namespaces:
            yield secret, f"{secret} belongs to the control plane but is in the task pods' namespace. Move it."
    for resource in stack.resources:
        for pod in all_pods(resource):
            if pod.kind != TASK_POD and pod.namespace not in task_namespaces:
                continue
            for name in sorted({name for name in _secrets(pod) if _is_guarded(name, pod.namespace, guarded)}):
                message = (
                    f"{pod} refers to the Secret `{name}` of the control plane. Remove it: a task asks the execution "
                    "API for what it needs."
                )
                yield resource, message
            # Elsewhere in the namespace the name may hold a value of its own, as in a server of the tasks' logs.
            for name in _control_plane_variables(pod) if pod.kind == TASK_POD else ():
                message = (
                    f"{pod} sets `{name}` from a Secret, which only the control plane needs. Remove it: a task asks "
                    "the execution API for what it needs."
                )
                yield resource, message


def _is_guarded(name: str, namespace: str, guarded: dict[tuple[str, str], Resource]) -> bool:
    """A template that doesn't say where its pods run is judged by the name alone."""
    return any(name == of and namespace in ("", where) for where, of in guarded)


def _secrets(pod: Pod) -> Iterator[str]:
    """Names of the Secrets that a pod reads, in every way there is."""
    for container in pod.containers():
        for source in sequence(container.spec, "envFrom"):
            yield _name(source, "secretRef", "name")
        for variable in sequence(container.spec, "env"):
            yield _name(variable, "valueFrom", "secretKeyRef", "name")
    for volume in sequence(pod.spec, "volumes"):
        yield _name(volume, "secret", "secretName")
        for source in sequence(volume, "projected", "sources"):
            yield _name(source, "secret", "name")


def _name(value: Any, *path: str) -> str:
    found = get(value, *path)
    return found if isinstance(found, str) else ""


def _control_plane_variables(pod: Pod) -> Iterator[str]:
    for container in pod.containers():
        for variable in sequence(container.spec, "env"):
            name = _name(variable, "name")
            if _OF_THE_CONTROL_PLANE.match(name) and get(variable, "valueFrom") is not None:
                yield name


POLICIES = [
    stack_policy(
        "task-pods-hold-no-control-plane-secret",
        "A task pod has no database password, fernet key or signing key.",
        _task_pods_hold_no_control_plane_secret,
    )
]
