"""Airflow as the stacks deploy it: who holds which secret, what the secrets are worth, who may talk to whom."""

import configparser
import json
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from components.airflow.secrets import jwks
from tests.stack import Stack

DATABASE = {("airflow-database", "sql_alchemy_conn"), ("airflow-database", "sql_alchemy_conn_async")}
FERNET = {("airflow-fernet-key", "fernet_key")}
PEOPLE = {("airflow-people-signing-key", "")}
TASKS = {("airflow-task-signing-key", "")}
API_KEY = {("airflow-api-secret-key", "secret_key")}
LOG_SERVER = {("airflow-log-server-key", "key")}
NEEDS = {
    "airflow-api-server": DATABASE | FERNET | PEOPLE | API_KEY | LOG_SERVER,
    "airflow-execution-api": DATABASE | FERNET | TASKS,
    "airflow-scheduler": DATABASE | FERNET | TASKS,
    "airflow-dag-processor": DATABASE | FERNET,
    "airflow-triggerer": DATABASE | FERNET,
    "airflow-migration": {("airflow-database-direct", "sql_alchemy_conn")},
    "airflow-log-server": LOG_SERVER,
    "airflow-task": set(),
}
SIGN_ON = {("airflow-passwords", ""), ("airflow-oidc-client", "client_secret")}


def test_each_process_holds_the_secrets_that_it_needs_and_no_other(stack: Stack) -> None:
    held = {pod.labels["app.kubernetes.io/name"]: pod.secrets() - SIGN_ON for pod in stack.pods()}
    assert held == NEEDS


def test_only_the_api_server_holds_what_people_sign_in_with(stack: Stack) -> None:
    holders = {pod.name for pod in stack.pods() if pod.secrets() & SIGN_ON}
    assert holders == {"airflow-api-server"}


def test_every_secret_that_a_pod_reads_exists_with_that_key(stack: Stack) -> None:
    for pod in stack.pods():
        for name, key in pod.secrets():
            contents = stack.secret(pod.namespace, name)
            assert key in contents or not key


def test_the_database_url_opens_the_database_with_the_password_that_the_database_was_given(stack: Stack) -> None:
    owner = stack.secret("airflow-data", "airflow-db-airflow")
    for secret, host in (("airflow-database", "airflow-db-pooler-rw"), ("airflow-database-direct", "airflow-db-rw")):
        url = urlsplit(stack.secret("airflow", secret)["sql_alchemy_conn"])
        assert (url.username, unquote(url.password or "")) == (owner["username"], owner["password"])
        assert url.hostname == f"{host}.airflow-data.svc"
        assert parse_qs(url.query)["sslmode"] == ["verify-full"]


def test_the_authority_that_clients_trust_is_the_one_that_the_database_signs_with(stack: Stack) -> None:
    trusted = stack.get("ConfigMap", "airflow", "airflow-database-ca")["data"]["ca.crt"]
    assert trusted == stack.secret("airflow-data", "airflow-db-server-ca")["ca.crt"]
    for name in ("airflow-api-server", "airflow-migration"):
        pod = stack.pod(name)
        (mount,) = (each for each in pod.spec["containers"][0]["volumeMounts"] if each["name"] == "database-ca")
        secret, _ = next(iter(pod.secrets() & (DATABASE | NEEDS["airflow-migration"])))
        url = urlsplit(stack.secret("airflow", secret)["sql_alchemy_conn"])
        assert parse_qs(url.query)["sslrootcert"] == [f"{mount['mountPath']}/ca.crt"]


def test_the_fernet_key_encrypts(stack: Stack) -> None:
    key = stack.secret("airflow", "airflow-fernet-key")["fernet_key"]
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"connection")) == b"connection"


@pytest.mark.parametrize("whose", ["people", "task"])
def test_the_published_key_is_the_public_half_of_the_signing_key(stack: Stack, whose: str) -> None:
    private = _signing_key(stack, whose)
    (published,) = json.loads(stack.get("ConfigMap", "airflow", f"airflow-{whose}-jwks")["data"]["jwks.json"])["keys"]
    token = jwt.encode({"sub": "a task"}, private, algorithm="EdDSA", headers={"kid": published["kid"]})
    assert jwt.decode(token, jwt.PyJWK(published), algorithms=["EdDSA"]) == {"sub": "a task"}


def test_whoever_starts_tasks_cannot_sign_a_persons_token(stack: Stack) -> None:
    (accepted,) = json.loads(stack.get("ConfigMap", "airflow", "airflow-people-jwks")["data"]["jwks.json"])["keys"]
    forged = jwt.encode({"sub": "admin"}, _signing_key(stack, "task"), algorithm="EdDSA")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged, jwt.PyJWK(accepted), algorithms=["EdDSA"])


def _signing_key(stack: Stack, whose: str) -> Ed25519PrivateKey:
    pem = stack.secret("airflow", f"airflow-{whose}-signing-key")["key.pem"]
    private = load_pem_private_key(pem.encode(), None)
    assert isinstance(private, Ed25519PrivateKey)
    return private


def test_a_signing_key_of_another_kind_is_refused_with_its_kind() -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = generate_private_key(SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(ValueError, match="Ed25519"):
        jwks(pem)


def test_airflow_cfg_is_what_airflow_parses_and_holds_no_secret(stack: Stack) -> None:
    text = stack.get("ConfigMap", "airflow", "airflow-configuration")["data"]["airflow.cfg"]
    config = configparser.ConfigParser()
    config.read_string(text)
    (bundle,) = json.loads(config["dag_processor"]["dag_bundle_config_list"])
    assert bundle["kwargs"] == {"path": "/opt/airflow/dags"}
    url = urlsplit(config["core"]["execution_api_server_url"])
    service = stack.get("Service", "airflow", (url.hostname or "").split(".")[0])
    assert service["spec"]["ports"][0]["port"] == url.port
    for secret in stack.of("Secret"):
        contents = stack.secret(secret["metadata"]["namespace"], secret["metadata"]["name"])
        assert not [value for value in contents.values() if value in text and len(value) > 16]


def test_the_scheduler_may_start_task_pods_and_nothing_more(stack: Stack) -> None:
    (role,) = stack.of("Role")
    (binding,) = stack.of("RoleBinding")
    assert role["metadata"]["namespace"] == "airflow-tasks"
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {"pods"}
    (subject,) = binding["subjects"]
    assert subject["name"] == stack.pod("airflow-scheduler").spec["serviceAccountName"]


def test_only_the_scheduler_has_a_token_for_the_kubernetes_api(stack: Stack) -> None:
    with_token = set()
    for pod in stack.pods():
        assert pod.spec["automountServiceAccountToken"] is False
        for volume in pod.spec["volumes"]:
            if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", [])):
                with_token.add(pod.name)
    assert with_token == {"airflow-scheduler"}


def test_the_migration_comes_before_every_process(stack: Stack) -> None:
    position = {
        obj["metadata"]["name"]: number
        for number, layer in enumerate(stack.layers)
        for obj in layer
        if obj["kind"] in ("Deployment", "Job", "Cluster", "Pooler")
    }
    (migration,) = (name for name in position if name.startswith("airflow-migration-"))
    for name, layer in position.items():
        if name.startswith("airflow-db"):
            assert layer < position[migration]
        elif name != migration:
            assert layer > position[migration]
