"""Go programs in the cache: which are built again, and what a failed build leaves."""

from pathlib import Path

import pytest

from local import go_build, paths


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of one program, and a cache, of their own."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(go_build, "MODULES", tmp_path)
    made = tmp_path / "hello"
    made.mkdir()
    (made / "go.mod").write_text("module hello\n\ngo 1.24.0\n")
    (made / "main.go").write_text("package main\n\nfunc main() {}\n")
    return made


def test_what_is_in_the_program_decides_where_it_is_kept(module: Path) -> None:
    first = go_build.target("hello", ".", "hello")
    assert go_build.target("hello", ".", "hello") == first
    assert go_build.target("hello", ".", "hello", ldflags="-X main.version=1") != first
    (module / "main.go").write_text('package main\n\nfunc main() { println("hi") }\n')
    assert go_build.target("hello", ".", "hello") != first


def test_a_program_is_built_once(module: Path) -> None:
    program = go_build.build("hello", ".", "hello")
    built = program.stat().st_mtime_ns
    assert go_build.build("hello", ".", "hello") == program
    assert program.stat().st_mtime_ns == built


def test_a_failed_build_says_what_the_compiler_said_and_leaves_nothing(module: Path) -> None:
    (module / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(RuntimeError, match="undefined: undefined"):
        go_build.build("hello", ".", "hello")
    assert list((paths.cache() / "bin").iterdir()) == []
