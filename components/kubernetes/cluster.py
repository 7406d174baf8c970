"""What the platform must know about the cluster it runs on."""

from pydantic import Field

from components.references import Peer
from components.settings import Cidr, DnsLabel, Settings


class ClusterSettings(Settings):
    """The Kubernetes cluster: how the program reaches it, and the addresses that its network policies name."""

    context: str | None = None
    """Context of the kubeconfig. Needed in every stack but local, where it is the current one."""
    identifier: str | None = None
    """Says whether it is still the same cluster, wherever its API server is reached: everything is made anew, the
    database too, when this changes. Default: the stack's name."""
    api_server_cidrs: list[Cidr] = Field(min_length=1, examples=[["10.0.0.2/32"]])
    """Addresses of the API server's endpoints (`kubectl get endpointslices kubernetes`), as seen after a Service's
    address translation. Only pods that call the Kubernetes API may connect to them."""
    api_server_port: int = Field(443, ge=1, le=65535)
    """Port of the API server's endpoints, after address translation: often 6443, on GKE 443."""
    dns_namespace: DnsLabel = "kube-system"
    """Where the cluster's DNS runs."""
    dns_labels: dict[str, str] = {"k8s-app": "kube-dns"}
    """Labels of the cluster's DNS pods."""
    dns_port: int = Field(53, ge=1, le=65535)
    """Port of the cluster's DNS pods, after address translation: 5353 on OpenShift."""
    dns_cidrs: list[Cidr] = []
    """Addresses of a node-local DNS cache, where there is one: 169.254.20.10/32 by its documentation."""

    def api_server(self) -> list[Peer]:
        """The API server, as a peer of network policies."""
        return [Peer(cidr=cidr) for cidr in self.api_server_cidrs]

    def dns(self) -> list[Peer]:
        """The cluster's DNS, as a peer of network policies."""
        pods = Peer(namespace=self.dns_namespace, labels=tuple(sorted(self.dns_labels.items())))
        return [pods, *(Peer(cidr=cidr) for cidr in self.dns_cidrs)]
