"""The embedded cluster, running: what pods can do, and what nobody can."""

import ipaddress
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from local import paths
from local.cluster import addresses, embedded, process, programs
from local.cluster.image import BUSYBOX
from local.images import static

pytestmark = pytest.mark.cluster

NAMESPACE = "cluster-test"
NODE_PORT = 30999
RESTRICTED = {
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}

Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def kubectl() -> Kubectl:
    config = embedded.config_file(paths.cluster())
    assert config.exists(), "The embedded cluster is not up: run `make test-cluster`."
    program = programs.build().kubectl

    def run(*arguments: str, stdin: str = "") -> str:
        command = [program, f"--kubeconfig={config}", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout

    return run


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl) -> Iterator[None]:
    """Two pods as uid 50000 under the restricted profile, `server` behind a Service and a NodePort, and `client`."""
    kubectl("apply", "-f", "-", stdin="---\n".join(yaml.safe_dump(each) for each in _objects()))
    kubectl("wait", "-n", NAMESPACE, "pod", "--all", "--for=condition=Ready", "--timeout=90s")
    yield
    kubectl("delete", "namespace", NAMESPACE, "--wait=true")


@pytest.mark.usefixtures("pods")
def test_a_pod_reaches_another_by_its_services_name(kubectl: Kubectl) -> None:
    assert _in_client(kubectl, "wget -qO- http://server/who").strip() == "server"
    assert _in_client(kubectl, f"wget -qO- http://server.{NAMESPACE}.svc.cluster.local/who").strip() == "server"


@pytest.mark.usefixtures("pods")
def test_a_name_that_is_not_the_clusters_does_not_exist(kubectl: Kubectl) -> None:
    assert "NXDOMAIN" in _in_client(kubectl, "nslookup registry.example.com 2>&1 || true")


@pytest.mark.usefixtures("pods")
def test_pods_write_to_a_shared_volume_and_read_what_others_wrote(kubectl: Kubectl) -> None:
    _in_client(kubectl, "echo from-client > /shared/client")
    assert kubectl("exec", "-n", NAMESPACE, "server", "--", "cat", "/shared/client").strip() == "from-client"
    _in_client(kubectl, "echo mine > /standard/file && grep mine /standard/file")


@pytest.mark.usefixtures("pods")
def test_a_node_port_answers_on_the_nodes_address_and_on_no_other_of_this_machine() -> None:
    url = f"http://{{}}:{NODE_PORT}/who"
    with urllib.request.urlopen(url.format(addresses.NODE_IP), timeout=5) as answer:
        assert answer.read().strip() == b"server"
    for address in _outward_addresses():
        with pytest.raises(OSError, match=r"refused|timed out"):
            urllib.request.urlopen(url.format(address), timeout=2)


def test_nothing_of_the_cluster_listens_on_an_outward_address() -> None:
    ours = set(process.running(paths.cluster()))
    listening = [line for line in _output("ss", "-ltunpH").splitlines() if _pids(line) & ours]
    assert len(listening) >= len(addresses.LISTENERS)
    for line in listening:
        address = line.split()[4].rpartition(":")[0]
        assert address == addresses.NODE_IP or ipaddress.ip_address(address).is_loopback, line


def test_the_kubelet_answers_nobody_without_a_certificate(kubectl: Kubectl) -> None:
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"https://{addresses.NODE_IP}:{addresses.KUBELET_PORT}/pods", context=unverified)


@pytest.mark.usefixtures("pods")
def test_a_privileged_pod_is_refused_where_the_restricted_profile_is_enforced(kubectl: Kubectl) -> None:
    pod = _pod("intruder", "sleep 1")
    pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod))
    assert "violates PodSecurity" in refused.value.stderr


def test_a_second_up_finds_everything_and_starts_nothing() -> None:
    before, start = sorted(process.running(paths.cluster())), time.monotonic()
    embedded.up(static.for_cluster())
    assert time.monotonic() - start < 5
    assert set(before) <= set(process.running(paths.cluster()))
    assert embedded.running()


def test_a_cluster_of_another_cache_is_refused_and_ours_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, images, built = sorted(process.running(paths.cluster())), static.for_cluster(), programs.build()
    monkeypatch.setattr(programs, "build", lambda: built)
    monkeypatch.setattr(programs, "unbuilt", list)
    monkeypatch.setenv("AIRFLOW_PLATFORM_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"Port 6443 of 172\.30\.0\.1 is taken"):
        embedded.up(images)
    embedded.down()
    monkeypatch.undo()
    assert sorted(process.running(paths.cluster())) == before
    assert embedded.running()


def _objects() -> Iterator[dict[str, object]]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    for name, mode in (("standard", "ReadWriteOnce"), ("shared", "ReadWriteMany")):
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "storageClassName": name,
                "accessModes": [mode],
                "resources": {"requests": {"storage": "10Mi"}},
            },
        }
    yield _pod("server", "echo server > /tmp/who && exec httpd -f -p 8080 -h /tmp")
    yield _pod("client", "exec sleep 100000")
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "server", "namespace": NAMESPACE},
        "spec": {
            "type": "NodePort",
            "selector": {"name": "server"},
            "ports": [{"port": 80, "targetPort": 8080, "nodePort": NODE_PORT}],
        },
    }


def _pod(name: str, script: str) -> dict:
    claims = {"shared": "shared"} | ({"standard": "standard"} if name == "client" else {})
    volumes: list[dict] = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"name": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsUser": 50000,
                "runAsGroup": 0,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": name,
                    "image": BUSYBOX,
                    "command": ["sh", "-c", script],
                    "securityContext": RESTRICTED,
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": "/tmp"},
                        *({"name": each, "mountPath": f"/{each}"} for each in claims),
                    ],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}, *volumes],
        },
    }


def _in_client(kubectl: Kubectl, script: str) -> str:
    return kubectl("exec", "-n", NAMESPACE, "client", "--", "sh", "-c", script)


def _outward_addresses() -> list[str]:
    """Addresses of this machine that others may reach: neither loopback nor a pod's link."""
    listed = json.loads(_output("ip", "-json", "-4", "address"))
    return [
        address["local"]
        for device in listed
        if device["ifname"] != "lo" and not device["ifname"].startswith("veth")
        for address in device["addr_info"]
    ]


def _pids(line: str) -> set[int]:
    return {int(part.partition(",")[0]) for part in line.split("pid=")[1:]}


def _output(*command: str) -> str:
    return subprocess.run(command, env=programs.build().tools.env(), capture_output=True, text=True, check=True).stdout
