"""airflow.cfg and the other files that every Airflow process mounts. Nothing in them is secret.

Options: https://airflow.apache.org/docs/apache-airflow/3.3.2/configurations-ref.html
"""

import json
from importlib import resources

from components.airflow.settings import AirflowSettings, OidcAuthSettings, SimpleAuthSettings

HOME = "/opt/airflow"
CONFIGURATION = f"{HOME}/config"
"""Where the files are mounted. Airflow adds it to Python's path."""
LOGS = f"{HOME}/logs"
SIGNING_KEY = f"{HOME}/signing-key"
JWKS = f"{HOME}/jwks"
POD_TEMPLATE = f"{HOME}/pod-template"
DATABASE_CA = f"{HOME}/database-ca"
PASSWORDS = f"{HOME}/passwords"

API_PORT = 8080
LOG_SERVER_PORT = 8793
SCHEDULER_HEALTH_PORT = 8974

_SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
_FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
_LOCAL_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"


def configuration_files(settings: AirflowSettings, *, tasks_namespace: str, execution_api_url: str) -> dict[str, str]:
    """The files by name, with their contents."""
    options = _options(settings, tasks_namespace, execution_api_url)
    for section, extra in settings.config.items():
        options[section] = options.get(section, {}) | extra
    files = {"airflow.cfg": _render(options)}
    for name in ("heartbeat.py", "platform_database.py", "platform_logging.py"):
        files[name] = resources.files("components.airflow.files").joinpath(name).read_text()
    if isinstance(settings.auth, OidcAuthSettings):
        files["webserver_config.py"] = _webserver_config(settings.auth)
    return files


def _options(settings: AirflowSettings, tasks_namespace: str, execution_api_url: str) -> dict[str, dict[str, str]]:
    bundles = [
        {"name": name, "classpath": _LOCAL_BUNDLE, "kwargs": {"path": bundle.path}}
        for name, bundle in settings.dags.items()
    ]
    options: dict[str, dict[str, str]] = {
        "core": {
            "executor": settings.executor,
            "execution_api_server_url": execution_api_url,
            # The pod's name, by which the probe finds the heartbeat.
            "hostname_callable": "socket.gethostname",
            "auth_manager": _SIMPLE if isinstance(settings.auth, SimpleAuthSettings) else _FAB,
            "load_examples": "False",
            "parallelism": str(settings.parallelism),
        },
        "database": {
            "sql_alchemy_connect_args": "platform_database.CONNECT_ARGS",
            "sql_alchemy_connect_args_async": "platform_database.CONNECT_ARGS_ASYNC",
            # A failover takes longer than the default of three tries.
            "max_db_retries": "10",
        },
        "api": {
            "base_url": settings.base_url,
            "port": str(API_PORT),
            "expose_config": "False",
        },
        "api_auth": {
            "jwt_algorithm": "EdDSA",
            "jwt_audience": "airflow-api",
            "jwt_issuer": settings.base_url,
            "trusted_jwks_url": f"{JWKS}/jwks.json",
        },
        "dag_processor": {
            "dag_bundle_config_list": json.dumps(bundles),
            "dag_bundle_storage_path": "/tmp/dag-bundles",  # noqa: S108 (an emptyDir of the pod)
            "refresh_interval": "60",
        },
        "logging": {
            "base_log_folder": LOGS,
            "dag_processor_log_target": "stdout",
            "dag_processor_child_process_log_directory": "/tmp/dag-processor",  # noqa: S108
            "colored_console_log": "False",
        },
        "scheduler": {
            "enable_health_check": "True",
            "scheduler_health_check_server_port": str(SCHEDULER_HEALTH_PORT),
        },
        "triggerer": {"job_heartbeat_sec": "5"},
        # A task outlives what a rollout of the execution API or a failover of the database takes: two minutes.
        # With the defaults it is killed after 15 s (https://github.com/apache/airflow/pull/73244).
        "workers": {
            "execution_api_retries": "30",
            "execution_api_retry_wait_max": "10.0",
            "execution_api_timeout": "30.0",
            "max_failed_heartbeats": "20",
        },
    }
    if "KubernetesExecutor" in settings.executors:
        options["kubernetes_executor"] = {
            "namespace": tasks_namespace,
            "pod_template_file": f"{POD_TEMPLATE}/pod_template.yaml",
            "delete_worker_pods_on_failure": "True",
            # The default creates one pod per scheduler loop; upstream recommends more.
            "worker_pods_creation_batch_size": "16",
            # The namespace's quota may be full for a moment. The default fails the task at once.
            "task_publish_max_retries": "20",
        }
    if isinstance(settings.auth, SimpleAuthSettings):
        users = ",".join(f"{user}:{role}" for user, role in sorted(settings.auth.users.items()))
        options["core"] |= {
            "simple_auth_manager_users": users,
            "simple_auth_manager_passwords_file": f"{PASSWORDS}/passwords.json",
        }
    else:
        options["fab"] = {
            "config_file": f"{CONFIGURATION}/webserver_config.py",
            "cookie_secure": str(settings.base_url.startswith("https:")),
            "session_backend": "database",
            "session_lifetime_minutes": "720",
            "enable_proxy_fix": "True",
        }
    return options


