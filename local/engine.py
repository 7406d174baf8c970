"""Deploy with the Pulumi engine: the stack as it is, in a project whose state is kept in the cache.

The project's files are copied, since `pulumi stack init` writes into the stack file that it finds.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from local.progress import Step, step
from local.target import REPOSITORY, Target

STACK = "local"

# A line about a resource: ` +  kubernetes:core/v1:ConfigMap airflow-airflow-jwks creating (0s)`.
_RESOURCE = re.compile(r"^ *[-+~]+ +\S+:(?P<kind>\w+) (?P<name>\S+) (?P<doing>\w+ing)\b")


def available() -> bool:
    """Whether a Pulumi CLI is on the PATH. `AIRFLOW_PLATFORM_ENGINE=render` says not to use it."""
    return os.environ.get("AIRFLOW_PLATFORM_ENGINE") != "render" and shutil.which("pulumi") is not None


def up(target: Target) -> str:
    """`pulumi up` of the stack local, and what it changed. Raises RuntimeError with the engine's words.

    What is in the cluster is looked at first, so that what somebody removed by hand comes back.
    """
    with _project(target) as pulumi, step("Deploying the stack local with Pulumi", "2 min") as progress:
        pulumi.run("stack", "select", "--create", STACK)
        pulumi.unlock()
        pulumi.run("up", "--refresh", "--yes", "--skip-preview", progress=progress)
        pulumi.killed.unlink(missing_ok=True)
        history = json.loads(pulumi.run("stack", "history", "--json", "--page-size", "1"))
    counts: Mapping[str, int] = history[0].get("resourceChanges", {})
    changed = [f"{counts[what]} {what}d" for what in ("create", "update", "replace", "delete") if what in counts]
    return ", ".join(changed) or "nothing changed"


def destroy(target: Target) -> None:
    """`pulumi destroy` of the stack local, where it was deployed with Pulumi."""
    if not (_directory(target) / "state").exists():
        return
    with _project(target) as pulumi, step("Removing the stack local with Pulumi", "1 min") as progress:
        pulumi.unlock()
        pulumi.run("destroy", "--yes", "--skip-preview", "--stack", STACK, progress=progress)


def export(target: Target) -> dict[str, Any]:
    """The deployed stack's state, secrets encrypted."""
    with _project(target) as pulumi:
        return json.loads(pulumi.run("stack", "export", "--stack", STACK))


@dataclass(frozen=True)
class Pulumi:
    """The CLI, in a project with its state beside it, which nobody else uses meanwhile."""

    directory: Path
    environment: Mapping[str, str]
    held: IO[str]
    """The lock on the directory, which a process inherits that outlives us."""

    @property
    def killed(self) -> Path:
        """Is there from an update that was killed until one succeeds: meanwhile objects exist that no state knows."""
        return self.directory / "killed"

    def run(self, *arguments: str, progress: Step | None = None) -> str:
        """Its output. Raises RuntimeError where it fails."""
        command = ["pulumi", *arguments, "--non-interactive"]
        adopt = {"PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true"} if self.killed.exists() else {}
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                command,
                cwd=self.directory,
                env=dict(self.environment) | adopt,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                pass_fds=[self.held.fileno()],
            ) as process,
        ):
            assert process.stdout is not None
            try:
                output = "".join(_followed(process.stdout, progress))
            except KeyboardInterrupt:
                process.communicate()  # it got the same signal, ends what it began, and writes it down
                raise
            if process.wait() != 0:
                errors.seek(0)
                raise RuntimeError(f"`{' '.join(command)}` failed:\n{_diagnostics(output)}{errors.read()}")
        return output

    def unlock(self) -> None:
        """Remove the lock that an update left which was killed."""
        if any((self.directory / "state" / ".pulumi" / "locks").rglob("*.json")):
            self.killed.touch()
            self.run("cancel", "--yes", "--stack", STACK)


def _followed(lines: Iterable[str], progress: Step | None) -> Generator[str]:
    for line in lines:
        if progress and (found := _RESOURCE.match(line)):
            progress.update(f"{found['doing']} {found['kind']} {found['name']}")
        yield line


def _diagnostics(output: str) -> str:
    """What went wrong, without the log of each resource, and the traceback of the program that was stopped for it."""
    _, found, after = output.partition("Diagnostics:\n")
    if not found:
        return output
    listed = re.split(r"^(?:Outputs|Resources):$", after, flags=re.MULTILINE)[0]
    errors = [part for part in re.split(r"^(?=  \S+ \(.*\):$)", listed, flags=re.MULTILINE) if " error: " in part]
    of_resources = [part for part in errors if not part.startswith("  pulumi:pulumi:Stack ")]
    return "".join(of_resources or errors or [listed])


def _directory(target: Target) -> Path:
    return target.state / "pulumi"


@contextmanager
def _project(target: Target) -> Generator[Pulumi]:
    directory = _directory(target)
    (directory / "state").mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError("Another `make up` or `make down` uses Pulumi. Wait until it ends.") from error
        yield Pulumi(directory, _written(directory, target), held)


def _written(directory: Path, target: Target) -> dict[str, str]:
    """Write the project's files; returns the environment for the CLI."""
    definition = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
    definition["main"] = str(REPOSITORY / "infra")
    definition["runtime"]["options"]["virtualenv"] = sys.prefix
    definition["stackConfigDir"] = "."
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(definition))
    stack_file = directory / f"Pulumi.{STACK}.yaml"
    stack = yaml.safe_load((target.project / "stacks" / stack_file.name).read_text())
    if stack_file.exists():
        # The salt that the state's secrets are encrypted with.
        stack |= {"encryptionsalt": yaml.safe_load(stack_file.read_text()).get("encryptionsalt")}
    stack_file.write_text(yaml.safe_dump({key: value for key, value in stack.items() if value is not None}))
    passphrase = directory / "passphrase"
    if not passphrase.exists():
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(32))
    return target.environment() | {
        "PULUMI_BACKEND_URL": f"file://{directory / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
