"""Serves the policy pack to the Pulumi engine over gRPC; the port is the first line on standard output.

By hand: `pulumi preview --policy-pack policies --policy-pack-config policies/config/dev.json`.
"""

import sys
from pathlib import Path

from pulumi_policy import EnforcementLevel, PolicyPack

# The engine starts this file from within its folder, where `policies` isn't importable.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.pack import POLICIES

# The constructor serves until the process is ended.
PolicyPack(name="airflow-platform", policies=POLICIES, enforcement_level=EnforcementLevel.MANDATORY)
