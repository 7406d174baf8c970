"""What is generated is current: docs, goldens."""

from pathlib import Path

import pytest

from infra import docs, offline, render

REPOSITORY = Path(__file__).parents[2]
PAGES = docs.pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_program_says(name: str) -> None:
    assert (REPOSITORY / "docs" / name).read_text() == PAGES[name], "run `make docs`"


@pytest.mark.parametrize("stack", ["local", "prod"])
def test_the_render_of_a_stack_is_the_reviewed_one(stack: str) -> None:
    golden = REPOSITORY / "tests" / "goldens" / stack
    reviewed = {str(file.relative_to(golden)): file.read_text() for file in golden.rglob("*.yaml")}
    rendered = render.files(offline.evaluate(stack))
    assert sorted(rendered) == sorted(reviewed), "run `make goldens`, and review with `git diff`"
    for name, text in rendered.items():
        assert text == reviewed[name], f"{name} differs; run `make goldens`, and review with `git diff`"
