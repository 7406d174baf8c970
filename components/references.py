"""What components hand each other: small frozen values instead of raw strings."""

from dataclasses import dataclass

from pulumi import Output


@dataclass(frozen=True)
class SecretKey:
    """One key of a Kubernetes Secret, in the namespace of whoever reads it."""

    secret: str
    key: str

    def source(self) -> dict[str, object]:
        """As the `valueFrom` of a container's environment variable."""
        return {"secretKeyRef": {"name": self.secret, "key": self.key}}


@dataclass(frozen=True)
class Peer:
    """Pods that a network policy names: all of `namespace` whose labels match, or addresses outside of the cluster."""

    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    cidr: str = ""

    def selector(self) -> dict[str, object]:
        """As a peer in a NetworkPolicy."""
        if self.cidr:
            return {"ipBlock": {"cidr": self.cidr}}
        return {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "podSelector": {"matchLabels": dict(self.labels)} if self.labels else {},
        }


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens, and who answers there, for network policies."""

    host: str
    port: int
    peers: tuple[Peer, ...]


@dataclass(frozen=True)
class DatabaseConnection:
    """A PostgreSQL database, as its clients see it. Airflow can't tell which engine is behind it."""

    direct: Endpoint
    """The primary itself: for migrations, which hold session-level locks."""
    pooled: Endpoint
    """Through a transaction pooler where the engine has one, else the same as `direct`."""
    database: str
    user: str
    password: Output[str]
    ca_certificate: Output[str] | None
    """PEM of the authority that signed the server's certificate; None trusts the system's authorities."""
