"""PgBouncer as CloudNativePG's Pooler runs it: its manager starts /usr/bin/pgbouncer as uid 998, gid 996."""

from local.images.archive import RunConfig
from local.images.recipe import Recipe

RECIPE = Recipe(
    ref="localhost/airflow-platform/pgbouncer:1.24",
    run=RunConfig(user="998:996"),
    packages=("pgbouncer",),
    # The Pooler's metrics come in as `local pgbouncer pgbouncer peer`: uid 998 must have that name. Made first,
    # before a package takes the numbers.
    before="""
        groupadd --system --gid 996 pgbouncer
        useradd --system --uid 998 --gid pgbouncer --home-dir /nonexistent pgbouncer
    """,
    after="""
        ln -sf ../sbin/pgbouncer /usr/bin/pgbouncer
        rm -rf /usr/share/perl /usr/share/perl5 /usr/lib/*/perl
        pgbouncer --version
    """,
    expected="20 s",
)
