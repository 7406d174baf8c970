"""Puts the table into the kernel, and takes it out."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

TABLE = "airflow_platform_policy"

# Adding it first makes deleting it succeed whether or not it was there (`destroy` is newer than Debian 12's nft).
_WITHOUT_TABLE = f"add table inet {TABLE}\ndelete table inet {TABLE}\n"


def replace(nft: str | Path, table: str) -> None:
    """Replace the whole table by the text `table` in one transaction: no packet sees a part, or none, of it.

    Raises RuntimeError with nft's words when it refuses; the table is then as it was.
    """
    _run(nft, _WITHOUT_TABLE + table)


def remove(nft: str | Path, env: Mapping[str, str] | None = None) -> None:
    """Remove the table, so that no policy is enforced any more. Does nothing where there is none.

    `env` is nft's environment, by default this process's. Raises RuntimeError with nft's words when it refuses.
    """
    _run(nft, _WITHOUT_TABLE, env)


def present(nft: str | Path) -> bool:
    """Whether the table is there: a tool that flushes the whole ruleset of a machine takes ours with it."""
    return subprocess.run([nft, "--terse", "list", "table", "inet", TABLE], capture_output=True).returncode == 0


def _run(nft: str | Path, commands: str, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run([nft, "-f", "-"], input=commands, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"`{nft} -f -` failed:\n{done.stderr[:2000]}")
