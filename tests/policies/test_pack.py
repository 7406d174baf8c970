"""Each policy, through the pack's own gRPC server: a small stack passes all of them, and one change violates one."""

from pathlib import Path

import pytest

from tests.policies.analyzer import PACK, Analyzer, running
from tests.policies.mutations import MUTATIONS, Change
from tests.policies.objects import changed, stack


def test_a_well_made_stack_violates_no_policy(analyzer: Analyzer) -> None:
    assert analyzer.violations(stack()) == []


@pytest.mark.parametrize(
    ("policy", "change"),
    [
        pytest.param(policy, change, id=f"{policy}: {change[1]} {'.'.join(map(str, change[2]))}")
        for policy, changes in MUTATIONS.items()
        for change in changes
    ],
)
def test_a_change_violates_exactly_the_policy_that_it_should(analyzer: Analyzer, policy: str, change: Change) -> None:
    says, name, path, value = change

    violations = analyzer.violations(changed(stack(), name, path, value))

    assert {violation.policy for violation in violations} == {policy}
    assert all(violation.mandatory for violation in violations)
    assert any(says in violation.message for violation in violations), violations
    assert not any("never-shown" in violation.message for violation in violations)


def test_every_policy_of_the_pack_is_violated_by_some_change(analyzer: Analyzer) -> None:
    assert sorted(analyzer.policies()) == sorted(MUTATIONS)


def test_the_pack_runs_as_a_script_from_any_directory(tmp_path: Path, analyzer: Analyzer) -> None:
    with running(str(PACK / "__main__.py"), cwd=tmp_path) as other:
        assert other.policies() == analyzer.policies()
