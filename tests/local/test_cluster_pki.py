"""Certificates of the embedded cluster, judged by a real TLS handshake."""

import ssl
from pathlib import Path

import pytest

from local.cluster import kubeconfig, pki
from local.cluster.addresses import API_SERVICE_IP, NODE_IP


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("state") / "pki"
    pki.create(made)
    return made


@pytest.mark.parametrize(
    "name", [NODE_IP, API_SERVICE_IP, "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
)
def test_the_api_server_is_trusted_under_each_of_its_names_by_the_strictest_client(directory: Path, name: str) -> None:
    _handshake(directory, client="admin", name=name)


def test_no_other_name_is_accepted(directory: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(directory, client="admin", name="10.96.0.2")


@pytest.mark.parametrize("client", ["etcd-client", "front-proxy-client"])
def test_certificates_of_the_other_authorities_open_nothing_at_the_api_server(directory: Path, client: str) -> None:
    with pytest.raises(ssl.SSLError):
        _handshake(directory, client=client, name=NODE_IP)


def test_no_certificate_of_the_cluster_opens_etcd(directory: Path) -> None:
    with pytest.raises(ssl.SSLError):
        _handshake(directory, client="admin", name="127.30.0.1", server="etcd", authority="etcd-ca")


def test_private_keys_are_for_their_owner_only(directory: Path) -> None:
    keys = list(directory.glob("*.key"))
    assert len(keys) > len(pki.CLIENTS)
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_an_interrupted_creation_is_done_again_and_a_finished_one_is_kept(tmp_path: Path) -> None:
    (tmp_path / "pki.new").mkdir()
    (tmp_path / "pki.new" / "ca.crt").write_text("half a cert")
    pki.create(tmp_path / "pki")
    text = kubeconfig.text(tmp_path / "pki", "admin")
    pki.create(tmp_path / "pki")
    assert kubeconfig.text(tmp_path / "pki", "admin") == text
    _handshake(tmp_path / "pki", client="admin", name=NODE_IP)


def _handshake(
    directory: Path, *, client: str, name: str, server: str = "kube-apiserver", authority: str = "ca"
) -> None:
    """Both sides of one connection in memory, until each has accepted the other. Raises ssl.SSLError."""
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(directory / f"{authority}.crt"))
    theirs.load_cert_chain(directory / f"{server}.crt", directory / f"{server}.key")
    ours = ssl.create_default_context(cafile=str(directory / f"{authority}.crt"))
    ours.load_cert_chain(directory / f"{client}.crt", directory / f"{client}.key")
    for context in (theirs, ours):
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 does unasked
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [ours.wrap_bio(down, up, server_hostname=name), theirs.wrap_bio(up, down, server_side=True)]
    pending = list(sides)
    while pending:
        for side in list(pending):
            try:
                side.do_handshake()
                pending.remove(side)
            except ssl.SSLWantReadError:
                continue
