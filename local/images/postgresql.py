"""PostgreSQL as CloudNativePG runs it: its instance manager starts the server, as uid 26 on a read-only file system."""

from local.images.archive import RunConfig
from local.images.recipe import Recipe

RECIPE = Recipe(
    ref="localhost/airflow-platform/postgresql:17",
    run=RunConfig(user="26", env={"PATH": "/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin"}),
    packages=("postgresql-17",),
    # CloudNativePG runs uid 26 and gid 26; in Debian gid 26 is the group `tape`, so the user joins that one.
    before="""
        groupadd --system postgres
        useradd --uid 26 --gid postgres --groups 26 --home-dir /var/lib/postgresql postgres
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
    """,
    # Just-in-time compilation (LLVM, 130 MB) does not pay for Airflow's short queries; the server goes without it.
    # Debian's own wrappers of the server's programs are in Perl; the programs are first on the PATH.
    after="""
        rm -rf /usr/lib/*/libLLVM* /usr/lib/postgresql/17/lib/bitcode /usr/lib/postgresql/17/lib/llvmjit*
        rm -rf /usr/share/perl /usr/share/perl5 /usr/lib/*/perl
        /usr/lib/postgresql/17/bin/postgres --version
    """,
    expected="40 s",
)
