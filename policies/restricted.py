"""Pods meet the `restricted` Pod Security standard, and a little more.

The standard: https://kubernetes.io/docs/concepts/security/pod-security-standards/ (the table `restricted`, Kubernetes
1.34). A namespace that enforces it refuses such pods at `pulumi up`; this refuses them in the pull request.
"""

from collections.abc import Iterator
from typing import Any

from policies.pods import Container, Pod, pods
from policies.rules import Resource, Settings, resource_policy
from policies.values import UNKNOWN, get, mapping, sequence, shown

_VOLUME_TYPES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
_PROFILES = ("RuntimeDefault", "Localhost")
_SELINUX_TYPES = (None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_syncookies",
    }
)
_HANDLERS = (
    ("livenessProbe",),
    ("readinessProbe",),
    ("startupProbe",),
    ("lifecycle", "preStop"),
    ("lifecycle", "postStart"),
)


def _pods_are_restricted(resource: Resource, _: Settings) -> Iterator[str]:
    for pod in pods(resource):
        containers = pod.containers()
        if not containers:
            yield f"{pod} has no containers. Write a pod with `spec.containers`."
        for message in _pod_violations(pod):
            yield f"{pod} {message}"
        for container in containers:
            for message in _container_violations(pod, container):
                yield f"{pod}: {container} {message}"


def _pod_violations(pod: Pod) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if get(pod.spec, field) not in (None, False):
            yield f"sets `{field}` to {shown(get(pod.spec, field))}. Remove it: a pod shares no namespace of its node."
    for volume in sequence(pod.spec, "volumes"):
        for kind in mapping(volume).keys() - {"name"} - _VOLUME_TYPES:
            allowed = ", ".join(sorted(_VOLUME_TYPES))
            yield f"has the volume `{get(volume, 'name')}` of type `{kind}`. Use one of: {allowed}."
    for sysctl in sequence(pod.spec, "securityContext", "sysctls"):
        if get(sysctl, "name") not in _SYSCTLS:
            yield f"sets the sysctl {shown(get(sysctl, 'name'))}, which reaches beyond the pod. Remove it."
    yield from _context_violations(mapping(pod.spec, "securityContext"))


def _container_violations(pod: Pod, container: Container) -> Iterator[str]:
    own = mapping(container.spec, "securityContext")
    effective = {**mapping(pod.spec, "securityContext"), **{key: own[key] for key in own if own[key] is not None}}

    if get(effective, "runAsNonRoot") is not True:
        yield f"has `runAsNonRoot` {shown(get(effective, 'runAsNonRoot'))}. Write `true`, there or for the whole pod."
    if get(effective, "seccompProfile", "type") not in _PROFILES:
        given = shown(get(effective, "seccompProfile", "type"))
        yield f"has `seccompProfile.type` {given}. Write `RuntimeDefault`, there or for the whole pod."
    if get(own, "allowPrivilegeEscalation") is not False:
        yield f"has `allowPrivilegeEscalation` {shown(get(own, 'allowPrivilegeEscalation'))}. Write `false`."
    if get(own, "privileged") not in (None, False):
        yield f"has `privileged` {shown(get(own, 'privileged'))}. Remove it."
    if "ALL" not in sequence(own, "capabilities", "drop"):
        yield "does not drop all capabilities. Write `capabilities: {drop: [ALL]}` in its securityContext."
    for capability in sequence(own, "capabilities", "add"):
        if capability != "NET_BIND_SERVICE":
            yield f"adds the capability `{capability}`. Remove it; only `NET_BIND_SERVICE` may be added."
    if get(own, "procMount") not in (None, "Default"):
        yield f"has `procMount` {shown(get(own, 'procMount'))}. Remove it."
    yield from _context_violations(own)

    for port in sequence(container.spec, "ports"):
        if get(port, "hostPort") not in (None, 0):
            yield f"opens the port {shown(get(port, 'hostPort'))} of its node. Remove `hostPort` and use a Service."
    for handler in _HANDLERS:
        for action in ("httpGet", "tcpSocket"):
            host = get(container.spec, *handler, action, "host")
            if host not in (None, "", UNKNOWN):
                yield f"has `{'.'.join(handler)}.{action}.host` {shown(host)}. Remove it: a probe asks its own pod."


def _context_violations(context: Any) -> Iterator[str]:
    """What neither a pod's nor a container's securityContext may say."""
    if get(context, "runAsUser") == 0:
        yield "runs as user 0, which is root. Write another `runAsUser`."
    if get(context, "appArmorProfile", "type") not in (None, *_PROFILES):
        given = shown(get(context, "appArmorProfile", "type"))
        yield f"has `appArmorProfile.type` {given}. Write `RuntimeDefault` or remove it."
    if get(context, "seLinuxOptions", "type") not in _SELINUX_TYPES:
        yield f"has `seLinuxOptions.type` {shown(get(context, 'seLinuxOptions', 'type'))}. Remove it."
    for field in ("user", "role"):
        if get(context, "seLinuxOptions", field) not in (None, ""):
            yield f"has `seLinuxOptions.{field}` {shown(get(context, 'seLinuxOptions', field))}. Remove it."
    if get(context, "windowsOptions", "hostProcess") not in (None, False):
        yield "has `windowsOptions.hostProcess`. Remove it."


def _root_file_systems_are_read_only(resource: Resource, _: Settings) -> Iterator[str]:
    for pod in pods(resource):
        for container in pod.containers():
            given = get(container.spec, "securityContext", "readOnlyRootFilesystem")
            if given is not True:
                yield (
                    f"{pod}: {container} has `readOnlyRootFilesystem` {shown(given)}. Write `true` in its "
                    "securityContext, and mount an emptyDir where it must write."
                )


POLICIES = [
    resource_policy(
        "pods-are-restricted",
        "Pods meet the `restricted` Pod Security standard.",
        _pods_are_restricted,
    ),
    resource_policy(
        "root-file-systems-are-read-only",
        "A container can't change its own image's files.",
        _root_file_systems_are_read_only,
    ),
]
