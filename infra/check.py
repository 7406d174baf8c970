"""Run the policy pack over recordings: by the pack's own server, with the requests that the engine would send."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pulumi
from google.protobuf.empty_pb2 import Empty  # ty: ignore[import-not-found] the generated module has no types
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from infra.recording import Recording, Registration

_START_SECONDS = 60
_NOT_RUN = "can't run policy"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class PolicyPackError(pulumi.RunError):
    """The pack did not start, failed while it ran, or its configuration doesn't fit it."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A violation of a policy, or (`level` "not run") a policy that could not run because a value was unknown."""

    policy: str
    level: str
    message: str
    urn: str
    """The resource; empty if the policy names none."""

    @property
    def blocks(self) -> bool:
        """Whether it fails the check. A policy that can't run in a preview lets through what it should stop."""
        return self.level in {"mandatory", "not run"}


def check(recordings: Sequence[Recording], *, pack: Path, config: Path | None = None) -> list[Finding]:
    """Run the pack in the directory `pack` over all recordings of one stack. Findings they share come once.

    `config`: file as for `--policy-pack-config`; one that doesn't exist counts as none. Raises PolicyPackError.
    """
    findings: set[Finding] = set()
    with _analyzer(pack, recordings[0]) as analyzer:
        settings = json.loads(config.read_text()) if config and config.exists() else {}
        analyzer.Configure(_configuration(analyzer.GetAnalyzerInfo(Empty()), settings))
        for recording in recordings:
            findings |= _analyzed(analyzer, recording)
    return sorted(findings)


def report(findings: Sequence[Finding]) -> str:
    """The findings as text, by policy."""
    if not findings:
        return "No policy is violated."
    lines = []
    for policy in sorted({finding.policy for finding in findings}):
        lines.append(f"{policy}:")
        for finding in findings:
            if finding.policy == policy:
                message = finding.message.replace("\n", "\n    ")
                lines.append(f"  [{finding.level}] {_resource(finding.urn)}{message}")
    blocking = sum(finding.blocks for finding in findings)
    return "\n".join([*lines, f"{len(findings)} findings, {blocking} of which block a deployment."])


def _resource(urn: str) -> str:
    """Type and logical name, to begin a line with; the types of the parents only make it long."""
    types, _, name = urn.partition("::")[2].partition("::")[2].partition("::")
    return f"{types.rpartition('$')[2]} {name}: " if urn else ""


