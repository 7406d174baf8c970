"""Evaluate a stack without engine, cluster, account or network; render it as manifests; check it against the policies.

python -m infra.offline render dev --out build/dev
python -m infra.offline check prod
"""

import argparse
import asyncio
import contextvars
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from infra import stack_config
from infra.generated import Generated, Placeholders
from infra.recording import Recording

REPOSITORY = Path(__file__).resolve().parent.parent


def evaluate(
    stack: str,
    *,
    preview: bool = False,
    generated: Generated | None = None,
    program: Callable[[], None] | None = None,
    root: Path = REPOSITORY,
) -> Recording:
    """Run the program of a stack and return what it registers.

    `preview`: as in a first `pulumi preview`, what providers compute is unknown. `generated`: source of random values
    and keys, by default placeholders that are the same everywhere. `program`: registers the resources, by default
    `infra.program.main`. `root`: the directory of Pulumi.yaml.

    Raises `stack_config.UnknownStackError`, and whatever the program raises, also from within an apply.
    """
    config = stack_config.load(stack, root)
    # A thread of its own has its own event loop, and an empty context has none of the SDK's state, which it keeps in
    # context variables. So evaluations can't see each other, and this can be called from anywhere.
    with ThreadPoolExecutor(max_workers=1) as thread:
        context = contextvars.Context()
        # A preview makes no values, so it must not have a store make and keep any.
        source = Placeholders() if preview or generated is None else generated
        arguments = config, preview, source, program or _platform, root
        return thread.submit(lambda: context.run(_run, *arguments)).result()


def _platform() -> None:
    from infra import program  # costs a second, which other programs need not pay

    program.main()


def _run(
    config: stack_config.StackConfig,
    preview: bool,
    generated: Generated,
    program: Callable[[], None],
    root: Path,
) -> Recording:
    import pulumi.runtime.config  # costs half a second, which `--help` need not pay
    import pulumi.runtime.mocks
    import pulumi.runtime.settings
    import pulumi.runtime.stack

    from infra.providers import Providers
    from infra.recorder import Recorder

    recorder = Recorder(config.project, config.stack, preview=preview, providers=Providers(generated))
    settings = pulumi.runtime.settings.Settings(
        project=config.project,
        stack=config.stack,
        monitor=recorder,
        engine=pulumi.runtime.mocks.MockEngine(None),
        dry_run=preview,
        organization="organization",
        root_directory=str(root),
    )

    unretrieved: list[BaseException] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(_Inline())
        # asyncio would only log these. Most are a second copy of what the program's end raises anyway.
        loop.set_exception_handler(
            lambda _, context: unretrieved.append(context.get("exception", RuntimeError(context)))
        )
        pulumi.runtime.settings.configure(settings)
        pulumi.runtime.config.set_all_config(config.values, sorted(config.secret_keys))
        await pulumi.runtime.stack.run_in_stack(program)

    asyncio.run(main())
    if unretrieved:
        raise unretrieved[0]
    return recorder.recording()


class _Inline(ThreadPoolExecutor):
    """Runs each call at once, in the caller's thread: the SDK's requests come one by one, always in the same order."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def main(arguments: Sequence[str] | None = None, root: Path = REPOSITORY) -> int:
    """The command line. Returns the exit code: 1 for wrong settings, a violated policy or one that couldn't run."""
    parser = argparse.ArgumentParser(prog="python -m infra.offline", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    render = commands.add_parser("render", help="write the stack's manifests, charts and inventory")
    render.add_argument("--out", type=Path, required=True, help="directory; stale files from an earlier render go")
    check = commands.add_parser("check", help="run the policy pack over what the stack registers")
    for command in (render, check):
        command.add_argument("stack", help=f"one of: {', '.join(stack_config.stacks(root))}")
    options = parser.parse_args(arguments)
    from pulumi import RunError

    try:
        if options.command == "render":
            return _render(options.stack, options.out, root)
        return _check(options.stack, root)
    except (stack_config.UnknownStackError, stack_config.UnreadableStackError) as error:
        parser.error(str(error))
    except RunError as error:  # what a program raises to be shown as it is, without a traceback
        print(error, file=sys.stderr)
        return 1


def _render(stack: str, directory: Path, root: Path) -> int:
    from infra import render

    files = render.files(evaluate(stack, root=root))
    render.write(files, directory)
    print(f"Wrote {len(files)} files to {directory}.")
    return 0


def _check(stack: str, root: Path) -> int:
    from infra import check

    recordings = [evaluate(stack, root=root), evaluate(stack, preview=True, root=root)]
    findings = check.check(recordings, pack=root / "policies", config=root / "policies" / "config" / f"{stack}.json")
    print(check.report(findings))
    return 1 if any(finding.blocks for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
