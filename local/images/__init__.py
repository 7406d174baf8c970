"""The container images of the `local` stack, made without Docker: from packages of Debian, Python and Go."""

from local.cluster.image import Image
from local.images import airflow, pgbouncer, postgresql, recipe, static


def ensure() -> list[Image]:
    """All images but the operators' own, in the order in which they are to be imported; made where not in the cache.

    With an empty cache about 4 minutes on two cores. Raises RuntimeError with the failing step's last words.
    """
    database = [recipe.build(postgresql.RECIPE), recipe.build(pgbouncer.RECIPE)]
    return [*static.for_cluster(), *database, *airflow.build()]
