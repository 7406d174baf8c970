"""The stack local for a cluster that its file was not written for, in a project directory of its own."""

import shutil
from typing import Any

import yaml
from kubernetes import client, config

from local.port_forward import LOCAL_URL
from local.target import REPOSITORY, Target


def write(target: Target) -> None:
    """Write `target.project`: the stack file with this cluster's addresses. The cluster must be up.

    A file, since both the engine and the offline evaluation read the stack from one.
    """
    core = client.DiscoveryV1Api(config.new_client_from_config(_file(target), target.context))
    cidrs, port = api_server(core.read_namespaced_endpoint_slice("kubernetes", "default"))
    file = REPOSITORY / "stacks" / "Pulumi.local.yaml"
    stack = yaml.safe_load(file.read_text())
    adapt(stack["config"], context=target.context, api_server_cidrs=cidrs, api_server_port=port)
    (target.project / "stacks").mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "Pulumi.yaml", target.project)
    (target.project / "stacks" / file.name).write_text(yaml.safe_dump(stack))


def adapt(stack: dict[str, Any], *, context: str, api_server_cidrs: list[str], api_server_port: int) -> None:
    """Change the `config` of the stack file in place: the cluster's addresses, and a UI that is reached by a forward.

    Nothing listens on the nodes of somebody's cluster: what was a node port becomes a Service inside.
    """
    stack["airflow-platform:cluster"] |= {
        "context": context,
        "api_server_cidrs": api_server_cidrs,
        "api_server_port": api_server_port,
    }
    airflow = stack["airflow-platform:airflow"]
    airflow["base_url"] = LOCAL_URL
    airflow["api_server"].pop("node_port", None)


def api_server(endpoints: Any) -> tuple[list[str], int]:
    """Addresses and port of the API server, from the EndpointSlice `kubernetes`: what network policies have to name."""
    bits = 128 if endpoints.address_type == "IPv6" else 32
    cidrs = [f"{address}/{bits}" for endpoint in endpoints.endpoints for address in endpoint.addresses]
    return cidrs, endpoints.ports[0].port


def _file(target: Target) -> str | None:
    return str(target.kubeconfig) if target.kubeconfig else None
