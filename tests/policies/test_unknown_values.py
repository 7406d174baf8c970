"""A value that a preview doesn't know never makes a mandatory policy a mere advice."""

from collections.abc import Iterator
from typing import Any

import pytest
from pulumi_policy import (
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.policy import PolicyCustomTimeouts
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policies.pack import POLICIES
from tests.policies.analyzer import Analyzer
from tests.policies.mutations import CONTEXT, MAIN, POD, TASK
from tests.policies.objects import changed, stack

OPTIONS = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])


@pytest.mark.parametrize(
    ("policy", "name", "path"),
    [
        ("images-are-pinned", "web", (*MAIN, "image")),
        ("pods-are-restricted", "web", (*CONTEXT, "allowPrivilegeEscalation")),
        ("pods-are-restricted", "web", (*POD, "securityContext", "runAsNonRoot")),
        ("namespaces-enforce-restricted", "tasks", ("metadata", "labels", "pod-security.kubernetes.io/enforce")),
        ("databases-lose-no-commit", "database", ("spec", "instances")),
        ("task-pods-hold-no-control-plane-secret", "configuration", TASK),
        ("pods-have-network-policies", "web", (*POD[:-1], "metadata", "labels")),
        ("api-tokens-have-a-role", "cleanup-binding", ("subjects",)),
    ],
)
def test_what_a_policy_must_know_violates_it_when_unknown(
    analyzer: Analyzer, policy: str, name: str, path: tuple[str | int, ...]
) -> None:
    violations = analyzer.violations(changed(stack(), name, path, UNKNOWN_STRING_VALUE))

    assert all(violation.mandatory for violation in violations)
    own = [violation.message for violation in violations if violation.policy == policy]
    assert any("known only after `pulumi up`" in message for message in own), violations


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("web", ("metadata", "annotations")),
        ("web", (*POD[:-1], "metadata", "annotations")),
        ("web", (*MAIN, "env", 2, "value")),
        ("web", (*MAIN, "args")),
        ("web", (*MAIN, "resources", "limits", "memory")),
        ("fernet", ("stringData",)),
        ("configuration", ("data", "airflow.cfg")),
    ],
)
def test_what_no_policy_depends_on_may_be_unknown(analyzer: Analyzer, name: str, path: tuple[str | int, ...]) -> None:
    assert analyzer.violations(changed(stack(), name, path, UNKNOWN_STRING_VALUE)) == []


def test_any_value_of_the_stack_may_be_unknown_and_every_policy_still_runs() -> None:
    resources = {name: resource(name, kind, props) for name, (kind, props) in stack().items()}
    for name, (kind, props) in stack().items():
        for path in paths(props):
            unknown = changed({name: (kind, props)}, name, path, UNKNOWN_STRING_VALUE)
            run(resource(name, *unknown[name]), list((resources | {name: resource(name, *unknown[name])}).values()))


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path to each value inside a value, to containers and their contents."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (*path, key)
        yield from paths(entry, (*path, key))


def resource(name: str, kind: str, props: dict[str, Any]) -> PolicyResource:
    return PolicyResource(kind, unknown_checking_proxy(props), f"urn::{name}", name, OPTIONS, None, None, [], {})


def run(one: PolicyResource, resources: list[PolicyResource]) -> None:
    """Run every policy in this process; one that touches an unknown value raises UnknownValueError, as in the SDK."""
    for policy in POLICIES:
        if isinstance(policy, StackValidationPolicy):
            policy.validate(StackValidationArgs(resources), ignore)
        elif isinstance(policy, ResourceValidationPolicy):
            args = ResourceValidationArgs(one.resource_type, one.props, one.urn, one.name, OPTIONS, None)
            policy.validate(args, ignore)


def ignore(message: str, urn: str | None) -> None:
    assert message
