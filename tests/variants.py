"""Stacks that differ from the project's own in a few settings."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[1]


def variant(stack: str, change: Callable[[dict[str, Any]], None], directory: Path) -> Path:
    """A project in `directory` with this stack alone, its configuration changed in place by `change`."""
    (directory / "stacks").mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "Pulumi.yaml", directory)
    content = yaml.safe_load((REPOSITORY / "stacks" / f"Pulumi.{stack}.yaml").read_text())
    change(content["config"])
    (directory / "stacks" / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(content))
    return directory
