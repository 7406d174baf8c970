"""The policy pack's own process, asked over gRPC as the Pulumi engine asks it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
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
        return [policy.name for policy in self._stub.GetAnalyzerInfo(empty_pb2.Empty()).policies]

    def violations(self, objects: Objects) -> list[Violation]:
        """What every policy of the pack has to say of a stack of these objects."""
        found = []
        resources = []
        for name, (kind, props) in objects.items():
            properties = json_format.Parse(json.dumps(props), struct_pb2.Struct())
            identity = {"type": kind, "properties": properties, "name": name, "urn": f"urn:pulumi:t::t::{kind}::{name}"}
            found += self._stub.Analyze(analyzer_pb2.AnalyzeRequest(**identity)).diagnostics
            resources.append(analyzer_pb2.AnalyzerResource(**identity))
        found += self._stub.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources)).diagnostics
        return [
            Violation(each.policyName, each.message, each.enforcementLevel == analyzer_pb2.MANDATORY) for each in found
        ]

    @contextmanager
    def configured(self, configuration: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
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
def running(*command: str, cwd: Path) -> Iterator[Analyzer]:
    """Run Python with these arguments, which start the pack, until the context ends."""
    process = subprocess.Popen([sys.executable, "-u", *command], cwd=cwd, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = process.stdout.readline().strip()
        assert port.isdecimal(), f"the pack wrote {port!r} where the engine expects its port"
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Analyzer(analyzer_pb2_grpc.AnalyzerStub(channel))
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
