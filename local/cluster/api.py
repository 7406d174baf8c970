"""Questions to the embedded cluster's API server, by its administrator."""

import http.client
import json
import ssl
import subprocess
from pathlib import Path
from typing import Any

from local.cluster.addresses import API_PORT, NODE_IP
from local.cluster.programs import Programs


class Api:
    """The API server of the cluster in `state`, asked over TLS with the certificate of its administrator."""

    def __init__(self, state: Path) -> None:
        pki = state / "pki"
        self._tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        try:
            return self._get("/readyz")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def get(self, path: str) -> dict[str, Any]:
        """The object at `path` (`/api/v1/nodes/local`); empty where there is none, or no answer."""
        try:
            status, body = self._get(path)
        except OSError:
            return {}
        return json.loads(body) if status == http.HTTPStatus.OK else {}

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(NODE_IP, API_PORT, context=self._tls, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def apply(programs: Programs, kubeconfig: Path, manifest: str) -> None:
    """Apply the objects in `manifest` on the server's side. Raises RuntimeError with kubectl's words."""
    command = [programs.kubectl, f"--kubeconfig={kubeconfig}", "apply", "--server-side", "--force-conflicts", "-f", "-"]
    done = subprocess.run(command, input=manifest, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The API server did not take the cluster's own objects:\n{done.stderr.strip()}")
