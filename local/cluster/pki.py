"""Certificates of the embedded cluster: three authorities, so that what one signs opens nothing of the others."""

import ipaddress
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.cluster.addresses import API_SERVICE_IP, CLUSTER_DOMAIN, LOOPBACK, NODE_IP, NODE_NAME

_VALID_DAYS = 3650  # a cluster to try things on is never rotated; it is taken down
_API_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{CLUSTER_DOMAIN}",
    "localhost",
)


@dataclass(frozen=True)
class Client:
    """Who a client certificate says its holder is: Kubernetes reads the user from CN and the group from O."""

    user: str
    group: str = ""


CLIENTS = {
    "admin": Client("airflow-platform-admin", "system:masters"),
    "kube-apiserver-kubelet-client": Client("kube-apiserver-kubelet-client", "system:masters"),
    "kube-controller-manager": Client("system:kube-controller-manager"),
    "kube-scheduler": Client("system:kube-scheduler"),
    "kube-proxy": Client("system:kube-proxy"),
    "kubelet": Client(f"system:node:{NODE_NAME}", "system:nodes"),
    "network-policy": Client("airflow-platform:network-policy"),
}


class Authority:
    """A certificate authority that writes what it signs into one directory as `<name>.crt` and `<name>.key`."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"airflow-platform-{name}")])
        self._certificate = (
            _builder(subject, subject, self._key.public_key(), self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        _write(directory, name, self._certificate, self._key)

    def server(self, name: str, addresses: Sequence[str], names: Sequence[str] = ()) -> None:
        """Sign a certificate for a server, which etcd also shows to its peers as a client."""
        alternatives = [
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
            *(x509.DNSName(dns) for dns in names),
        ]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        self._sign(name, Client(name), usages, x509.SubjectAlternativeName(alternatives))

    def client(self, name: str, client: Client) -> None:
        """Sign a certificate for a client."""
        self._sign(name, client, [ExtendedKeyUsageOID.CLIENT_AUTH], None)

    def _sign(
        self,
        name: str,
        subject: Client,
        usages: list[x509.ObjectIdentifier],
        alternatives: x509.SubjectAlternativeName | None,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject.user)]
        if subject.group:
            attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.group))
        issuer = self._certificate.subject
        builder = (
            _builder(x509.Name(attributes), issuer, key.public_key(), self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        if alternatives:
            builder = builder.add_extension(alternatives, critical=False)
        _write(self._directory, name, builder.sign(self._key, hashes.SHA256()), key)


def create(directory: Path) -> None:
    """Write all certificates and keys into `directory`, whole or not at all; does nothing when it is there."""
    if directory.exists():
        return
    scratch = directory.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700, parents=True)
    cluster = Authority(scratch, "ca")
    cluster.server("kube-apiserver", [NODE_IP, API_SERVICE_IP, "127.0.0.1"], _API_NAMES)
    cluster.server("kubelet-server", [NODE_IP], [NODE_NAME])
    for name, client in CLIENTS.items():
        cluster.client(name, client)
    etcd = Authority(scratch, "etcd-ca")
    etcd.server("etcd", [LOOPBACK])
    etcd.client("etcd-client", Client("kube-apiserver"))
    front_proxy = Authority(scratch, "front-proxy-ca")
    front_proxy.client("front-proxy-client", Client("front-proxy-client"))
    _write_key(scratch / "service-accounts.key", ec.generate_private_key(ec.SECP256R1()))
    scratch.rename(directory)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """A certificate with the key identifiers that Python 3.13's and others' strict verification asks for."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # containers' and virtual machines' clocks differ
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(directory: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(directory / f"{name}.key", key)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    # Kubernetes reads no elliptic curve key for service accounts in the newer PKCS #8.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
