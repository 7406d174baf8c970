"""The cluster that `make up` deploys to: the embedded one, kind, or one that the user names."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from local import paths

EMBEDDED = "embedded"
KIND = "kind"


class NoTargetError(RuntimeError):
    """There is no cluster to deploy to, and this machine can't bring one up. The message says what to do."""


@dataclass(frozen=True)
class Target:
    """A cluster, and how this machine reaches it."""

    name: str
    """`embedded`, `kind`, or a context of the user's kubeconfig."""
    kubeconfig: Path | None
    """None: the user's own."""
    context: str
    state: Path
    """Where the deployment's generated passwords and keys are kept."""

    def environment(self) -> dict[str, str]:
        """The process environment, with this cluster's kubeconfig."""
        return dict(os.environ) | ({"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {})


def choose(context: str | None) -> Target:
    """The user's `context` where one is named; else kind where Docker runs; else the embedded cluster.

    Raises NoTargetError.
    """
    if context:
        return Target(context, None, context, paths.cache() / "deployments" / context)
    if docker_runs():
        state = paths.cache() / "clusters" / "kind"
        return Target(KIND, state / "kubeconfig", "kind-airflow-platform", state)
    if sys.platform != "linux":
        raise NoTargetError(
            f"This machine runs {sys.platform} without Docker. Start Docker, name a cluster of your own with "
            "`make up CONTEXT=name`, or use a Linux machine as root."
        )
    return Target(EMBEDDED, paths.cluster() / "kubeconfig", "airflow-platform-local", paths.cluster())


def docker_runs() -> bool:
    """Whether a Docker engine answers, not only its client."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30).returncode == 0
