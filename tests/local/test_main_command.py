"""What `python -m local` says before it does anything, when it is stopped, and when it is done."""

from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from infra import offline
from local import __main__ as command
from local import dag_changes, deploy, first_run, images, kind, removal, target
from local.cluster import embedded, preflight, programs
from local.debian import DebianTools
from local.target import EMBEDDED, KIND, Target


def _raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The embedded target, not up, on a machine where everything works but nothing is really started."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_CACHE", str(tmp_path))
    monkeypatch.delenv("CONTEXT", raising=False)
    chosen = Target(EMBEDDED, tmp_path / "kubeconfig", "airflow-platform-local", tmp_path / "state")
    monkeypatch.setattr(target, "choose", lambda context: chosen)
    monkeypatch.setattr(offline, "evaluate", lambda *_, **__: None)
    monkeypatch.setattr(embedded, "running", lambda: False)
    monkeypatch.setattr(preflight, "problems", list)
    monkeypatch.setattr(command, "_cluster_up", lambda target: None)
    monkeypatch.setattr(command, "_deploy", lambda target: "")
    monkeypatch.setattr(first_run, "run_hello", lambda target: "Hello, world!")
    monkeypatch.setattr(first_run, "ui_url", lambda target: "http://172.30.0.1:30080")
    built = programs.Programs(Path("/cache/bin/kubernetes"), Path("/cache/bin/etcd"), DebianTools(tmp_path))
    monkeypatch.setattr(programs, "build", lambda: built)
    return chosen


def test_all_that_the_machine_lacks_is_said_before_anything_is_built(
    here: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "problems", lambda: ["Run with sudo.", "Make room."])
    monkeypatch.setattr(command, "_cluster_up", _raising(AssertionError("something was built")))
    assert command.main(["up"]) == 1
    assert "- Run with sudo.\n- Make room." in capsys.readouterr().err


def test_a_mistake_in_the_stack_file_is_said_before_anything_is_built(
    here: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(offline, "evaluate", _raising(pulumi.RunError("airflow.imge is not a setting")))
    monkeypatch.setattr(command, "_cluster_up", _raising(AssertionError("something was built")))
    assert command.main(["up"]) == 1
    assert "airflow.imge is not a setting" in capsys.readouterr().err


def test_a_machine_whose_cluster_runs_is_not_judged_again(here: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "running", lambda: True)
    monkeypatch.setattr(preflight, "problems", lambda: ["Too little memory is free now."])
    assert command.main(["up"]) == 0


def test_up_ends_with_where_to_go_from_here(here: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["up"]) == 0
    said = capsys.readouterr().out
    assert "Nothing changed" in said
    assert "http://172.30.0.1:30080" in said
    assert "`make password`" in said
    assert f"/cache/bin/kubectl --kubeconfig {here.kubeconfig} get pods -A" in said
    assert said.endswith("make down\n")


def test_on_a_cluster_of_the_users_every_command_that_is_named_names_it(
    here: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    staging = Target("staging", None, "staging", here.state)
    monkeypatch.setattr(target, "choose", lambda context: staging)
    monkeypatch.setattr(command, "_check", lambda target: None)
    monkeypatch.setattr(command, "_deploy", lambda target: "63 created")
    assert command.main(["up", "--context", "staging"]) == 0
    said = capsys.readouterr().out
    assert "Deployed: 63 created." in said
    assert "kubectl --context staging --namespace airflow port-forward service/airflow-api-server 30080:http" in said
    assert "make password CONTEXT=staging" in said
    assert "make down CONTEXT=staging" in said


@pytest.mark.parametrize(
    ("arguments", "next_step"),
    [
        (["up"], "`make up` continues from here; `make down` removes what there is."),
        (["up", "--context", "a"], "`make up CONTEXT=a` continues from here; `make down CONTEXT=a` removes"),
        (["down"], "`make down` removes what is left."),
    ],
)
def test_an_interrupted_command_says_what_to_do_next(
    here: Target,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    next_step: str,
) -> None:
    monkeypatch.setattr(command, "_run", _raising(KeyboardInterrupt()))
    assert command.main(arguments) == 130
    assert next_step in capsys.readouterr().err


def test_a_mistake_of_ours_is_not_dressed_up(here: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_run", _raising(KeyError("x")))
    with pytest.raises(KeyError):
        command.main(["up"])


@pytest.mark.parametrize(
    ("deployed", "restarted", "changes"),
    [
        ("nothing changed", [], ""),
        ("9 changed", [], "9 changed"),
        ("nothing changed", ["scheduler"], "1 process restarted with the new image"),
        ("9 changed", ["scheduler", "triggerer"], "9 changed, 2 processes restarted with the new image"),
    ],
)
def test_what_changed_is_the_stack_and_what_runs_a_new_image(
    here: Target, monkeypatch: pytest.MonkeyPatch, deployed: str, restarted: list[str], changes: str
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(deploy, "deploy", lambda target: deployed)
    monkeypatch.setattr(images, "ensure", lambda: [None])
    monkeypatch.setattr(dag_changes, "restart_stale", lambda target, image: restarted)
    assert command._deploy(here) == changes


@pytest.mark.parametrize("name", [EMBEDDED, KIND, "staging"])
def test_down_where_nothing_is_up_says_so(
    here: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setattr(target, "choose", lambda context: Target(name, None, name, here.state))
    monkeypatch.setattr(kind, "exists", lambda: False)
    monkeypatch.setattr(removal, "remove", lambda target: False)
    assert command.main(["down"]) == 0
    assert "Nothing is up" in capsys.readouterr().out
