"""Keys, certificate requests and certificates as the tls provider makes them, from its inputs to its outputs."""

import datetime
import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PRIVATE_KEY_OUTPUTS: Final = (
    "privateKeyPem",
    "privateKeyPemPkcs8",
    "privateKeyOpenssh",
    "publicKeyPem",
    "publicKeyOpenssh",
)
CERTIFICATE_OUTPUTS: Final = ("certPem", "keyAlgorithm", "validityStartTime", "validityEndTime")

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_Inputs = Mapping[str, Any]
_Outputs = dict[str, Any]

_CURVES: Final = {"P224": ec.SECP224R1, "P256": ec.SECP256R1, "P384": ec.SECP384R1, "P521": ec.SECP521R1}
_SUBJECT: Final = {
    "commonName": NameOID.COMMON_NAME,
    "country": NameOID.COUNTRY_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "postalCode": NameOID.POSTAL_CODE,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
}
_KEY_USAGES: Final = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}
_EXTENDED_USAGES: Final = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
}


def private_key(inputs: _Inputs) -> _Outputs:
    """A new key: RSA (2048 bits unless `rsaBits`), ECDSA (P224 unless `ecdsaCurve`) or ED25519."""
    key = _new_key(inputs)
    public = key.public_key()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    # SEC1 and PKCS#1 for ECDSA and RSA, as the provider writes them; Ed25519 has only PKCS#8.
    is_edwards = isinstance(key, ed25519.Ed25519PrivateKey)
    traditional = pkcs8 if is_edwards else serialization.PrivateFormat.TraditionalOpenSSL
    outputs = {
        "privateKeyPem": key.private_bytes(pem, traditional, plain),
        "privateKeyPemPkcs8": key.private_bytes(pem, pkcs8, plain),
        "publicKeyPem": public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo),
    }
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp224r1"):  # unknown to OpenSSH
        openssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        outputs["privateKeyOpenssh"] = key.private_bytes(pem, serialization.PrivateFormat.OpenSSH, plain)
        outputs["publicKeyOpenssh"] = public.public_bytes(*openssh) + b"\n"
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"id": hashlib.sha256(der).hexdigest()} | {name: value.decode() for name, value in outputs.items()}


def placeholder_public_key(name: str, inputs: _Inputs) -> str:
    """A public key (PEM) of the kind asked for, derived from the name. For RSA, no private key belongs to it."""
    public: _PublicKey
    if inputs["algorithm"] == "RSA":
        size = inputs.get("rsaBits", 2048) // 8
        modulus = bytearray(hashlib.shake_256(name.encode()).digest(size))
        modulus[0] |= 0x80
        modulus[-1] |= 1
        public = rsa.RSAPublicNumbers(65537, int.from_bytes(modulus)).public_key()
    elif inputs["algorithm"] == "ECDSA":
        seed = int.from_bytes(hashlib.shake_256(name.encode()).digest(27))
        public = ec.derive_private_key(seed, _curve(inputs)).public_key()
    else:
        seed = hashlib.sha256(name.encode()).digest()
        public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def self_signed_certificate(inputs: _Inputs) -> _Outputs:
    """A certificate for the key in `privateKeyPem`, signed by that key."""
    key = _load(inputs["privateKeyPem"])
    subject = _subject(inputs)
    builder = _certificate(inputs, subject, key.public_key()).issuer_name(subject)
    builder = _with_names(builder, _names(inputs), critical=not subject)
    if inputs.get("setAuthorityKeyId"):
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
    return _signed(builder, key, key.public_key())


def certificate_request(inputs: _Inputs) -> _Outputs:
    """A request to sign the key in `privateKeyPem` for the subject and the names given."""
    key = _load(inputs["privateKeyPem"])
    subject = _subject(inputs)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    names = _names(inputs)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(key, _hash(key)).public_bytes(serialization.Encoding.PEM).decode()
    return {
        "id": hashlib.sha256(pem.encode()).hexdigest(),
        "certRequestPem": pem,
        "keyAlgorithm": _algorithm(key.public_key()),
    }


