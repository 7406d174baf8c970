"""Secrets and certificate authorities that the program makes and the state keeps encrypted."""

import base64
from collections.abc import Mapping

import pulumi
import pulumi_tls as tls
from pulumi import Input, Output
from pulumi_kubernetes.core.v1 import Secret

YEAR_HOURS = 365 * 24


def secret(
    name: str,
    *,
    namespace: str,
    contents: Mapping[str, Input[str]],
    control_plane: bool = True,
    secret_type: str = "Opaque",  # noqa: S107 (a kind of Secret, not one)
    opts: pulumi.ResourceOptions | None = None,
    resource_name: str | None = None,
) -> Secret:
    """A Kubernetes Secret with these contents.

    `control_plane`: labelled so that a policy can refuse any task pod that mounts or reads it.
    """
    # No empty labels: the API server drops them, and would see a change each time.
    labels = {"labels": {"airflow-platform/secret": "control-plane"}} if control_plane else {}
    return Secret(
        resource_name or name,
        metadata={"name": name, "namespace": namespace, **labels},
        type=secret_type,
        # Not `stringData`: a key removed from it would stay in the cluster's `data`.
        data={key: _base64(value) for key, value in sorted(contents.items())},
        opts=opts,
    )


def _base64(value: Input[str]) -> Output[str]:
    return Output.secret(value).apply(lambda text: base64.b64encode(text.encode()).decode())


class CertificateAuthority(pulumi.ComponentResource):
    """A self-signed authority for one server's certificates: its key (ECDSA P-256) and its certificate, ten years."""

    certificate: Output[str]
    """PEM."""
    key: Output[str]
    """PEM (SEC 1), secret."""

    def __init__(
        self, name: str, *, common_name: str, protect: bool, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`protect`: the engine refuses to delete the key."""
        super().__init__("airflow-platform:kubernetes:CertificateAuthority", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=protect)
        key = tls.PrivateKey(f"{name}-key", algorithm="ECDSA", ecdsa_curve="P256", opts=kept)
        certificate = tls.SelfSignedCert(
            f"{name}-certificate",
            private_key_pem=key.private_key_pem,
            subject={"common_name": common_name},
            allowed_uses=["cert_signing", "crl_signing", "digital_signature"],
            is_ca_certificate=True,
            # Without it Python 3.13 refuses the chain: it verifies strictly (RFC 5280, 4.2.1.1).
            set_authority_key_id=True,
            set_subject_key_id=True,
            validity_period_hours=10 * YEAR_HOURS,
            early_renewal_hours=YEAR_HOURS,
            opts=inside,
        )
        self.key = Output.secret(key.private_key_pem)
        self.certificate = certificate.cert_pem
        self.register_outputs({"certificate": self.certificate})
