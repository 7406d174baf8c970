"""The cluster that `make up` deploys to: the embedded one, kind, or one that the user names."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from local import paths

EMBEDDED = "embedded"
KIND = "kind"
KIND_CLUSTER = "airflow-platform"
REPOSITORY = Path(__file__).resolve().parent.parent


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
    variant: Path | None = None
    """Directory of a project to deploy instead of the repository's own."""

    @property
    def embedded(self) -> bool:
        """Whether it is the embedded cluster, which the stack file is written for."""
        return self.name == EMBEDDED

    @property
    def project(self) -> Path:
        """Directory of Pulumi.yaml and the stack files: the repository, or what `variant.write` makes of it."""
        return self.variant or (REPOSITORY if self.embedded else self.state / "project")

    def environment(self) -> dict[str, str]:
        """The process environment, with this cluster's kubeconfig."""
        return dict(os.environ) | ({"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {})


def choose(context: str | None) -> Target:
    """The user's `context` where one is named; else the embedded cluster where it is up already or Docker does not
    run; else kind.

    Raises NoTargetError.
    """
    if context:
        return _named(context)
    embedded = Target(EMBEDDED, paths.cluster() / "kubeconfig", "airflow-platform-local", paths.cluster())
    if embedded.state.exists():
        return embedded  # Docker may have been started since
    if docker_runs():
        state = paths.cache() / "clusters" / "kind"
        return Target(KIND, state / "kubeconfig", f"kind-{KIND_CLUSTER}", state)
    if sys.platform != "linux":
        raise NoTargetError(
            f"This machine runs {sys.platform} without Docker. Start Docker, name a cluster of your own with "
            "`make up CONTEXT=name`, or use a Linux machine as root."
        )
    return embedded


def docker_runs() -> bool:
    """Whether a Docker engine answers, not only its client."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _named(context: str) -> Target:
    from kubernetes import config  # costs a second, which the embedded cluster need not pay here

    try:
        contexts = [each["name"] for each in config.list_kube_config_contexts()[0]]
    except config.ConfigException as error:
        raise NoTargetError(
            f"There is no kubeconfig with the context {context} ({error}) Name its file in KUBECONFIG, or leave "
            "CONTEXT out to get a cluster on this machine."
        ) from error
    if context not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise NoTargetError(f"Your kubeconfig has no context {context}. It has: {known}.")
    # A context's name may be a path, as EKS writes them.
    return Target(context, None, context, paths.cache() / "deployments" / quote(context, safe=""))
