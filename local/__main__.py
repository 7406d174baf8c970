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

from local import target as targets
from local.progress import seconds
from local.target import EMBEDDED, NoTargetError, Target


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
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
    try:
        target = targets.choose(options.context)
        if options.command == "up":
            up(target)
        elif options.command == "down":
            down(target)
        elif options.command == "running":
            from local.cluster import embedded

            return 0 if embedded.running() else 1
        else:
            from local.first_run import admin_password

            print(admin_password(target))
    except (NoTargetError, RuntimeError, TimeoutError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. `make up` continues from here; `make down` removes what there is.", file=sys.stderr)
        return 130
    return 0


def up(target: Target) -> None:
    """A Kubernetes, its operators, the platform, and a DAG that ran."""
    started = time.monotonic()
    print(f"Airflow platform: stack local on {_described(target)}", flush=True)
    _cluster_up(target)

    from local.deploy import deploy
    from local.first_run import run_hello, ui_url
    from local.operators import cloudnativepg

    if target.kubeconfig:
        cloudnativepg.install(target.kubeconfig)
    changes = deploy(target)
    greeting = run_hello(target)
    kubectl = f"KUBECONFIG={target.kubeconfig} " if target.kubeconfig else f"--context {target.context} "
    print(f"""
Deployed: {changes}. The DAG hello ran in pods of its own and said: {greeting}  ({seconds(time.monotonic() - started)})

  UI         {ui_url()}
  Sign in    admin, with the password that `make password` prints
  Look       {kubectl}kubectl get pods -A
  Take down  make down
""")


def down(target: Target) -> None:
    """Remove what `up` brought, and nothing else."""
    if target.name == EMBEDDED:
        from local.cluster import embedded

        embedded.down()
    print("Nothing of the platform is left on this machine but its cache.")


def _cluster_up(target: Target) -> None:
    if target.name == EMBEDDED:
        from local import images
        from local.cluster import embedded
        from local.operators import cloudnativepg

        embedded.up([*images.ensure(), cloudnativepg.image()])


def _described(target: Target) -> str:
    if target.name == EMBEDDED:
        return "a Kubernetes of its own on this machine"
    return f"{target.name} (context {target.context})"


if __name__ == "__main__":
    sys.exit(main())
