"""The metadata database on this cluster: a CloudNativePG Cluster, its databases and roles, and its poolers.

https://cloudnative-pg.io/documentation/1.30/
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pulumi
from pulumi import Output
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget
from pulumi_random import RandomPassword

from components.database.settings import CloudNativePGSettings
from components.database.traffic import (
    CLUSTER,
    POOLER,
    POSTGRESQL_PORT,
    SERVER_LABELS,
    database_policies,
    instances,
    poolers,
)
from components.kubernetes.cluster import ClusterSettings
from components.kubernetes.secret import CertificateAuthority, secret
from components.references import DatabaseConnection, Endpoint, Peer
from components.settings import quantity

METADATA = "airflow"
"""Name of the metadata database, and of the role that owns it."""
CELERY_RESULTS = "celery_results"
"""Name of the database of Celery's results and of its role, which has no right on the metadata."""


class CloudNativePG(pulumi.ComponentResource):
    """`instances` PostgreSQL servers with TLS only, and a transaction pooler that clients use."""

    metadata: DatabaseConnection
    celery_results: DatabaseConnection

    def __init__(
        self,
        name: str,
        settings: CloudNativePGSettings,
        *,
        namespace: str,
        operator_namespace: str,
        cluster: ClusterSettings,
        pooled_clients: Sequence[Peer],
        direct_clients: Sequence[Peer],
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`protect`: the engine refuses to delete the servers, and with them their volumes."""
        super().__init__("airflow-platform:database:CloudNativePG", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        authority = CertificateAuthority(
            f"{name}-ca", common_name=f"{CLUSTER} PostgreSQL", protect=protect, opts=inside
        )
        # With the authority's key here, the operator issues the server's certificate and renews it.
        ca_secret = secret(
            f"{CLUSTER}-server-ca",
            namespace=namespace,
            contents={"ca.crt": authority.certificate, "ca.key": authority.key},
            opts=inside,
        )
        passwords = {role: _password(name, role, inside) for role in (METADATA, CELERY_RESULTS)}
        role_secrets = [
            secret(
                _role_secret(role),
                namespace=namespace,
                contents={"username": role, "password": password},
                secret_type="kubernetes.io/basic-auth",  # noqa: S106 (a kind of Secret, not one)
                opts=inside,
            )
            for role, password in passwords.items()
        ]
        policies = database_policies(namespace, operator_namespace, cluster, pooled_clients, direct_clients, inside)
        postgresql = CustomResource(
            f"{name}-cluster",
            api_version="postgresql.cnpg.io/v1",
            kind="Cluster",
            metadata={
                "name": CLUSTER,
                "namespace": namespace,
                # `Ready` alone stays true while an instance is being added.
                "annotations": {
                    "pulumi.com/waitFor": json.dumps(
                        ["condition=Ready", f"jsonpath={{.status.readyInstances}}={settings.instances}"]
                    )
                },
            },
            spec=_cluster_spec(settings, namespace),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[ca_secret, *role_secrets, *policies],
                protect=protect,
                # A new replica copies all data, and a rolling update takes one server after the other.
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m"),
            ),
        )
        CustomResource(
            f"{name}-celery-results",
            api_version="postgresql.cnpg.io/v1",
            kind="Database",
            metadata={
                "name": f"{CLUSTER}-celery-results",
                "namespace": namespace,
                "annotations": {"pulumi.com/waitFor": "jsonpath={.status.applied}=true"},
            },
            spec={"cluster": {"name": CLUSTER}, "name": CELERY_RESULTS, "owner": CELERY_RESULTS},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[postgresql]),
        )
        CustomResource(
            f"{name}-pooler",
            api_version="postgresql.cnpg.io/v1",
            kind="Pooler",
            metadata={
                "name": POOLER,
                "namespace": namespace,
                "annotations": {
                    "pulumi.com/waitFor": f"jsonpath={{.status.instances}}={settings.pooler.instances}",
                },
            },
            spec=_pooler_spec(settings),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[postgresql]),
        )
        if settings.pooler.instances > 1:
            # The operator makes budgets for the servers, and none for the poolers.
            PodDisruptionBudget(
                f"{POOLER}-budget",
                metadata={"name": POOLER, "namespace": namespace},
                spec={
                    "max_unavailable": 1,
                    "unhealthy_pod_eviction_policy": "AlwaysAllow",
                    "selector": {"match_labels": dict(poolers(namespace).labels)},
                },
                opts=inside,
            )
        self.metadata = DatabaseConnection(
            direct=Endpoint(f"{CLUSTER}-rw.{namespace}.svc", POSTGRESQL_PORT, (instances(namespace),)),
            pooled=Endpoint(f"{POOLER}.{namespace}.svc", POSTGRESQL_PORT, (poolers(namespace),)),
            database=METADATA,
            user=METADATA,
            password=passwords[METADATA],
            ca_certificate=authority.certificate,
        )
        self.celery_results = replace(
            self.metadata, database=CELERY_RESULTS, user=CELERY_RESULTS, password=passwords[CELERY_RESULTS]
        )
        self.register_outputs({})


def _role_secret(role: str) -> str:
    return f"{CLUSTER}-{role.replace('_', '-')}"


def _password(name: str, role: str, inside: pulumi.ResourceOptions) -> Output[str]:
    # Letters and digits: it goes into URLs.
    return RandomPassword(f"{name}-{role.replace('_', '-')}-password", length=32, special=False, opts=inside).result


def _cluster_spec(settings: CloudNativePGSettings, namespace: str) -> dict[str, Any]:
    memory = quantity(settings.resources.memory)
    storage_class = {"storageClass": settings.storage_class} if settings.storage_class else {}
    postgresql: dict[str, Any] = {
        "parameters": {
            "max_connections": str(settings.max_connections),
            "shared_buffers": f"{int(memory / 4 / 1024**2)}MB",
            "effective_cache_size": f"{int(memory / 2 / 1024**2)}MB",
            "idle_in_transaction_session_timeout": "10min",
        },
        "pg_hba": ["hostnossl all all all reject"],
    }
    if settings.instances > 1:
        lossless = settings.instances > 2
        postgresql["synchronous"] = {
            "method": "any",
            "number": 1,
            # With one standby, "required" would stop all writes while it is away.
            "dataDurability": "required" if lossless else "preferred",
        } | ({"failoverQuorum": True} if lossless else {})
    return {
        "instances": settings.instances,
        "imageName": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "primaryUpdateStrategy": "unsupervised",
        "primaryUpdateMethod": "switchover",
        # The default of an hour is the longest that a switchover may leave the database without a primary.
        "switchoverDelay": 60,
        "stopDelay": 60,
        # PgBouncer's idle connections keep a graceful shutdown waiting for as long as it may, by default 3 minutes in
        # which nobody can connect (measured: a node's drain took 198 s, and takes 19 s so).
        "smartShutdownTimeout": 2,
        # A replica waits for this long after a crash before it is promoted (default: 15 s). A primary that only fails
        # to renew goes on until another one holds the lease.
        "primaryLease": {"leaseDurationSeconds": 6, "renewDeadlineSeconds": 4, "retryPeriodSeconds": 1},
        "enableSuperuserAccess": False,
        "inheritedMetadata": {"labels": SERVER_LABELS},
        "enablePDB": settings.instances > 1,
        "certificates": {
            "serverCASecret": f"{CLUSTER}-server-ca",
            "serverAltDNSNames": [POOLER, f"{POOLER}.{namespace}", f"{POOLER}.{namespace}.svc"],
        },
        "bootstrap": {
            "initdb": {
                "database": METADATA,
                "owner": METADATA,
                "secret": {"name": _role_secret(METADATA)},
                # Turning them on later needs downtime.
                "dataChecksums": True,
            }
        },
        "managed": {
            "roles": [
                {
                    "name": CELERY_RESULTS,
                    "ensure": "present",
                    "login": True,
                    "passwordSecret": {"name": _role_secret(CELERY_RESULTS)},
                }
            ]
        },
        "postgresql": postgresql,
        "storage": {"size": settings.storage, **storage_class},
        "walStorage": {"size": settings.wal_storage, **storage_class},
        "affinity": {
            "enablePodAntiAffinity": True,
            "podAntiAffinityType": "required" if settings.one_instance_per_node else "preferred",
            "topologyKey": "kubernetes.io/hostname",
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": SERVER_LABELS},
            }
        ],
        "resources": settings.resources.requirements(),
    }


def _pooler_spec(settings: CloudNativePGSettings) -> dict[str, Any]:
    pooler = settings.pooler
    return {
        "cluster": {"name": CLUSTER},
        "instances": pooler.instances,
        "type": "rw",
        "pgbouncer": {
            "poolMode": "transaction",
            "parameters": {
                "max_client_conn": str(pooler.max_client_connections),
                "default_pool_size": str(pooler.connections_per_database),
                "client_tls_sslmode": "require",
                # psycopg 3 prepares statements by itself (PgBouncer follows them from 1.21 on).
                "max_prepared_statements": "200",
                # A primary that went away: see it within seconds, and try the next one each second.
                "server_login_retry": "1",
                "server_connect_timeout": "3",
                "tcp_keepalive": "1",
                "tcp_keepidle": "5",
                "tcp_keepintvl": "2",
                "tcp_keepcnt": "3",
                "tcp_user_timeout": "10000",
            },
        },
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "pgbouncer",
                        "image": pooler.image,
                        "imagePullPolicy": "IfNotPresent",
                        "resources": pooler.resources.requirements(),
                    }
                ],
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1,
                        "topologyKey": key,
                        "whenUnsatisfiable": "ScheduleAnyway",
                        "labelSelector": {"matchLabels": {"cnpg.io/poolerName": POOLER}},
                    }
                    for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
                ],
            },
        },
    }
