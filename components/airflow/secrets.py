"""Airflow's secrets: which there are, and who gets which.

One Secret for each purpose, so that a process mounts what it needs and nothing else. Who needs what was read in
Airflow 3.3's source and confirmed by running it (docs/secrets.md has the table).
"""

import base64
import hashlib
import json
from urllib.parse import quote

import pulumi
import pulumi_tls as tls
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pulumi import Output
from pulumi_random import RandomPassword

from components.airflow.configuration import DATABASE_CA
from components.airflow.settings import AirflowSettings, OidcAuthSettings, SimpleAuthSettings
from components.kubernetes.secret import secret
from components.references import DatabaseConnection, Endpoint, SecretKey

DATABASE_SECRET = "airflow-database"  # noqa: S105 (the name of a Secret, as those below)
DIRECT_DATABASE_SECRET = "airflow-database-direct"  # noqa: S105
FERNET_SECRET = "airflow-fernet-key"  # noqa: S105
API_SECRET = "airflow-api-secret-key"  # noqa: S105
PEOPLE_SIGNING_SECRET = "airflow-people-signing-key"  # noqa: S105
TASK_SIGNING_SECRET = "airflow-task-signing-key"  # noqa: S105
PASSWORDS_SECRET = "airflow-passwords"  # noqa: S105
LOG_SERVER_SECRET = "airflow-log-server-key"  # noqa: S105
OIDC_SECRET = "airflow-oidc-client"  # noqa: S105

DATABASE = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": SecretKey(DATABASE_SECRET, "sql_alchemy_conn"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": SecretKey(DATABASE_SECRET, "sql_alchemy_conn_async"),
}
"""The metadata database, through the pooler."""
DIRECT_DATABASE = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": SecretKey(DIRECT_DATABASE_SECRET, "sql_alchemy_conn")}
"""The metadata database's primary: a migration holds session-level locks."""
FERNET = {"AIRFLOW__CORE__FERNET_KEY": SecretKey(FERNET_SECRET, "fernet_key")}
"""Encrypts connections, variables and trigger arguments."""
API_KEY = {"AIRFLOW__API__SECRET_KEY": SecretKey(API_SECRET, "secret_key")}
"""Signs sessions of the UI."""
LOG_SERVER_KEY = SecretKey(LOG_SERVER_SECRET, "key")
"""Signs the API server's requests for the logs of task pods."""
OIDC_CLIENT = {"OIDC_CLIENT_SECRET": SecretKey(OIDC_SECRET, "client_secret")}


