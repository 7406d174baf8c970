"""Every stack passes the policy pack, evaluated for real and as in a first preview."""

import pytest

from infra import offline


@pytest.mark.parametrize("stack", ["local", "prod"])
def test_no_policy_is_violated(stack: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = offline.main(["check", stack])
    assert code == 0, capsys.readouterr().out
