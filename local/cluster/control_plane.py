"""The control plane's processes: etcd, kube-apiserver, kube-controller-manager, kube-scheduler."""

from pathlib import Path

import yaml

from local.cluster import kubeconfig
from local.cluster.addresses import (
    API_PORT,
    CONTROLLER_MANAGER_PORT,
    ETCD_PEER_PORT,
    ETCD_PORT,
    LOOPBACK,
    NODE_IP,
    POD_CIDR,
    SCHEDULER_PORT,
    SERVICE_CIDR,
)
from local.cluster.process import Process
from local.cluster.programs import Programs

_ETCD_URL = f"https://{LOOPBACK}:{ETCD_PORT}"
_ETCD_PEER_URL = f"https://{LOOPBACK}:{ETCD_PEER_PORT}"
_ISSUER = "https://kubernetes.default.svc"


def processes(programs: Programs, state: Path) -> list[Process]:
    """The control plane for the cluster in `state`, in the order in which to start it. Its PKI must be there."""
    return [
        _etcd(programs, state),
        _api_server(programs, state),
        _controller_manager(programs, state),
        _scheduler(programs, state),
    ]


def _etcd(programs: Programs, state: Path) -> Process:
    pki = state / "pki"
    return Process(
        "etcd",
        (
            str(programs.etcd),
            "--name=local",
            f"--data-dir={state / 'etcd'}",
            f"--listen-client-urls={_ETCD_URL}",
            f"--advertise-client-urls={_ETCD_URL}",
            f"--listen-peer-urls={_ETCD_PEER_URL}",
            f"--initial-advertise-peer-urls={_ETCD_PEER_URL}",
            f"--initial-cluster=local={_ETCD_PEER_URL}",
            "--client-cert-auth",
            f"--trusted-ca-file={pki / 'etcd-ca.crt'}",
            f"--cert-file={pki / 'etcd.crt'}",
            f"--key-file={pki / 'etcd.key'}",
            "--peer-client-cert-auth",
            f"--peer-trusted-ca-file={pki / 'etcd-ca.crt'}",
            f"--peer-cert-file={pki / 'etcd.crt'}",
            f"--peer-key-file={pki / 'etcd.key'}",
            # Survives any kill of processes; only a power failure may lose the last writes, and then the cluster is
            # made anew. Waiting for the disk would slow down everything.
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
    )


def _api_server(programs: Programs, state: Path) -> Process:
    pki = state / "pki"
    return Process(
        "kube-apiserver",
        (
            str(programs.kubernetes),
            "kube-apiserver",
            f"--bind-address={NODE_IP}",
            f"--advertise-address={NODE_IP}",
            f"--secure-port={API_PORT}",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            f"--etcd-servers={_ETCD_URL}",
            f"--etcd-cafile={pki / 'etcd-ca.crt'}",
            f"--etcd-certfile={pki / 'etcd-client.crt'}",
            f"--etcd-keyfile={pki / 'etcd-client.key'}",
            f"--cert-dir={state / 'apiserver'}",
            f"--tls-cert-file={pki / 'kube-apiserver.crt'}",
            f"--tls-private-key-file={pki / 'kube-apiserver.key'}",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            f"--kubelet-client-certificate={pki / 'kube-apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kube-apiserver-kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
            f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={pki / 'service-accounts.key'}",
            f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
            "--authorization-mode=Node,RBAC",
            # Pod Security, LimitRanger and ResourceQuota are on by default.
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--profiling=false",
        ),
    )


def _controller_manager(programs: Programs, state: Path) -> Process:
    pki, config = state / "pki", state / "config" / "kube-controller-manager.kubeconfig"
    return Process(
        "kube-controller-manager",
        (
            str(programs.kubernetes),
            "kube-controller-manager",
            *_clients_flags(config),
            f"--bind-address={LOOPBACK}",
            f"--secure-port={CONTROLLER_MANAGER_PORT}",
            f"--cert-dir={state / 'controller-manager'}",
            f"--cluster-cidr={POD_CIDR}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--service-account-private-key-file={pki / 'service-accounts.key'}",
            f"--flex-volume-plugin-dir={state / 'volume-plugins'}",
            "--use-service-account-credentials=true",
            # Each of the forty controllers asks for its own token first; by default that takes seconds.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--leader-elect=false",
            "--profiling=false",
        ),
        {config: kubeconfig.text(pki, "kube-controller-manager")},
    )


def _scheduler(programs: Programs, state: Path) -> Process:
    config, settings = state / "config" / "kube-scheduler.kubeconfig", state / "config" / "kube-scheduler.yaml"
    return Process(
        "kube-scheduler",
        (
            str(programs.kubernetes),
            "kube-scheduler",
            f"--config={settings}",
            *_clients_flags(config)[1:],
            f"--bind-address={LOOPBACK}",
            f"--secure-port={SCHEDULER_PORT}",
            f"--cert-dir={state / 'scheduler'}",
        ),
        {
            config: kubeconfig.text(state / "pki", "kube-scheduler"),
            settings: yaml.safe_dump(
                {
                    "apiVersion": "kubescheduler.config.k8s.io/v1",
                    "kind": "KubeSchedulerConfiguration",
                    "clientConnection": {"kubeconfig": str(config)},
                    "leaderElection": {"leaderElect": False},
                    "enableProfiling": False,
                }
            ),
        },
    )


def _clients_flags(config: Path) -> tuple[str, ...]:
    return (
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
    )