# What Airflow 3.3.2 itself marks `sensitive` in config.yml and in its providers', and where the signing key is.
_SECRET_OPTIONS = {
    "api": {"secret_key"},
    "api_auth": {"jwt_private_key_path", "jwt_secret"},
    "celery": {"broker_url", "flower_basic_auth", "result_backend"},
    "celery_broker_transport_options": {"sentinel_kwargs"},
    "celery_result_backend_transport_options": {"sentinel_kwargs"},
    "core": {"asset_manager_kwargs", "fernet_key"},
    "database": {"sql_alchemy_conn", "sql_alchemy_conn_async", "sql_alchemy_engine_args"},
    "logging": {"remote_task_handler_kwargs"},
    "secrets": {"backend_kwargs"},
    "sentry": {"sentry_dsn"},
    "smtp": {"smtp_password"},
    "workers": {"secrets_backend_kwargs"},
}


def check_config(settings: AirflowSettings) -> None:
    """Raise ValueError where `config` sets an option that the platform sets itself, or one that holds a secret."""
    options = _options(settings, "", "")
    for section, extra in settings.config.items():
        for given in extra:
            # Names of options don't tell upper from lower case (configparser).
            option = given.lower()
            plain = option.removesuffix("_cmd").removesuffix("_secret")
            if plain in _SECRET_OPTIONS.get(section, set()) or option in options.get(section, {}):
                raise ValueError(
                    f"airflow.config.{section}.{given} is set by the platform itself, or holds a secret, which anybody "
                    "could read in a ConfigMap; remove it, and use the setting that stands for it (docs/settings.md)"
                )


def _render(options: dict[str, dict[str, str]]) -> str:
    lines = ["# Written by the platform. Secrets come as environment variables, to the processes that need them."]
    for section, values in sorted(options.items()):
        lines += ["", f"[{section}]", *(f"{option} = {_escape(value)}" for option, value in sorted(values.items()))]
    return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    # configparser interpolates percent signs.
    return value.replace("%", "%%")


def _webserver_config(auth: OidcAuthSettings) -> str:
    remote_app = {
        "client_id": auth.client_id,
        "server_metadata_url": f"{auth.issuer.rstrip('/')}/.well-known/openid-configuration",
        "client_kwargs": {"scope": " ".join(auth.scopes), "code_challenge_method": "S256"},
    }
    values = {"ROLES": auth.roles, "REMOTE_APP": remote_app, "GROUPS_CLAIM": auth.groups_claim}
    head = "".join(f"{name} = {json.dumps(value, indent=4, sort_keys=True)}\n" for name, value in values.items())
    code = resources.files("components.airflow.files").joinpath("webserver_config.py").read_text()
    return code.replace("ROLES = REMOTE_APP = GROUPS_CLAIM = None  # written here by the platform\n", head)
