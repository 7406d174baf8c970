"""A metadata database that somebody else runs: nothing is created, its clients get the same connection."""

from pulumi import Output

from components.database.settings import ExternalDatabaseSettings
from components.references import DatabaseConnection, Endpoint, Peer


def external_database(settings: ExternalDatabaseSettings, password: Output[str]) -> DatabaseConnection:
    """How clients reach it."""
    peers = tuple(Peer(cidr=cidr) for cidr in settings.cidrs)
    direct = Endpoint(settings.host, settings.port, peers)
    pooled = Endpoint(settings.pooled_host, settings.pooled_port, peers) if settings.pooled_host else direct
    return DatabaseConnection(
        direct=direct,
        pooled=pooled,
        database=settings.database,
        user=settings.user,
        password=password,
        ca_certificate=Output.from_input(settings.ca_certificate) if settings.ca_certificate else None,
    )
