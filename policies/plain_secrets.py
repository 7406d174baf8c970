"""Secret values are in Secrets only, and no message of ours repeats one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.pods import Container, all_pods
from policies.rules import Resource, Settings, resource_policy
from policies.values import get, sequence

# The name of a secret ends with what it is: DB_PASSWORD, but neither TOKEN_TTL nor SECRET_NAME.
_NAME = (
    r"(?P<name>(?<![\w.-])[\w.-]*?(?:password|passwd|passphrase|pwd|secret|token|credentials?"
    r"|(?:access|api|auth|encryption|fernet|jwt|private|secret|session|signing)[_-]?key))"
)
_NAMES_A_SECRET = re.compile(rf"{_NAME}$", re.IGNORECASE)
_QUOTED = re.compile(rf"""{_NAME}["']?[ \t]*[:=][ \t]*(["'])(?P<value>[^"']*)\2""", re.IGNORECASE)
_BARE = re.compile(rf"""{_NAME}["']?[ \t]*[:=][ \t]*(?P<value>[^\s"',;&]+)""", re.IGNORECASE)

# A path, a shell's or a template's variable, a structure, a yes or no, nothing: it stands where a secret might.
_NO_SECRET = re.compile(
    r"([/${\[|>].*|os\.(environ|getenv).*|true|false|yes|no|on|off|null|none|~|)$", re.IGNORECASE | re.DOTALL
)

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_PRIVATE_JWK = re.compile(r'"kty"[^{}]*"d"\s*:|"d"\s*:[^{}]*"kty"')
_URL_WITH_PASSWORD = re.compile(r"\b[a-z0-9]+://[^\s/:@\"']*:(?P<value>[^\s/@\"']+)@", re.IGNORECASE)

_CHECKSUM = "checksum/"
"""Annotations with this prefix hold a digest of a secret, so that a pod restarts when it changes."""


def _secrets_stay_in_secrets(resource: Resource, _: Settings) -> Iterator[str]:
    for pod in all_pods(resource):
        for container in pod.containers():
            for message in _container_violations(container):
                yield f"{pod}: {container} {message} Write it into a Secret, and refer to that with `secretKeyRef`."
    if (resource.group, resource.kind) == ("core", "ConfigMap"):
        for message in _entry_violations(get(resource.props, "data"), "the key"):
            yield f"{resource} {message} Write it into a Secret."
    for path in (
        ("metadata",),
        ("spec", "template", "metadata"),
        ("spec", "jobTemplate", "spec", "template", "metadata"),
    ):
        for message in _entry_violations(get(resource.props, *path, "annotations"), "the annotation"):
            yield f"{resource} {message} Remove it: everybody who can see the object can read its annotations."


def _container_violations(container: Container) -> Iterator[str]:
    for variable in sequence(container.spec, "env"):
        name, value = get(variable, "name"), get(variable, "value")
        if isinstance(value, str):
            for found in found_in(str(name), value):
                yield f"has {found} in the variable `{name}`."
    for field in ("command", "args"):
        arguments = get(container.spec, field)
        previous = ""
        for argument in arguments if isinstance(arguments, list) else ():
            if isinstance(argument, str):
                for found in found_in(previous if previous.startswith("-") else "", argument):
                    yield f"has {found} in its `{field}`."
            previous = argument if isinstance(argument, str) else ""


def _entry_violations(entries: Any, what: str) -> Iterator[str]:
    for key, value in entries.items() if isinstance(entries, Mapping) else ():
        if isinstance(value, str) and not key.startswith(_CHECKSUM):
            for found in found_in(key, value):
                yield f"has {found} in {what} `{key}`."


def found_in(name: str, value: str) -> Iterator[str]:
    """What a text holds that belongs into a Secret, as messages call it."""
    if _PRIVATE_KEY.search(value) or _PRIVATE_JWK.search(value):
        yield "a private key"
    if any(not _NO_SECRET.match(url["value"]) for url in _URL_WITH_PASSWORD.finditer(value)):
        yield "a URL with a password"
    if _NAMES_A_SECRET.match(name.rpartition("/")[2]) and not _NO_SECRET.match(value):
        yield "a secret value"
        return
    # In Python, a bare word is an expression that may well read the secret from where it belongs.
    patterns = (_QUOTED,) if name.endswith(".py") else (_QUOTED, _BARE)
    names = {
        found["name"] for each in patterns for found in each.finditer(value) if not _NO_SECRET.match(found["value"])
    }
    yield from (f"a value for `{name}`" for name in sorted(names))


POLICIES = [
    resource_policy(
        "secrets-stay-in-secrets",
        "Passwords, tokens and keys are in Secrets: not in variables, arguments, ConfigMaps or annotations.",
        _secrets_stay_in_secrets,
    )
]
