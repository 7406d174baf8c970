"""Who the database's pods are to network policies, and what they may send and receive."""

from collections.abc import Sequence

import pulumi

from components.kubernetes.cluster import ClusterSettings
from components.kubernetes.network_policy import Traffic, network_policy
from components.references import Peer

POSTGRESQL_PORT = 5432
INSTANCE_MANAGER_PORT = 8000
"""Where the operator, and other instances, ask an instance for its state."""

CLUSTER = "airflow-db"
POOLER = f"{CLUSTER}-pooler-rw"
SERVER_LABELS = {"airflow-platform/database": CLUSTER}
"""On the servers, and on the jobs that set them up. The operator's own label is on the poolers as well."""


def instances(namespace: str) -> Peer:
    """The PostgreSQL servers, and the jobs that set them up."""
    return Peer(namespace, tuple(SERVER_LABELS.items()))


def poolers(namespace: str) -> Peer:
    """The PgBouncer pods."""
    return Peer(namespace, (("cnpg.io/poolerName", POOLER),))


def database_policies(
    namespace: str,
    operator_namespace: str,
    cluster: ClusterSettings,
    pooled_clients: Sequence[Peer],
    direct_clients: Sequence[Peer],
    inside: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Policies of the servers and of the poolers."""
    servers, bouncers = instances(namespace), poolers(namespace)
    operator = Peer(operator_namespace, (("app.kubernetes.io/name", "cloudnative-pg"),))
    api_server = Traffic(tuple(cluster.api_server()), cluster.api_server_port)
    return [
        network_policy(
            CLUSTER,
            namespace=namespace,
            labels=dict(servers.labels),
            receives=[
                Traffic((servers, bouncers, operator, *direct_clients), POSTGRESQL_PORT),
                Traffic((servers, operator), INSTANCE_MANAGER_PORT),
            ],
            sends=[Traffic((servers,), POSTGRESQL_PORT), Traffic((servers,), INSTANCE_MANAGER_PORT), api_server],
            opts=inside,
            resource_name=f"{CLUSTER}-traffic",
        ),
        network_policy(
            POOLER,
            namespace=namespace,
            labels=dict(bouncers.labels),
            receives=[Traffic(tuple(pooled_clients), POSTGRESQL_PORT)],
            sends=[Traffic((servers,), POSTGRESQL_PORT), api_server],
            opts=inside,
            resource_name=f"{POOLER}-traffic",
        ),
    ]
