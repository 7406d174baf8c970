"""Addresses and ports of the embedded cluster. Nothing of it listens on an address that another machine can reach."""

NODE_NAME = "local"
NODE_IP = "172.30.0.1"
"""On `lo`, because kernels without modules have no dummy device; pods reach it as an address of the node."""

LOOPBACK = "127.30.0.1"
"""For what no pod may reach (etcd, health endpoints). Not 127.0.0.1: there another cluster may use the same ports."""

POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/12"
API_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"

API_PORT = 6443
API_URL = f"https://{NODE_IP}:{API_PORT}"
KUBELET_PORT = 10250
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259
KUBELET_HEALTH_PORT = 10248
PROXY_HEALTH_PORT = 10256
PROXY_METRICS_PORT = 10249

LISTENERS: tuple[tuple[str, int], ...] = (
    (NODE_IP, API_PORT),
    (NODE_IP, KUBELET_PORT),
    (LOOPBACK, ETCD_PORT),
    (LOOPBACK, ETCD_PEER_PORT),
    (LOOPBACK, CONTROLLER_MANAGER_PORT),
    (LOOPBACK, SCHEDULER_PORT),
    (LOOPBACK, KUBELET_HEALTH_PORT),
    (LOOPBACK, PROXY_HEALTH_PORT),
    (LOOPBACK, PROXY_METRICS_PORT),
)
"""Everything that the cluster's own processes listen on, besides NodePorts on NODE_IP."""