class AirflowSecrets(pulumi.ComponentResource):
    """Generates each secret, or takes it from its producer, and puts it into the control plane's namespace."""

    database: Output[str]
    fernet_key: Output[str]
    api_secret_key: Output[str]
    log_server_key: Output[str]
    people_jwks: Output[str]
    """Public keys that verify people's API tokens, as a JSON Web Key Set."""
    task_jwks: Output[str]
    """Public keys that verify tasks' tokens. Whoever starts tasks signs these, and can't sign a person's."""
    passwords: Output[str] | None = None
    """The simple auth manager's users with their passwords, as JSON."""

    def __init__(
        self,
        name: str,
        settings: AirflowSettings,
        *,
        namespace: str,
        tasks_namespace: str | None,
        database: DatabaseConnection,
        oidc_client_secret: Output[str] | None,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`tasks_namespace`: where task pods run, or None where there are none. `protect`: the engine refuses to delete
        the fernet key, without which no connection can be read.
        """
        super().__init__("airflow-platform:airflow:Secrets", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)

        def keep(secret_name: str, contents: dict[str, Output[str]]) -> None:
            secret(secret_name, namespace=namespace, contents=contents, opts=inside)

        self.database = _url("postgresql+psycopg2", database, database.pooled)
        keep(
            DATABASE_SECRET,
            {
                "sql_alchemy_conn": self.database,
                # Named, since Airflow would derive asyncpg from it, which refuses `sslmode`.
                "sql_alchemy_conn_async": _url("postgresql+psycopg_async", database, database.pooled),
            },
        )
        keep(DIRECT_DATABASE_SECRET, {"sql_alchemy_conn": _url("postgresql+psycopg2", database, database.direct)})

        # Not RandomBytes: its id is its value, which the state and every diff show in clear.
        kept = pulumi.ResourceOptions(parent=self, protect=protect)
        fernet = RandomPassword(f"{name}-fernet-key", length=48, special=False, opts=kept).result
        self.fernet_key = fernet.apply(_fernet_key)
        keep(FERNET_SECRET, {"fernet_key": self.fernet_key})

        self.api_secret_key = RandomPassword(f"{name}-api-secret-key", length=48, special=False, opts=inside).result
        keep(API_SECRET, {"secret_key": self.api_secret_key})

        self.log_server_key = RandomPassword(f"{name}-log-server-key", length=48, special=False, opts=inside).result
        if tasks_namespace is not None:
            keep(LOG_SERVER_SECRET, {"key": self.log_server_key})
            secret(
                LOG_SERVER_SECRET,
                namespace=tasks_namespace,
                contents={"key": self.log_server_key},
                control_plane=False,
                opts=inside,
                resource_name=f"{LOG_SERVER_SECRET}-tasks",
            )

        people_key = tls.PrivateKey(f"{name}-people-signing-key", algorithm="ED25519", opts=inside)
        keep(PEOPLE_SIGNING_SECRET, {"key.pem": people_key.private_key_pem_pkcs8})
        self.people_jwks = people_key.public_key_pem.apply(jwks)
        task_key = tls.PrivateKey(f"{name}-task-signing-key", algorithm="ED25519", opts=inside)
        keep(TASK_SIGNING_SECRET, {"key.pem": task_key.private_key_pem_pkcs8})
        self.task_jwks = task_key.public_key_pem.apply(jwks)

        if isinstance(settings.auth, SimpleAuthSettings):
            users = {
                user: RandomPassword(f"{name}-user-{user}", length=20, special=False, opts=inside).result
                for user in sorted(settings.auth.users)
            }
            self.passwords = Output.json_dumps(users)
            keep(PASSWORDS_SECRET, {"passwords.json": self.passwords})
        elif isinstance(settings.auth, OidcAuthSettings) and oidc_client_secret is not None:
            keep(OIDC_SECRET, {"client_secret": oidc_client_secret})
        self.register_outputs({})


def jwks(*public_keys_pem: str) -> str:
    """Ed25519 public keys as a JSON Web Key Set (RFC 8037), each known by its thumbprint (RFC 7638), as Airflow does.

    Raises ValueError for a key of another kind.
    """
    keys = []
    for pem in public_keys_pem:
        key = load_pem_public_key(pem.encode())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"A signing key is a {type(key).__name__}; Airflow's tokens are signed with Ed25519 here")
        jwk = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}
        thumbprint = hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()).digest()
        keys.append(jwk | {"kid": _base64url(thumbprint), "alg": "EdDSA", "use": "sig"})
    return json.dumps({"keys": keys})


def _fernet_key(random_text: str) -> str:
    """32 bytes as URL-safe base64, which is what Fernet wants."""
    return base64.urlsafe_b64encode(hashlib.sha256(random_text.encode()).digest()).decode()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _url(driver: str, database: DatabaseConnection, endpoint: Endpoint) -> Output[str]:
    # Without an authority of its own the server's certificate is checked against the system's.
    authority = f"{DATABASE_CA}/ca.crt" if database.ca_certificate is not None else "system"
    tail = f"@{endpoint.host}:{endpoint.port}/{database.database}?sslmode=verify-full&sslrootcert={authority}"
    return database.password.apply(lambda password: f"{driver}://{database.user}:{quote(password, safe='')}{tail}")
