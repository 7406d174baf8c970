"""A stack file that can't be read."""

import shutil
from pathlib import Path

import pytest

from infra import stack_config

REPOSITORY = Path(__file__).parents[2]


def test_a_file_that_is_not_yaml_is_named_with_the_line(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "Pulumi.yaml", tmp_path)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text("config:\n  airflow-platform:cluster:\n    names: [unclosed\n")
    with pytest.raises(stack_config.UnreadableStackError, match=r"Pulumi\.dev\.yaml, line \d: this is not YAML"):
        stack_config.load("dev", tmp_path)
