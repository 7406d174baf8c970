"""Turns a rule into a Pulumi policy.

A rule is a generator of messages. It sees Kubernetes objects only, as plain data, and its settings: the policy's
configuration, completed with the defaults that its schema states.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi_policy import (
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies.values import UnknownInPreviewError, get, plain, text

Settings = Mapping[str, Any]
Schema = dict[str, dict[str, Any]]
"""JSON schema of each setting of a policy. Each has a `default`."""

_TYPE = re.compile(r"^kubernetes:(?P<group>[^/:]+)/[^:]+:(?P<kind>\w+)$")


@dataclass(frozen=True)
class Resource:
    """A Kubernetes object, as the program registered it."""

    urn: str
    group: str
    """Its API group without the version: `apps`, `core`, `postgresql.cnpg.io`."""
    kind: str
    props: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        """`default` where none is given. Raises UnknownInPreviewError."""
        return text(self.props, "metadata", "namespace") or "default"

    @property
    def name(self) -> str:
        """Raises UnknownInPreviewError."""
        return text(self.props, "metadata", "name")

    def __str__(self) -> str:
        namespace, name = (get(self.props, "metadata", key) for key in ("namespace", "name"))
        return f"{self.kind} {f'{namespace}/' if namespace else ''}{name}"


ResourceRule = Callable[[Resource, Settings], Iterator[str]]
StackRule = Callable[["Stack", Settings], Iterator[tuple[Resource, str]]]


@dataclass(frozen=True)
class Stack:
    """The Kubernetes objects of a stack."""

    resources: tuple[Resource, ...]

    def of(self, group: str, kind: str) -> list[Resource]:
        """The objects of one kind, in every version of its API."""
        return [resource for resource in self.resources if (resource.group, resource.kind) == (group, kind)]


def resource_policy(
    name: str, description: str, rule: ResourceRule, schema: Schema | None = None
) -> ResourceValidationPolicy:
    """A policy that judges each object by itself."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = _resource(args.urn, args.resource_type, args.props)
        if resource is None:
            return
        try:
            for message in rule(resource, _settings(schema, args.get_config())):
                report(message, None)
        except UnknownInPreviewError as unknown:
            report(f"{resource}: {unknown}", None)

    return ResourceValidationPolicy(name, description, validate, config_schema=_config_schema(schema))


def stack_policy(name: str, description: str, rule: StackRule, schema: Schema | None = None) -> StackValidationPolicy:
    """A policy that judges objects by other objects of the stack."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        found = (_resource(each.urn, each.resource_type, each.props) for each in args.resources)
        stack = Stack(tuple(resource for resource in found if resource is not None))
        try:
            for resource, message in rule(stack, _settings(schema, args.get_config())):
                report(message, resource.urn)
        except UnknownInPreviewError as unknown:
            report(str(unknown), None)

    return StackValidationPolicy(name, description, validate, config_schema=_config_schema(schema))


def _resource(urn: str, resource_type: str, props: Mapping[str, Any]) -> Resource | None:
    match = _TYPE.match(resource_type)
    return Resource(urn, match["group"], match["kind"], plain(props)) if match else None


def _settings(schema: Schema | None, given: Mapping[str, Any]) -> Settings:
    return {key: setting["default"] for key, setting in (schema or {}).items()} | plain(given)


def _config_schema(schema: Schema | None) -> PolicyConfigSchema | None:
    return PolicyConfigSchema(properties=schema) if schema else None
