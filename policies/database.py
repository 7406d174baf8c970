"""A committed row outlives the machine that it was written on. For databases run by CloudNativePG."""

from collections.abc import Iterator

from policies.rules import Resource, Schema, Settings, resource_policy
from policies.values import UNKNOWN, get, shown

_SETTINGS: Schema = {
    "minimumInstances": {
        "type": "integer",
        "minimum": 1,
        "default": 3,
        "description": "Instances that a database has at least: with two, the loss of one stops all writes.",
    }
}


def _databases_lose_no_commit(resource: Resource, settings: Settings) -> Iterator[str]:
    if (resource.group, resource.kind) != ("postgresql.cnpg.io", "Cluster"):
        return
    spec = get(resource.props, "spec")
    instances = get(spec, "instances")
    if instances is UNKNOWN:
        yield f"{resource} has `instances` {shown(instances)}. Write a plain number."
        return
    instances = instances or 1
    if instances < settings["minimumInstances"]:
        yield f"{resource} has `instances: {instances}`. Write `{settings['minimumInstances']}` or more."
    if instances >= 3:
        synchronous = get(spec, "postgresql", "synchronous")
        if not get(synchronous, "number"):
            yield (
                f"{resource} replicates asynchronously: a failover loses what was committed last. Write "
                "`postgresql: {synchronous: {method: any, number: 1, dataDurability: required, failoverQuorum: true}}`."
            )
        else:
            if get(synchronous, "dataDurability") not in (None, "required"):
                given = shown(get(synchronous, "dataDurability"))
                yield f"{resource} has `synchronous.dataDurability` {given}, which may lose commits. Write `required`."
            if get(synchronous, "failoverQuorum") is not True:
                given = shown(get(synchronous, "failoverQuorum"))
                yield (
                    f"{resource} has `synchronous.failoverQuorum` {given}: a replica that lacks the last commits could "
                    "become the primary. Write `true`."
                )
    if instances > 1:
        if get(spec, "enablePDB") not in (None, True):
            yield f"{resource} has `enablePDB` {shown(get(spec, 'enablePDB'))}. Remove it: a drain would take them all."
        if get(spec, "affinity", "enablePodAntiAffinity") not in (None, True):
            yield (
                f"{resource} has `affinity.enablePodAntiAffinity` "
                f"{shown(get(spec, 'affinity', 'enablePodAntiAffinity'))}. Write `true`: they would share a node."
            )
    if get(spec, "enableSuperuserAccess") not in (None, False):
        yield (
            f"{resource} has `enableSuperuserAccess` {shown(get(spec, 'enableSuperuserAccess'))}. Remove it: the "
            "superuser's password would be in a Secret."
        )


POLICIES = [
    resource_policy(
        "databases-lose-no-commit",
        "A database has enough instances, replicates synchronously, and nobody signs in as its superuser.",
        _databases_lose_no_commit,
        _SETTINGS,
    )
]