def locally_signed_certificate(inputs: _Inputs) -> _Outputs:
    """A certificate for the request in `certRequestPem`, signed by the authority in `caCertPem`, `caPrivateKeyPem`."""
    request = x509.load_pem_x509_csr(inputs["certRequestPem"].encode())
    authority = x509.load_pem_x509_certificate(inputs["caCertPem"].encode())
    public = _public(request.public_key())
    builder = _certificate(inputs, request.subject, public).issuer_name(authority.subject)
    for extension in request.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            builder = _with_names(builder, list(extension.value), critical=not request.subject)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(authority.public_key()))
    return _signed(builder.add_extension(identifier, critical=False), _load(inputs["caPrivateKeyPem"]), public)


def _new_key(inputs: _Inputs) -> _PrivateKey:
    match inputs["algorithm"]:
        case "RSA":
            return rsa.generate_private_key(65537, inputs.get("rsaBits", 2048))
        case "ECDSA":
            return ec.generate_private_key(_curve(inputs))
        case "ED25519":
            return ed25519.Ed25519PrivateKey.generate()
        case other:
            raise ValueError(f"The key algorithm {other!r} does not exist: use RSA, ECDSA or ED25519.")


def _curve(inputs: _Inputs) -> ec.EllipticCurve:
    return _CURVES[inputs.get("ecdsaCurve", "P224")]()


def _load(pem: str) -> _PrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, _PrivateKey):
        raise ValueError(f"A {type(key).__name__} can't sign here: use an RSA, ECDSA or ED25519 key.")
    return key


def _public(key: object) -> _PublicKey:
    if not isinstance(key, _PublicKey):
        raise ValueError(f"A {type(key).__name__} can't be certified here: use an RSA, ECDSA or ED25519 key.")
    return key


def _algorithm(key: _PublicKey) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePublicKey) else "ED25519"


def _hash(key: _PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _subject(inputs: _Inputs) -> x509.Name:
    subject = inputs.get("subject", {})
    return x509.Name([x509.NameAttribute(oid, subject[key]) for key, oid in _SUBJECT.items() if key in subject])


def _names(inputs: _Inputs) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(name) for name in inputs.get("dnsNames", [])),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in inputs.get("ipAddresses", [])),
        *(x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris", [])),
    ]


def _with_names(
    builder: x509.CertificateBuilder, names: Sequence[x509.GeneralName], *, critical: bool
) -> x509.CertificateBuilder:
    return builder.add_extension(x509.SubjectAlternativeName(names), critical) if names else builder


def _certificate(inputs: _Inputs, subject: x509.Name, public: _PublicKey) -> x509.CertificateBuilder:
    start = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    uses = set(inputs["allowedUses"])
    unknown = uses - _KEY_USAGES.keys() - _EXTENDED_USAGES.keys()
    if unknown:
        known = ", ".join(sorted(_KEY_USAGES | _EXTENDED_USAGES))
        raise ValueError(f"Unknown use of a certificate: {', '.join(sorted(unknown))}. Known here are {known}.")
    is_authority = inputs.get("isCaCertificate", False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(hours=inputs["validityPeriodHours"]))
        .add_extension(x509.BasicConstraints(is_authority, inputs.get("maxPathLength")), critical=True)
    )
    usages = {argument: use in uses for use, argument in _KEY_USAGES.items()}
    if any(usages.values()):
        builder = builder.add_extension(x509.KeyUsage(**usages), critical=True)
    extended = [oid for use, oid in _EXTENDED_USAGES.items() if use in uses]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if is_authority or inputs.get("setSubjectKeyId"):
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    return builder


def _signed(builder: x509.CertificateBuilder, signer: _PrivateKey, public: _PublicKey) -> _Outputs:
    certificate = builder.sign(signer, _hash(signer))
    return {
        "id": str(certificate.serial_number),
        "certPem": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "keyAlgorithm": _algorithm(public),
        "readyForRenewal": False,
        "validityStartTime": certificate.not_valid_before_utc.isoformat(),
        "validityEndTime": certificate.not_valid_after_utc.isoformat(),
    }
