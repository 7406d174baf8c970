"""Generated passwords, keys and certificates of a deployment without an engine."""

import json
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store

from infra.generated import Placeholders, Stored

PASSWORD = "random:index/randomPassword:RandomPassword"
KEY = "tls:index/privateKey:PrivateKey"
SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
REQUEST = "tls:index/certRequest:CertRequest"
SIGNED = "tls:index/locallySignedCert:LocallySignedCert"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "generated.json"


def test_a_value_is_the_same_in_the_next_run_and_another_with_other_keepers(file):
    first = Stored(file).outputs(PASSWORD, "broker", {"length": 24, "keepers": {"rotation": "1"}})

    again = Stored(file).outputs(PASSWORD, "broker", {"length": 24, "keepers": {"rotation": "1"}})
    rotated = Stored(file).outputs(PASSWORD, "broker", {"length": 24, "keepers": {"rotation": "2"}})
    other_name = Stored(file).outputs(PASSWORD, "database", {"length": 24, "keepers": {"rotation": "1"}})

    assert again == first
    assert len({first["result"], rotated["result"], other_name["result"]}) == 3
    assert len(first["result"]) == 24
    assert Stored(file).outputs(PASSWORD, "broker", {"length": 24, "keepers": {"rotation": "2"}}) == rotated


def test_the_file_can_be_read_by_its_owner_only_from_the_first_write_on(file):
    stored = Stored(file)
    for name in ("one", "two"):
        stored.outputs(PASSWORD, name, {"length": 32})
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name], "no temporary file is left"
    assert len(json.loads(file.read_text())) == 2


def test_a_password_keeps_to_the_characters_asked_for(file):
    inputs = {"length": 40, "special": False, "upper": False, "minNumeric": 12}

    password = Stored(file).outputs(PASSWORD, "plain", inputs)["result"]

    assert password.isalnum()
    assert password == password.lower()
    assert sum(character.isdigit() for character in password) >= 12


def test_a_server_certificate_is_accepted_by_who_trusts_its_authority_and_for_its_names_only(file):
    stored = Stored(file)
    authority_key = stored.outputs(KEY, "ca", {"algorithm": "ECDSA", "ecdsaCurve": "P256"})
    authority = stored.outputs(
        SELF_SIGNED,
        "ca",
        {
            "privateKeyPem": authority_key["privateKeyPem"],
            "subject": {"commonName": "Airflow platform"},
            "isCaCertificate": True,
            "allowedUses": ["cert_signing", "crl_signing"],
            "validityPeriodHours": 24,
        },
    )
    key = stored.outputs(KEY, "redis", {"algorithm": "RSA"})
    request = stored.outputs(
        REQUEST,
        "redis",
        {
            "privateKeyPem": key["privateKeyPem"],
            "subject": {"commonName": "redis"},
            "dnsNames": ["redis.airflow.svc"],
            "ipAddresses": ["10.96.0.20"],
        },
    )
    certificate = stored.outputs(
        SIGNED,
        "redis",
        {
            "certRequestPem": request["certRequestPem"],
            "caCertPem": authority["certPem"],
            "caPrivateKeyPem": authority_key["privateKeyPem"],
            "allowedUses": ["server_auth", "digital_signature", "key_encipherment"],
            "validityPeriodHours": 12,
        },
    )

    leaf = x509.load_pem_x509_certificate(certificate["certPem"].encode())
    trusted = PolicyBuilder().store(Store([x509.load_pem_x509_certificate(authority["certPem"].encode())]))
    trusted.build_server_verifier(x509.DNSName("redis.airflow.svc")).verify(leaf, [])
    with pytest.raises(x509.verification.VerificationError):
        trusted.build_server_verifier(x509.DNSName("kafka.airflow.svc")).verify(leaf, [])
    assert leaf.public_key() == load_pem_private_key(key["privateKeyPemPkcs8"].encode(), None).public_key()
    ssl.create_default_context(cadata=authority["certPem"])


def test_a_certificate_is_renewed_when_it_gets_near_its_end(file):
    key = Stored(file).outputs(KEY, "ca", {"algorithm": "ED25519"})
    inputs = {"privateKeyPem": key["privateKeyPem"], "subject": {}, "allowedUses": [], "dnsNames": ["airflow"]}
    lasting = inputs | {"validityPeriodHours": 10, "earlyRenewalHours": 2}
    ending = inputs | {"validityPeriodHours": 10, "earlyRenewalHours": 10}

    def twice(name: str, inputs: dict) -> list[str]:
        return [Stored(file).outputs(SELF_SIGNED, name, inputs)["certPem"] for _ in range(2)]

    first, second = twice("lasting", lasting)
    assert first == second
    first, second = twice("ending", ending)
    assert first != second


def test_placeholders_are_the_same_everywhere_and_differ_by_name():
    inputs = {"algorithm": "RSA", "rsaBits": 3072}
    one = Placeholders().outputs(KEY, "signing", inputs)

    assert one == Placeholders().outputs(KEY, "signing", inputs)
    assert one["publicKeyPem"] != Placeholders().outputs(KEY, "other", inputs)["publicKeyPem"]
    assert one["privateKeyPem"] == "<tls:signing.privateKeyPem>"
