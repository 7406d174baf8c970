"""Bring the platform up on one machine, and take it down.

python -m local up        a Kubernetes, the platform on it, and a DAG that runs there
python -m local down      all of it gone
python -m local password  the password of the user admin
python -m local running   exits with 0 where the embedded Kubernetes is up
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from local import paths
from local import target as targets
from local.progress import seconds
from local.target import KIND, REPOSITORY, NoTargetError, Target


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 1 with a sentence for what went wrong, 130 when interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m local", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["up", "down", "password", "running"])
    parser.add_argument(
        "--context",
        default=os.environ.get("CONTEXT"),
        help="a context of your kubeconfig: deploy to that cluster instead of bringing one up",
    )
    options = parser.parse_args(arguments)
    logs = None
    try:
        target = targets.choose(options.context)
        logs = target.state / "logs"
        return _run(options.command, target)
    except Exception as error:
        from local import failures

        said = failures.report(error, logs)
        if said is None:
            raise
        print(f"\n{said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{_interrupted(options.command, options.context)}", file=sys.stderr)
        return 130


def up(target: Target) -> None:
    """A Kubernetes, its operators, the platform, and a DAG that ran."""
    started = time.monotonic()
    print(f"Airflow platform: stack local on {_described(target)}", flush=True)
    _check(target)
    _cluster_up(target)

    from local.first_run import run_hello, ui_url

    changes = _deploy(target)
    greeting = run_hello(target)
    print(f"\nDeployed: {changes}." if changes else "\nNothing changed: the cluster has what the stack says.")
    print(f"The DAG hello ran in pods of its own and said: {greeting}  ({seconds(time.monotonic() - started)})\n")
    print("\n".join(_directions(target, ui_url(target))))


def down(target: Target) -> None:
    """Remove what `up` brought, and nothing else."""
    if target.embedded:
        from local.cluster import embedded

        was_up = target.state.exists()
        embedded.down()
    elif target.name == KIND:
        from local import kind

        was_up = kind.down(target)
    else:
        from local.removal import remove

        was_up = remove(target)
    if not was_up:
        print(f"Nothing is up on {_described(target)}, so nothing was done.")
    elif target.embedded or target.name == KIND:
        print(f"Nothing of the platform is left on this machine but its cache, {paths.cache()}.")
    else:
        print(f"Nothing of the platform is left on {target.name}.")


def _run(command: str, target: Target) -> int:
    if command == "up":
        up(target)
    elif command == "down":
        down(target)
    elif command == "running":
        from local.cluster import embedded

        return 0 if embedded.running() else 1
    else:
        from local.first_run import admin_password

        print(admin_password(target))
    return 0


def _check(target: Target) -> None:
    """Find what can't work before minutes of building: mistakes in the stack file, then what the machine lacks.

    Raises pulumi.RunError and NoTargetError, each with all mistakes at once.
    """
    from infra import offline
    from local.deploy import STACK

    offline.evaluate(STACK, preview=True, root=REPOSITORY)
    if target.embedded:
        from local.cluster import embedded, preflight

        problems = [] if embedded.running() else preflight.problems()
    elif target.name == KIND:
        from local import kind

        problems = kind.problems()
    else:
        from local import existing

        problems = existing.problems(target)
    if problems:
        raise NoTargetError("\n".join(["This can't come up here yet:", *(f"- {problem}" for problem in problems)]))


def _cluster_up(target: Target) -> None:
    """The Kubernetes and its operator where they are ours; for another than the embedded one, the stack's variant."""
    if target.embedded:
        from local import images
        from local.cluster import embedded
        from local.operators import cloudnativepg

        # What fetches over the network and may be refused comes before the long compilation.
        cloudnativepg.install(embedded.up([*images.ensure(), cloudnativepg.image()]))
        return
    if target.name == KIND:
        from local import kind

        kind.up(target)
    from local import variant

    variant.write(target)


def _deploy(target: Target) -> str:
    """The stack, and new processes where their image is a new one; returns what changed, empty where nothing did."""
    from local.deploy import deploy

    said = deploy(target)
    changes = [] if said == "nothing changed" else [said]
    if target.embedded:
        from local import dag_changes, images

        if restarted := dag_changes.restart_stale(target, images.ensure()[-1]):
            changes.append(f"{len(restarted)} process{'es' * (len(restarted) > 1)} restarted with the new image")
    return ", ".join(changes)


def _directions(target: Target, url: str) -> list[str]:
    """Where to go from here, a line each."""
    at_context = "" if target.embedded or target.name == KIND else f" CONTEXT={target.context}"
    lines = [f"  UI         {url}"]
    if not target.embedded:
        from local.port_forward import command

        lines += [f"             while this runs: {command(target)}"]
    return [
        *lines,
        f"  Sign in    admin, with the password that `make password{at_context}` prints",
        f"  Look       {_kubectl(target)} get pods -A",
        f"  Take down  make down{at_context}",
    ]


def _kubectl(target: Target) -> str:
    """A kubectl that exists, with what it needs to reach the cluster."""
    if target.embedded:
        from local.cluster import programs

        return f"{programs.build().kubectl} --kubeconfig {target.kubeconfig}"
    at_file = f"--kubeconfig {target.kubeconfig} " if target.kubeconfig else ""
    return f"kubectl {at_file}--context {target.context}"


def _interrupted(command: str, context: str | None) -> str:
    """What to do next."""
    at_context = f" CONTEXT={context}" if context else ""
    if command == "up":
        return f"Interrupted. `make up{at_context}` continues from here; `make down{at_context}` removes what there is."
    if command == "down":
        return f"Interrupted. `make down{at_context}` removes what is left."
    return "Interrupted."


def _described(target: Target) -> str:
    if target.embedded:
        return "a Kubernetes of its own on this machine"
    return f"{target.name} (context {target.context})"


if __name__ == "__main__":
    sys.exit(main())
