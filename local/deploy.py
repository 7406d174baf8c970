"""Deploy the `local` stack to a cluster: by the Pulumi engine where there is one, else by its render."""

from infra import offline
from infra.generated import Stored
from infra.render import objects
from local import apply, engine
from local.progress import step
from local.target import Target

STACK = "local"


def deploy(target: Target) -> str:
    """Make the cluster have what the stack says, and say what changed."""
    if engine.available():
        return engine.up(target)
    with step("Deploying the stack local", "1 min 30 s") as progress:
        recording = offline.evaluate(STACK, generated=Stored(target.state / "generated.json"), root=target.project)
        kubernetes = apply.dynamic_client(target.kubeconfig, target.context, target.state / "discovery.json")
        changes = apply.apply(STACK, objects(recording), kubernetes, progress)
    return str(changes)
