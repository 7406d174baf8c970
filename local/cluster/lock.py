"""One command at a time changes the cluster."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager

from local import paths


@contextmanager
def exclusive() -> Generator[None]:
    """Hold the cluster for the block; the system gives it back also where the command is killed.

    Raises RuntimeError where another command holds it.
    """
    file = paths.cluster().with_suffix(".lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(
                "Another `make up` or `make down` is changing the embedded Kubernetes. Wait until it ends."
            ) from error
        yield
