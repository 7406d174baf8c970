"""A container image as the cluster takes it in: what others refer to it by, and the archive that holds it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """An image built on this machine.

    `ref` is its full name with tag (`localhost/airflow-platform/airflow:3.3.2`); `archive` a docker or OCI archive
    (tar) whose only image has that name, as `ctr images import` reads it.
    """

    ref: str
    archive: Path