@contextmanager
def _analyzer(pack: Path, recording: Recording) -> Generator[analyzer_pb2_grpc.AnalyzerStub]:
    """A stub to the pack's server, which is stopped at the end, whatever happens."""
    main = pack / "__main__.py"
    if not main.exists():
        raise PolicyPackError(f"There is no policy pack in {pack}: {main.name} is missing there.")
    environment = os.environ | {
        "PULUMI_PROJECT": recording.project,
        "PULUMI_STACK": recording.stack,
        "PULUMI_DRY_RUN": "true",
    }
    with tempfile.TemporaryFile("w+") as errors:
        server = subprocess.Popen(
            [sys.executable, "-u", str(main)],
            cwd=pack,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        late = threading.Timer(_START_SECONDS, server.kill)
        late.start()
        try:
            # Ends at once if the pack dies, since that closes its end.
            port = server.stdout.readline().strip() if server.stdout else ""
            late.cancel()
            if not port.isdigit():
                errors.seek(0)
                raise PolicyPackError(f"The policy pack in {pack} did not start. It said: {errors.read().strip()}")
            # Without a proxy: gRPC takes one from the environment even for this machine's own address.
            options = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        except grpc.RpcError as error:
            details = error.details() if isinstance(error, grpc.Call) else str(error)
            raise PolicyPackError(f"The policy pack in {pack} failed: {details}") from error
        finally:
            late.cancel()
            server.kill()
            server.communicate()


def _configuration(
    info: analyzer_pb2.AnalyzerInfo, settings: Mapping[str, Any]
) -> analyzer_pb2.ConfigureAnalyzerRequest:
    """Merge what the pack declares with a configuration file, as the CLI does: level and properties by policy.

    In the file a policy has a level ("advisory"), or an object with `enforcementLevel` and properties. The key `all`
    sets the level of the policies that have none of their own.
    """
    policies = {policy.name: policy for policy in info.policies}
    unknown = settings.keys() - policies.keys() - {"all"}
    if unknown:
        raise PolicyPackError(
            f"The policy configuration names {', '.join(sorted(unknown))}, which the pack does not have. It has: "
            f"{', '.join(sorted(policies))}."
        )
    request = analyzer_pb2.ConfigureAnalyzerRequest()
    for name, policy in policies.items():
        schema = MessageToDict(policy.configSchema.properties)
        own = _settings(settings.get(name, {}))
        level = own.pop("enforcementLevel", _settings(settings.get("all", {})).get("enforcementLevel"))
        properties = {key: rule["default"] for key, rule in schema.items() if "default" in rule}
        if name in info.initialConfig:
            properties |= MessageToDict(info.initialConfig[name].properties)
        properties |= own
        required = set(policy.configSchema.required)
        if not required <= properties.keys() <= schema.keys():
            raise PolicyPackError(
                f"The configuration of policy {name} has the keys {sorted(properties)}. It takes {sorted(schema)}, and "
                f"needs {sorted(required)}."
            )
        entry = request.policyConfig[name]
        entry.properties.update(properties)
        if level:
            entry.enforcementLevel = analyzer_pb2.EnforcementLevel.Value(level.upper())
        elif name in info.initialConfig:
            entry.enforcementLevel = info.initialConfig[name].enforcementLevel
        else:
            entry.enforcementLevel = policy.enforcementLevel
    return request


def _settings(value: str | Mapping[str, Any]) -> dict[str, Any]:
    return {"enforcementLevel": value} if isinstance(value, str) else dict(value)


def _analyzed(analyzer: analyzer_pb2_grpc.AnalyzerStub, recording: Recording) -> set[Finding]:
    by_urn = {registration.urn: registration for registration in recording.registrations}
    findings: set[Finding] = set()
    for registration in recording.registrations:
        request = analyzer_pb2.AnalyzeRequest(
            type=registration.type,
            urn=registration.urn,
            name=registration.name,
            options=_options(registration),
            provider=_provider(by_urn.get(registration.provider)),
        )
        request.properties.update(registration.inputs)
        findings |= {_finding(diagnostic, registration.urn) for diagnostic in analyzer.Analyze(request).diagnostics}
    stack = analyzer_pb2.AnalyzeStackRequest()
    for registration in recording.registrations:
        resource = stack.resources.add(
            type=registration.type,
            urn=registration.urn,
            name=registration.name,
            options=_options(registration),
            provider=_provider(by_urn.get(registration.provider)),
            parent=registration.parent,
            dependencies=registration.dependencies,
        )
        resource.properties.update(registration.outputs)
        for key, urns in registration.property_dependencies.items():
            resource.propertyDependencies[key].urns.extend(urns)
    return findings | {_finding(diagnostic, "") for diagnostic in analyzer.AnalyzeStack(stack).diagnostics}


def _options(registration: Registration) -> analyzer_pb2.AnalyzerResourceOptions:
    options = analyzer_pb2.AnalyzerResourceOptions(
        protect=registration.protect,
        ignoreChanges=registration.ignore_changes,
        deleteBeforeReplace=bool(registration.delete_before_replace),
        deleteBeforeReplaceDefined=registration.delete_before_replace is not None,
        additionalSecretOutputs=registration.additional_secret_outputs,
        aliases=registration.aliases,
        parent=registration.parent,
    )
    for name, duration in registration.custom_timeouts.items():
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))
        setattr(options.customTimeouts, name, seconds)
    return options


def _provider(registration: Registration | None) -> analyzer_pb2.AnalyzerProviderResource | None:
    if registration is None:
        return None
    provider = analyzer_pb2.AnalyzerProviderResource(
        type=registration.type, urn=registration.urn, name=registration.name
    )
    provider.properties.update(registration.inputs)
    return provider


def _finding(diagnostic: analyzer_pb2.AnalyzeDiagnostic, urn: str) -> Finding:
    level = analyzer_pb2.EnforcementLevel.Name(diagnostic.enforcementLevel).lower()
    if diagnostic.message.startswith(_NOT_RUN):
        level = "not run"
    return Finding(diagnostic.policyName, level, diagnostic.message, diagnostic.urn or urn)
