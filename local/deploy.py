"""Deploy the `local` stack to a cluster: by the Pulumi engine where there is one, else by its render."""

from infra import offline
from infra.generated import Stored
from infra.render import objects
from local import apply, engine
from local.progress import step
from local.target import Target

STACK = "local"


def deploy(target: Target) -> str:
    """Make the cluster have what the stack says, and say what changed.

    Raises RuntimeError where the engine that deployed it is not there any more.
    """
    if _by_engine(target):
        return engine.up(target)
    with step("Deploying the stack local", "1 min 30 s") as progress:
        recording = offline.evaluate(STACK, generated=Stored(target.state / "generated.json"), root=target.project)
        kubernetes = apply.dynamic_client(target.kubeconfig, target.context, target.state / "discovery.json")
        changes = apply.apply(STACK, objects(recording), kubernetes, progress)
    return str(changes)


def _by_engine(target: Target) -> bool:
    """Whoever deployed it first goes on: each made passwords and keys of its own, and knows nothing of the other's."""
    if (target.state / "generated.json").exists():
        return False
    if (target.state / "pulumi").exists() and not engine.available():
        raise RuntimeError(
            "The stack local was deployed with Pulumi, which is not on the PATH now (or AIRFLOW_PLATFORM_ENGINE is "
            "`render`); put it back, or take everything down with `make down` first"
        )
    return engine.available()
