"""Settings of the metadata database: which engine, and how large."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings import Bytes, Cidr, DnsLabel, ImageReference, Resources, Settings


class PoolerSettings(Settings):
    """PgBouncer in transaction mode, before the primary: a failover pauses its clients instead of failing them."""

    instances: int = Field(2, ge=1, le=20)
    image: ImageReference = "ghcr.io/cloudnative-pg/pgbouncer:1.25.1"
    resources: Resources = Resources(cpu="100m", memory="128Mi")
    max_client_connections: int = Field(2000, ge=100)
    """Connections that clients may open to each instance. Each Airflow process opens up to 15, twice where it is
    asynchronous as well."""
    connections_per_database: int = Field(40, ge=5)
    """Connections that each instance keeps to each database of the primary."""


class CloudNativePGSettings(Settings):
    """PostgreSQL on this cluster, run by the CloudNativePG operator.

    With three instances or more, a commit is on two of them before it is acknowledged, and only an instance that has
    every acknowledged commit is promoted (RPO 0).
    """

    engine: Literal["cloudnativepg"]
    instances: int = Field(3, ge=1, le=9)
    image: ImageReference = "ghcr.io/cloudnative-pg/postgresql:17.10-system-trixie"
    """PostgreSQL 14 to 18, an image made for CloudNativePG."""
    resources: Resources = Resources(cpu="1", memory="2Gi")
    """Of each instance. A quarter of the memory becomes `shared_buffers`."""
    storage: Bytes = "20Gi"
    """Data of each instance."""
    wal_storage: Bytes = "10Gi"
    """Write-ahead log of each instance, on a volume of its own: a full one does not take the data with it."""
    storage_class: DnsLabel | None = None
    """Default: the cluster's default class. Best is one that does not replicate: PostgreSQL does it."""
    max_connections: int = Field(200, ge=50)
    """Of the primary. The poolers' connections must fit."""
    one_instance_per_node: bool = True
    """Never two instances on one node. False only where there are fewer nodes than instances."""
    pooler: PoolerSettings = PoolerSettings()

    @model_validator(mode="after")
    def _pools_fit(self) -> "CloudNativePGSettings":
        # Two databases (metadata, Celery results), and 20 for replication, the operator and a person.
        needed = self.pooler.instances * self.pooler.connections_per_database * 2 + 20
        if needed > self.max_connections:
            raise ValueError(
                f"max_connections is {self.max_connections}, but {self.pooler.instances} poolers with "
                f"{self.pooler.connections_per_database} connections to each of 2 databases, and 20 in reserve, need "
                f"{needed}; raise max_connections or lower pooler.connections_per_database"
            )
        return self


class ExternalDatabaseSettings(Settings):
    """A PostgreSQL that somebody else runs.

    Its password is not a setting: `pulumi config set --secret airflow-platform:databasePassword`.
    """

    engine: Literal["external"]
    host: str = Field(min_length=1)
    port: int = Field(5432, ge=1, le=65535)
    pooled_host: str | None = None
    """Address of a transaction pooler before it. Default: `host`."""
    pooled_port: int = Field(6432, ge=1, le=65535)
    database: str = "airflow"
    user: str = "airflow"
    cidrs: list[Cidr] = Field(min_length=1)
    """Addresses of host and pooler, for the network policies."""
    ca_certificate: str | None = Field(None, pattern="^-----BEGIN CERTIFICATE-----")
    """PEM of the authority that signed the server's certificate. Default: the system's authorities."""


DatabaseSettings = Annotated[CloudNativePGSettings | ExternalDatabaseSettings, Field(discriminator="engine")]
