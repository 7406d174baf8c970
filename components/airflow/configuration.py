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
TRIGGERER_LOG_PORT = 8794
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


_SECRET_OPTIONS = {
    "core": {"fernet_key"},
    "database": {"sql_alchemy_conn", "sql_alchemy_conn_async"},
    "api": {"secret_key"},
    "api_auth": {"jwt_secret", "jwt_private_key_path"},
    "celery": {"broker_url", "result_backend"},
}


def check_config(settings: AirflowSettings) -> None:
    """Raise ValueError where `config` sets an option that the platform sets itself, or one that holds a secret."""
    options = _options(settings, "", "")
    for section, extra in settings.config.items():
        for option in extra:
            plain = option.removesuffix("_cmd").removesuffix("_secret")
            if plain in _SECRET_OPTIONS.get(section, set()) or option in options.get(section, {}):
                raise ValueError(
                    f"airflow.config.{section}.{option} is set by the platform itself; remove it, and use the setting "
                    "that stands for it (docs/settings.md)"
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
    issuer = auth.issuer.rstrip("/")
    return f'''"""Sign-on of Airflow's FAB auth manager. Written by the platform."""

import os

from flask_appbuilder.const import AUTH_OAUTH

AUTH_TYPE = AUTH_OAUTH
AUTH_USER_REGISTRATION = True
# FAB adds this role to every user at every login, so it is the least.
AUTH_USER_REGISTRATION_ROLE = "Public"
AUTH_ROLES_SYNC_AT_LOGIN = True
AUTH_ROLES_MAPPING = {json.dumps(auth.roles, indent=4, sort_keys=True)}
OAUTH_PROVIDERS = [
    {{
        "name": "oidc",
        "icon": "fa-key",
        "token_key": "access_token",
        "remote_app": {{
            "client_id": {json.dumps(auth.client_id)},
            "client_secret": os.environ["OIDC_CLIENT_SECRET"],
            "server_metadata_url": {json.dumps(issuer + "/.well-known/openid-configuration")},
            "api_base_url": {json.dumps(issuer + "/")},
            "client_kwargs": {{"scope": "openid email profile groups", "code_challenge_method": "S256"}},
        }},
    }}
]
'''
