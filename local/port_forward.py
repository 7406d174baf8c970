"""The way to the UI where the cluster's nodes are not this machine: a forward by kubectl, for as long as it runs."""

import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager

from local.target import Target

LOCAL_PORT = 30080
LOCAL_URL = f"http://127.0.0.1:{LOCAL_PORT}"

_SERVICE = ("--namespace", "airflow", "port-forward", "service/airflow-api-server")
_READY = "Forwarding from 127.0.0.1:"


def command(target: Target) -> str:
    """What a person runs to have the UI at LOCAL_URL."""
    kubeconfig = f"KUBECONFIG={target.kubeconfig} " if target.kubeconfig else ""
    return f"{kubeconfig}kubectl --context {target.context} {' '.join(_SERVICE)} {LOCAL_PORT}:http"


@contextmanager
def open_forward(target: Target) -> Generator[str]:
    """A forward for the block, on a free port, so that one which the user has open is no obstacle; yields its URL.

    Raises RuntimeError where kubectl is missing or ends, with its words.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise RuntimeError("kubectl is not on the PATH; the way to Airflow in this cluster is its port-forward.")
    with subprocess.Popen(
        [kubectl, "--context", target.context, *_SERVICE, ":http"],
        env=target.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            said = child.stdout.readline() if child.stdout else ""
            if not said.startswith(_READY):
                words = child.communicate(timeout=10)[1].strip()
                raise RuntimeError(f"kubectl does not forward a port to Airflow's API server: {words or said.strip()}")
            yield f"http://127.0.0.1:{said.removeprefix(_READY).split()[0]}"
        finally:
            child.terminate()
