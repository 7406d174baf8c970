"""Deploy with the Pulumi engine: the stack as it is, in a project whose state is kept in the cache.

The project's files are copied, since `pulumi stack init` writes into the stack file that it finds.
"""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local.progress import step
from local.target import Target

REPOSITORY = Path(__file__).resolve().parent.parent


def available() -> bool:
    """Whether a Pulumi CLI is on the PATH. `AIRFLOW_PLATFORM_ENGINE=render` says not to use it."""
    return os.environ.get("AIRFLOW_PLATFORM_ENGINE") != "render" and shutil.which("pulumi") is not None


def up(target: Target) -> str:
    """`pulumi up` of the stack local, and what it changed. Raises RuntimeError with the engine's words."""
    project, environment = _project(target)
    with step("Deploying the stack local with Pulumi", "3 min"):
        _run(["pulumi", "stack", "select", "--create", "local"], project, environment)
        _run(["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"], project, environment)
    history = json.loads(_run(["pulumi", "stack", "history", "--json", "--page-size", "1"], project, environment))
    counts: Mapping[str, int] = history[0].get("resourceChanges", {})
    changed = [f"{count} {operation}d" for operation, count in sorted(counts.items()) if operation != "same"]
    return ", ".join(changed) or "nothing changed"


def destroy(target: Target) -> None:
    """`pulumi destroy` of the stack local, where it was deployed with Pulumi."""
    if (target.state / "pulumi" / "state").exists():
        project, environment = _project(target)
        with step("Removing the stack local with Pulumi", "1 min"):
            _run(["pulumi", "destroy", "--yes", "--stack", "local", "--non-interactive"], project, environment)


def export(target: Target) -> dict[str, Any]:
    """The deployed stack's state."""
    project, environment = _project(target)
    return json.loads(_run(["pulumi", "stack", "export", "--stack", "local"], project, environment))


def _project(target: Target) -> tuple[Path, dict[str, str]]:
    directory = target.state / "pulumi"
    state = directory / "state"
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    definition = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
    definition["main"] = str(REPOSITORY / "infra")
    definition["runtime"]["options"]["virtualenv"] = str(REPOSITORY / ".venv")
    definition["stackConfigDir"] = "."
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(definition))
    stack_file = directory / "Pulumi.local.yaml"
    stack = yaml.safe_load((REPOSITORY / "stacks" / "Pulumi.local.yaml").read_text())
    if stack_file.exists():
        # The salt that state's secrets are encrypted with.
        stack |= {"encryptionsalt": yaml.safe_load(stack_file.read_text()).get("encryptionsalt")}
    stack_file.write_text(yaml.safe_dump({key: value for key, value in stack.items() if value is not None}))
    passphrase = directory / "passphrase"
    if not passphrase.exists():
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(32))
    return directory, target.environment() | {
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def _run(command: list[str], project: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout
