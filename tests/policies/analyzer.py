"""The policy pack's own process, asked over gRPC as the Pulumi engine asks it."""

import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty  # ty: ignore[import-not-found] the generated module has no types
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

PACK = Path(__file__).resolve().parents[2] / "policies"

Objects = Mapping[str, tuple[str, Mapping[str, Any]]]
"""Objects by their Pulumi name: type on the wire, properties."""


@dataclass(frozen=True)
class Violation:
    """What the analyzer said of one object, or of the stack."""

    policy: str
    message: str
    mandatory: bool


class Analyzer:
    """A connection to a running policy pack."""

    def __init__(self, stub: analyzer_pb2_grpc.AnalyzerStub) -> None:
        self._stub = stub

    def policies(self) -> list[str]:
        """Names of all policies of the pack."""
        return [policy.name for policy in self._stub.GetAnalyzerInfo(Empty()).policies]

    def violations(self, objects: Objects) -> list[Violation]:
        """What every policy of the pack has to say of a stack of these objects."""
        found = []
        resources = []
        for name, (kind, props) in objects.items():
            urn = f"urn:pulumi:test::airflow-platform::{kind}::{name}"
            request = analyzer_pb2.AnalyzeRequest(type=kind, name=name, urn=urn)
            request.properties.update(props)
            found += self._stub.Analyze(request).diagnostics
            resource = analyzer_pb2.AnalyzerResource(type=kind, name=name, urn=urn, properties=request.properties)
            resources.append(resource)
        found += self._stub.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources)).diagnostics
        return [
            Violation(each.policyName, each.message, each.enforcementLevel == analyzer_pb2.MANDATORY) for each in found
        ]

    @contextmanager
    def configured(self, configuration: Mapping[str, Mapping[str, Any]]) -> Generator[None]:
        """Give policies these settings for the time being; they stay mandatory."""
        # The engine fills in the level of a policy that has settings only; over gRPC, none means advisory.
        request = {
            name: {"enforcementLevel": "MANDATORY", "properties": settings} for name, settings in configuration.items()
        }
        self._stub.Configure(json_format.ParseDict({"policyConfig": request}, analyzer_pb2.ConfigureAnalyzerRequest()))
        try:
            yield
        finally:
            self._stub.Configure(analyzer_pb2.ConfigureAnalyzerRequest())


@contextmanager
def running(*command: str, cwd: Path) -> Generator[Analyzer]:
    """Run Python with these arguments, which start the pack, until the context ends."""
    process = subprocess.Popen([sys.executable, "-u", *command], cwd=cwd, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = process.stdout.readline().strip()
        assert port.isdecimal(), f"the pack wrote {port!r} where the engine expects its port"
        # Without a proxy: gRPC takes one from the environment even for this machine's own address.
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            yield Analyzer(analyzer_pb2_grpc.AnalyzerStub(channel))
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
