"""What a person sees of a step."""

import time

import pytest

from local import progress


def test_a_quick_step_is_one_line_with_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("Packing"):
        pass
    assert capsys.readouterr().out == "  Packing: done (0.0 s)\n"


def test_a_long_step_says_what_it_does_how_far_it_is_and_how_long_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.05)
    with progress.step("Building", "6 min") as step:
        step.update("3 of 9: kubelet")
        time.sleep(0.2)
    first, last = capsys.readouterr().out.splitlines()
    assert first == "  Building … 0.1 s of about 6 min, 3 of 9: kubelet"
    assert last == "  Building: done (0.2 s)"


def test_a_step_that_fails_says_so_and_lets_the_error_through(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), progress.step("Packing"):
        raise ValueError("no")
    assert capsys.readouterr().out == "  Packing: failed (0.0 s)\n"


def test_a_step_with_nothing_to_do_says_only_that(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("Packing") as step:
        step.cached()
    assert capsys.readouterr().out == "  Packing: cached\n"


@pytest.mark.parametrize(("elapsed", "said"), [(0.44, "0.4 s"), (12.3, "12 s"), (59.9, "60 s"), (185, "3 min 5 s")])
def test_times_are_rounded_for_a_person(elapsed: float, said: str) -> None:
    assert progress.seconds(elapsed) == said
