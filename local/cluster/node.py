"""The node's processes: containerd with its CNI configuration, kubelet, kube-proxy, network policy enforcer."""

import json
import sys
from pathlib import Path

import yaml

from local.cluster import cgroups, kubeconfig
from local.cluster.addresses import (
    CLUSTER_DOMAIN,
    DNS_SERVICE_IP,
    KUBELET_HEALTH_PORT,
    KUBELET_PORT,
    LOOPBACK,
    NODE_IP,
    NODE_NAME,
    POD_CIDR,
    PROXY_HEALTH_PORT,
    PROXY_METRICS_PORT,
)
from local.cluster.host import MOUNT_POINTS
from local.cluster.image import PAUSE
from local.cluster.process import Process
from local.cluster.programs import Programs

# containerd and kubelet share a mount namespace of their own: every mount of every pod is in it, and goes with their
# last process, however that ends. The paths that they and runc have compiled in are empty memory file systems there.
_ENTER = " && ".join(
    [
        *(f"mount -t tmpfs -o mode=755 tmpfs {path}" for path in (Path("/run"), *MOUNT_POINTS)),
        "mount --make-rshared /",
        'exec "$@"',
    ]
)
NEW_NAMESPACE = ("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _ENTER, "sh")


def namespace_of(pid: int) -> tuple[str, ...]:
    """Wrapper that runs a command in the mount namespace of process `pid`."""
    return ("nsenter", f"--mount=/proc/{pid}/ns/mnt", "--")


def socket(state: Path) -> Path:
    """containerd's socket."""
    return state / "containerd.sock"


def containerd(programs: Programs, state: Path) -> Process:
    """The container runtime; runs under NEW_NAMESPACE."""
    config, cni = state / "config" / "containerd.toml", state / "config" / "cni"
    settings = f"""version = 2
root = "{state / "containerd"}"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
address = "{socket(state)}"

[plugins."io.containerd.internal.v1.opt"]
path = "/run/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
stream_server_address = "127.0.0.1"
netns_mounts_under_state_dir = true
disable_apparmor = true  # it would leave a profile in the kernel
restrict_oom_score_adj = true  # root without CAP_SYS_RESOURCE can't lower a score, and no sandbox would start

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{programs.tools.cni_plugins}"
conf_dir = "{cni}"
"""
    return Process(
        "containerd",
        (str(programs.tools.path("containerd")), f"--config={config}", "--log-level=warn"),
        {config: settings, cni / "10-pods.conflist": json.dumps(_cni(), indent=2)},
    )


def kubelet(programs: Programs, state: Path) -> Process:
    """The node's agent; runs in containerd's mount namespace."""
    pki, config = state / "pki", state / "config" / "kubelet.kubeconfig"
    settings = state / "config" / "kubelet.yaml"
    return Process(
        "kubelet",
        (
            str(programs.kubernetes),
            "kubelet",
            f"--config={settings}",
            f"--kubeconfig={config}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_IP}",
            f"--root-dir={state / 'kubelet'}",
            f"--cert-dir={state / 'kubelet' / 'pki'}",
        ),
        {
            config: kubeconfig.text(pki, "kubelet"),
            settings: yaml.safe_dump(_kubelet_configuration(state)),
            state / "config" / "resolv.conf": "",
        },
    )


def kube_proxy(programs: Programs, state: Path) -> Process:
    """Services, as nftables rules."""
    config, settings = state / "config" / "kube-proxy.kubeconfig", state / "config" / "kube-proxy.yaml"
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(config)},
        "clusterCIDR": POD_CIDR,
        "hostnameOverride": NODE_NAME,
        "bindAddress": NODE_IP,
        "nodePortAddresses": [f"{NODE_IP}/32"],
        "healthzBindAddress": f"{LOOPBACK}:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": f"{LOOPBACK}:{PROXY_METRICS_PORT}",
        # 0 leaves the machine's connection tracking limits as they are.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    }
    return Process(
        "kube-proxy",
        (str(programs.kubernetes), "kube-proxy", f"--config={settings}"),
        {config: kubeconfig.text(state / "pki", "kube-proxy"), settings: yaml.safe_dump(configuration)},
    )


def network_policy(state: Path) -> Process:
    """The enforcer of network policies, part of this repository."""
    config = state / "config" / "network-policy.kubeconfig"
    return Process(
        "network-policy",
        (
            sys.executable,
            "-m",
            "local.network_policy",
            f"--kubeconfig={config}",
            f"--pod-cidr={POD_CIDR}",
            f"--node-ip={NODE_IP}",
            "--cni-results=/var/lib/cni/results",
        ),
        {config: kubeconfig.text(state / "pki", "network-policy")},
    )


def _cni() -> dict[str, object]:
    """A routed link between each pod and the node: no bridge, so that every packet passes the forward hook."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_CIDR}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni",
    }
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": ipam}],
    }


def _kubelet_configuration(state: Path) -> dict[str, object]:
    pki = state / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "port": KUBELET_PORT,
        "readOnlyPort": 0,
        "healthzBindAddress": LOOPBACK,
        "healthzPort": KUBELET_HEALTH_PORT,
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{socket(state)}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroups.NAME}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [DNS_SERVICE_IP],
        "resolvConf": str(state / "config" / "resolv.conf"),
        "podLogsDir": str(state / "logs" / "pods"),
        "volumePluginDir": str(state / "volume-plugins"),
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,
        # Images are imported, not pulled: what was collected as unused could not be had again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        # Shares of the disk say nothing about a person's own machine.
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
    }
