"""Policies on the embedded cluster: its API server, its kubelet, its Services."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
import yaml

from local import paths
from local.cluster import embedded, programs
from local.cluster.image import BUSYBOX

pytestmark = pytest.mark.cluster

NAMESPACE = "network-policy-test"
DENY_ALL = "{podSelector: {}, policyTypes: [Ingress, Egress]}"
SERVER_RECEIVES = """
    podSelector: {matchLabels: {app: server}}
    ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: http}]}]
    """
CLIENT_SENDS = """
    podSelector: {matchLabels: {app: client}}
    policyTypes: [Egress]
    egress: [{to: [{podSelector: {matchLabels: {app: server}}}]}]
    """
# Prints how many seconds it took to reach the API server, by its Service and by its name, from the very first on.
FIRST_INSTRUCTION = """
    read start _ < /proc/uptime
    nc 10.96.0.1 443 < /dev/null && nslookup kubernetes.default.svc.cluster.local > /dev/null || exit 1
    read end _ < /proc/uptime
    echo "$end - $start" | bc
    """

Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    config = embedded.config_file(paths.cluster())
    assert config.exists(), "The embedded cluster is not up: run `make test-cluster`."
    command = [str(programs.build().kubectl), f"--kubeconfig={config}", f"--namespace={NAMESPACE}"]

    def run(*arguments: str, stdin: str = "") -> str:
        return subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True, check=True).stdout

    run("create", "namespace", NAMESPACE)
    yield run
    run("delete", "namespace", NAMESPACE, "--wait=true")


def test_policies_take_effect_and_are_lifted_within_a_second(kubectl: Kubectl) -> None:
    serve = "mkdir /web && echo hello > /web/index.html && exec httpd -f -p 8080 -h /web"
    kubectl("apply", "-f", "-", stdin=_pod("server", serve) + "---\n" + _pod("client", "exec sleep 3600"))
    kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
    server = json.loads(kubectl("get", "pod", "server", "-o", "json"))["status"]["podIP"]

    def answered() -> bool:
        fetch = f"timeout 1 wget -qO- http://{server}:8080/ || true"  # its own -T ends in a segmentation fault
        return kubectl("exec", "client", "--", "sh", "-c", fetch) == "hello\n"

    assert answered()
    _apply(kubectl, "deny-all", DENY_ALL)
    assert not answered()
    with urllib.request.urlopen(f"http://{server}:8080/", timeout=2) as response:  # the node, as for a probe
        assert response.read() == b"hello\n"
    _apply(kubectl, "server-receives", SERVER_RECEIVES)
    assert not answered(), "the client may not send"
    _apply(kubectl, "client-sends", CLIENT_SENDS)
    assert answered()
    kubectl("delete", "networkpolicy", "server-receives")
    time.sleep(1)
    assert not answered(), "the server may not receive"
    kubectl("delete", "networkpolicy", "--all")
    time.sleep(1)
    assert answered()


def test_a_new_pod_has_its_network_from_its_first_instruction_on(kubectl: Kubectl) -> None:
    """Not only from when the API server knows its address: a first packet that is dropped costs a second or more."""
    kubectl("delete", "networkpolicy", "--all")
    kubectl("apply", "-f", "-", stdin=_pod("new", FIRST_INSTRUCTION))
    kubectl("wait", "pod/new", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    assert float(kubectl("logs", "new")) < 0.5


def _apply(kubectl: Kubectl, name: str, spec: str) -> None:
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}}
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump({**policy, "spec": yaml.safe_load(spec)}))
    time.sleep(1)


def _pod(name: str, script: str) -> str:
    container = {"name": "main", "image": BUSYBOX, "command": ["sh", "-c", script]}
    container["ports"] = [{"name": "http", "containerPort": 8080}]
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
    metadata = {"name": name, "labels": {"app": name}}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
