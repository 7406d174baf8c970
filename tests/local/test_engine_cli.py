"""How the Pulumi CLI is used, with a stand-in for it that writes down how it was called."""

import json
import os
import sys
from pathlib import Path

import pytest

from local import engine
from local.target import REPOSITORY, Target

STAND_IN = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path

here = Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(json.dumps([sys.argv[1:], os.environ.get("PULUMI_K8S_UPSERT_EXISTING_OBJECTS")]) + "\\n")
if sys.argv[1] == "up":
    print((here / "up.txt").read_text())
    sys.exit((here / "up.txt").read_text().startswith("Updating"))
if sys.argv[1] == "cancel":
    for lock in Path.cwd().rglob("locks/**/*.json"):
        lock.unlink()
if sys.argv[1:3] == ["stack", "history"]:
    print(json.dumps([{{"resourceChanges": {{"same": 80, "create": 2, "create-replacement": 1, "replace": 1}}}}]))
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directory of the stand-in, which is first on the PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "pulumi").write_text(STAND_IN)
    (directory / "pulumi").chmod(0o755)
    (directory / "up.txt").write_text("")
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    return directory


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """The embedded cluster, as far as the engine needs it."""
    return Target("embedded", tmp_path / "kubeconfig", "airflow-platform-local", tmp_path / "state")


def _calls(cli: Path) -> list[tuple[str, str | None]]:
    """The commands, and whether objects that exist were to be adopted."""
    lines = (cli / "calls").read_text().splitlines()
    return [(arguments[0], adopts) for arguments, adopts in map(json.loads, lines)]


def test_an_update_says_what_it_changed(cli: Path, target: Target) -> None:
    assert engine.up(target) == "2 created, 1 replaced"


def test_a_failed_update_shows_what_went_wrong_and_not_the_log_of_each_resource(cli: Path, target: Target) -> None:
    (cli / "up.txt").write_text(
        "Updating (local):\n +  kubernetes:core/v1:ConfigMap a creating (0s)\n"
        "Diagnostics:\n"
        "  pulumi:pulumi:Stack (airflow-platform-local):\n    Traceback (most recent call last):\n    error: failed\n"
        "  kubernetes:batch/v1:Job (airflow-migration):\n    error: the Job failed\n"
        "Outputs:\n    airflow_url: x\n\nResources:\n    1 errored\n"
    )
    with pytest.raises(RuntimeError) as refused:
        engine.up(target)
    assert str(refused.value).splitlines()[1:] == [
        "  kubernetes:batch/v1:Job (airflow-migration):",
        "    error: the Job failed",
    ]


def test_what_the_program_itself_says_is_shown(cli: Path, target: Target) -> None:
    (cli / "up.txt").write_text(
        "Updating (local):\nDiagnostics:\n  pulumi:pulumi:Stack (airflow-platform-local):\n"
        "    error: airflow.exekutor is not a setting\nResources:\n    1 errored\n"
    )
    with pytest.raises(RuntimeError, match=r"airflow\.exekutor is not a setting"):
        engine.up(target)


def test_after_a_killed_update_the_next_ones_adopt_what_exists_until_one_succeeds(cli: Path, target: Target) -> None:
    engine.up(target)
    lock = target.state / "pulumi/state/.pulumi/locks/organization/airflow-platform/local/lock.json"
    lock.parent.mkdir(parents=True)
    lock.write_text("{}")
    (cli / "calls").unlink()
    (cli / "up.txt").write_text("Updating (local):\n")
    with pytest.raises(RuntimeError):
        engine.up(target)
    (cli / "up.txt").write_text("")
    engine.up(target)
    engine.up(target)
    assert [call for call in _calls(cli) if call[0] in ("cancel", "up")] == [
        ("cancel", "true"),
        ("up", "true"),
        ("up", "true"),
        ("up", None),
    ]


def test_two_commands_at_once_do_not_both_use_the_state(cli: Path, target: Target) -> None:
    with engine._project(target), pytest.raises(RuntimeError, match="Wait until it ends"):
        engine.up(target)


def test_the_salt_of_the_states_secrets_survives_a_change_of_the_stack_file(cli: Path, target: Target) -> None:
    engine.up(target)
    stack_file = target.state / "pulumi" / "Pulumi.local.yaml"
    stack_file.write_text(f"encryptionsalt: v1:made-by-pulumi\n{stack_file.read_text()}")
    engine.up(target)
    assert "encryptionsalt: v1:made-by-pulumi" in stack_file.read_text()
    assert "encryptionsalt" not in (REPOSITORY / "stacks" / "Pulumi.local.yaml").read_text()
