"""What keeps the platform up in production: replicas, spread, budgets, a database that loses no commit."""

from tests.stack import Stack


def test_every_process_of_prod_survives_the_loss_of_a_pod(prod: Stack) -> None:
    for deployment in prod.of("Deployment"):
        name, spec = deployment["metadata"]["name"], deployment["spec"]
        assert spec["replicas"] >= 2
        budget = prod.get("PodDisruptionBudget", deployment["metadata"]["namespace"], name)
        assert budget["spec"]["selector"] == spec["selector"]
        assert budget["spec"]["maxUnavailable"] == 1
        spread = {
            each["topologyKey"]: each["whenUnsatisfiable"]
            for each in spec["template"]["spec"]["topologySpreadConstraints"]
        }
        assert spread["kubernetes.io/hostname"] == "DoNotSchedule"


def test_a_rollout_starts_the_new_before_it_stops_the_old(stack: Stack) -> None:
    for deployment in stack.of("Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_commit_of_prod_is_on_two_of_three_servers_before_it_is_acknowledged(prod: Stack) -> None:
    (cluster,) = prod.of("Cluster")
    assert cluster["spec"]["instances"] == 3
    assert cluster["spec"]["postgresql"]["synchronous"] == {
        "method": "any",
        "number": 1,
        "dataDurability": "required",
        "failoverQuorum": True,
    }
    assert cluster["spec"]["affinity"]["podAntiAffinityType"] == "required"


def test_the_server_certificate_is_valid_for_every_address_that_clients_use(stack: Stack) -> None:
    (cluster,) = stack.of("Cluster")
    (pooler,) = stack.of("Pooler")
    name, namespace = pooler["metadata"]["name"], pooler["metadata"]["namespace"]
    # The operator adds those of the cluster's own services by itself.
    assert f"{name}.{namespace}.svc" in cluster["spec"]["certificates"]["serverAltDNSNames"]
    url = prod_url(stack)
    assert f"@{name}.{namespace}.svc:" in url


def prod_url(stack: Stack) -> str:
    """Airflow's URL of the metadata database."""
    return stack.secret("airflow", "airflow-database")["sql_alchemy_conn"]


def test_the_poolers_connections_fit_into_the_primary(stack: Stack) -> None:
    (cluster,) = stack.of("Cluster")
    (pooler,) = stack.of("Pooler")
    per_database = int(pooler["spec"]["pgbouncer"]["parameters"]["default_pool_size"])
    databases = 1 + len(stack.of("Database"))
    needed = pooler["spec"]["instances"] * per_database * databases
    assert needed < int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])


def test_the_engine_refuses_to_delete_the_data_of_prod_and_what_reads_it(prod: Stack, local: Stack) -> None:
    protected = {(each.type.rsplit(":", 1)[1], each.name) for each in prod.recording.registrations if each.protect}
    assert protected == {
        ("Cluster", "database-cluster"),
        ("Namespace", "control-plane"),
        ("Namespace", "data"),
        ("Namespace", "tasks"),
        ("PersistentVolumeClaim", "airflow-logs"),
        ("PersistentVolumeClaim", "airflow-tasks-logs"),
        ("PrivateKey", "database-ca-key"),
        ("RandomPassword", "airflow-fernet-key"),
    }
    assert not [each for each in local.recording.registrations if each.protect]
