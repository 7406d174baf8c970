"""Run the policy pack over recordings: by the pack's own server, with the requests that the engine would send."""

import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi.runtime.proto.analyzer_pb2 import EnforcementLevel

from infra.recording import Recording, Registration

_START_SECONDS = 60
_LEVELS = {"advisory": 0, "mandatory": 1, "disabled": 2, "remediate": 3}
_NOT_RUN = "can't run policy"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class PolicyPackError(RuntimeError):
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
        analyzer.Configure(_configuration(analyzer.GetAnalyzerInfo(_Empty()), settings))
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
                resource = finding.urn.partition("::")[2].partition("::")[2].replace("::", " ")
                message = finding.message.replace("\n", "\n    ")
                lines.append(f"  [{finding.level}] {resource + ': ' if resource else ''}{message}")
    blocking = sum(finding.blocks for finding in findings)
    return "\n".join([*lines, f"{len(findings)} findings, {blocking} of which block a deployment."])
