"""Take the stack local off a cluster that stays: one that the user named."""

import shutil
import time

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from local import apply, engine
from local.deploy import STACK
from local.existing import OURS, names
from local.progress import Step, step
from local.target import Target

_GONE_SECONDS = 300


def remove(target: Target) -> bool:
    """Delete what the deployment made, and wait until its namespaces are gone; returns whether there was anything.

    The passwords and keys that this machine kept for it go too. Raises TimeoutError where a namespace does not go.
    """
    target.state.mkdir(parents=True, exist_ok=True)
    kubernetes = apply.dynamic_client(target.kubeconfig, target.context, target.state / "discovery.json")
    core = client.CoreV1Api(kubernetes.client)
    deployed = (target.state / "pulumi").exists() or _has_inventory(core)
    if deployed:
        engine.destroy(target)
        with step(f"Removing the stack {STACK}", "1 min") as progress:
            if _has_inventory(core):
                apply.apply(STACK, [], kubernetes, progress)
            _wait_for_namespaces(core, progress)
            if _has_inventory(core):
                core.delete_namespaced_config_map(apply.inventory(STACK), apply.INVENTORY_NAMESPACE)
    shutil.rmtree(target.state)
    return deployed


def _has_inventory(core: client.CoreV1Api) -> bool:
    try:
        core.read_namespaced_config_map(apply.inventory(STACK), apply.INVENTORY_NAMESPACE)
    except ApiException as error:
        if error.status != 404:
            raise
        return False
    return True


def _wait_for_namespaces(core: client.CoreV1Api, progress: Step) -> None:
    deadline = time.monotonic() + _GONE_SECONDS
    while left := names(core.list_namespace(label_selector=OURS)):
        progress.update(f"waiting for {', '.join(sorted(left))} to go")
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"The namespaces {', '.join(sorted(left))} are still there after {_GONE_SECONDS} s; what they wait for "
                "is in their status (`kubectl get namespace -o yaml`). `make down` can be run again."
            )
        time.sleep(1)
