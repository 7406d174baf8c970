"""The values that the random and tls providers make: placeholders for a render, real ones for a deployment."""

import base64
import datetime
import hashlib
import json
import os
import secrets
import string
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from infra import generated_tls

Outputs = dict[str, Any]


class Generated(Protocol):
    """A source of what `random:*` and `tls:*` resources compute."""

    def outputs(self, type_: str, name: str, inputs: Mapping[str, Any]) -> Outputs:
        """Computed outputs of one resource, by their names on the wire. May hold `id`.

        ValueError for a type that this module does not know.
        """
        ...


class Placeholders:
    """Readable text such as `<random:fernet-key.result>`: the same on every machine, and of no use to anyone.

    Only public keys are real ones, since programs compute a JWKS from them. They are derived from the name.
    """

    def outputs(self, type_: str, name: str, inputs: Mapping[str, Any]) -> Outputs:
        _maker(type_)
        package = type_.partition(":")[0]
        placeholders: Outputs = {key: f"<{package}:{name}.{key}>" for key in _TEXTS[type_]}
        if "publicKeyPem" in placeholders:
            placeholders["publicKeyPem"] = generated_tls.placeholder_public_key(name, inputs)
        return placeholders


class Stored:
    """Real values, made once and kept in a JSON file that only its owner may read (mode 0600).

    Kept by type and logical name. Other inputs (other `keepers`, say) give a new value, as with the real providers;
    so does a certificate that is within its `earlyRenewalHours` of expiry.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}

    def outputs(self, type_: str, name: str, inputs: Mapping[str, Any]) -> Outputs:
        make = _maker(type_)
        key = f"{type_} {name}"
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        entry = self._entries.get(key)
        if entry is None or entry["inputs"] != digest or _expires(entry["outputs"], inputs):
            self._entries[key] = {"inputs": digest, "outputs": make(inputs)}
            self._write()
        return self._entries[key]["outputs"]

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp gives mode 0600 from the start, and the rename is atomic: no reader sees half a file.
        handle, temporary = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}.")
        with os.fdopen(handle, "w") as stream:
            json.dump(self._entries, stream, indent=1, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(self._file)


def _expires(outputs: Outputs, inputs: Mapping[str, Any]) -> bool:
    if "validityEndTime" not in outputs:
        return False
    early = datetime.timedelta(hours=inputs.get("earlyRenewalHours", 0))
    return datetime.datetime.fromisoformat(outputs["validityEndTime"]) - early <= datetime.datetime.now(datetime.UTC)


def _password(inputs: Mapping[str, Any]) -> Outputs:
    classes = {
        "Lower": string.ascii_lowercase if inputs.get("lower", True) else "",
        "Upper": string.ascii_uppercase if inputs.get("upper", True) else "",
        "Numeric": string.digits if inputs.get("numeric", inputs.get("number", True)) else "",
        "Special": inputs.get("overrideSpecial", "!@#$%&*()-_=+[]{}<>:?") if inputs.get("special", True) else "",
    }
    required = [
        secrets.choice(characters) for name, characters in classes.items() for _ in range(inputs.get(f"min{name}", 0))
    ]
    anything = "".join(classes.values())
    characters = required + [secrets.choice(anything) for _ in range(inputs["length"] - len(required))]
    secrets.SystemRandom().shuffle(characters)
    return {"id": "none", "result": "".join(characters)}


def _id(inputs: Mapping[str, Any]) -> Outputs:
    value = secrets.token_bytes(inputs["byteLength"])
    prefix = inputs.get("prefix", "")
    url = base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    return {
        "id": url,
        "b64Std": prefix + base64.b64encode(value).decode(),
        "b64Url": prefix + url,
        "dec": f"{prefix}{int.from_bytes(value)}",
        "hex": prefix + value.hex(),
    }


# Without RandomBytes, so that a program which uses it is refused: its id is its value, and no diff hides an id.
_MAKERS: dict[str, Callable[[Mapping[str, Any]], Outputs]] = {
    "random:index/randomPassword:RandomPassword": _password,
    "random:index/randomId:RandomId": _id,
    "tls:index/privateKey:PrivateKey": generated_tls.private_key,
    "tls:index/selfSignedCert:SelfSignedCert": generated_tls.self_signed_certificate,
    "tls:index/certRequest:CertRequest": generated_tls.certificate_request,
    "tls:index/locallySignedCert:LocallySignedCert": generated_tls.locally_signed_certificate,
}

_TEXTS = {
    "random:index/randomPassword:RandomPassword": ("result",),
    "random:index/randomId:RandomId": ("b64Std", "b64Url", "dec", "hex"),
    "tls:index/privateKey:PrivateKey": generated_tls.PRIVATE_KEY_OUTPUTS,
    "tls:index/selfSignedCert:SelfSignedCert": generated_tls.CERTIFICATE_OUTPUTS,
    "tls:index/certRequest:CertRequest": ("certRequestPem", "keyAlgorithm"),
    "tls:index/locallySignedCert:LocallySignedCert": generated_tls.CERTIFICATE_OUTPUTS,
}


def _maker(type_: str) -> Callable[[Mapping[str, Any]], Outputs]:
    if type_ not in _MAKERS:
        raise ValueError(
            f"Offline, no value can be made for {type_}: infra/generated.py knows {', '.join(sorted(_MAKERS))}. "
            "Use one of these, or add it there."
        )
    return _MAKERS[type_]
