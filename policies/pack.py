"""Every policy of the pack. All are mandatory; `policies/config/` says what an environment does differently."""

from pulumi_policy import Policy

from policies import (
    availability,
    containers,
    database,
    namespaces,
    network,
    plain_secrets,
    rbac,
    restricted,
    service_accounts,
    tasks,
)

POLICIES: list[Policy] = [
    *restricted.POLICIES,
    *containers.POLICIES,
    *service_accounts.POLICIES,
    *plain_secrets.POLICIES,
    *rbac.POLICIES,
    *network.POLICIES,
    *availability.POLICIES,
    *namespaces.POLICIES,
    *tasks.POLICIES,
    *database.POLICIES,
]
