"""A container image as the cluster takes it in: what others refer to it by, and the archive that holds it."""

from dataclasses import dataclass
from pathlib import Path

# What the cluster itself runs. `local/images` makes them, and `up` wants them among the images that it is given.
PAUSE = "localhost/airflow-platform/pause:1"
COREDNS = "localhost/airflow-platform/coredns:1.14.7"
LOCAL_PATH_PROVISIONER = "localhost/airflow-platform/local-path-provisioner:0.0.30"
BUSYBOX = "localhost/airflow-platform/busybox:1.35"
INTERNAL = (PAUSE, COREDNS, LOCAL_PATH_PROVISIONER, BUSYBOX)


@dataclass(frozen=True)
class Image:
    """An image built on this machine.

    `ref` is its full name with tag (`localhost/airflow-platform/airflow:3.3.2`); `archive` a docker or OCI archive
    (tar) whose only image has that name, as `ctr images import` reads it.
    """

    ref: str
    archive: Path
