"""kubeconfig files of the embedded cluster: the person's own, and one for each process that talks to the API."""

import base64
from pathlib import Path

import yaml

from local.cluster.addresses import API_URL

CONTEXT = "airflow-platform-local"


def text(pki: Path, client: str) -> str:
    """A kubeconfig for the holder of the certificate `client` in `pki`, with everything in it."""

    def embedded(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": CONTEXT, "cluster": {"server": API_URL, "certificate-authority-data": embedded("ca.crt")}}
            ],
            "users": [
                {
                    "name": client,
                    "user": {
                        "client-certificate-data": embedded(f"{client}.crt"),
                        "client-key-data": embedded(f"{client}.key"),
                    },
                }
            ],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": client}}],
            "current-context": CONTEXT,
        },
        sort_keys=False,
    )
