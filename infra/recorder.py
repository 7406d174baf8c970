"""The engine's side of the conversation with a program: takes registrations, answers them, and keeps a record."""

from typing import Any

from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import alias_pb2, callback_pb2, resource_pb2

from infra.providers import Providers
from infra.recording import Recording, Registration, decode, secret

_STACK_TYPE = "pulumi:pulumi:Stack"


class Recorder(MockMonitor):
    """The SDK's mock monitor, which sees every request whole, and answers as engine and providers would.

    Transforms are refused with an error: the engine runs those, and this doesn't.
    """

    def __init__(self, project: str, stack: str, *, preview: bool, providers: Providers) -> None:
        super().__init__(providers)
        self._project = project
        self._stack = stack
        self._preview = preview
        self._providers = providers
        self._registered: dict[str, tuple[resource_pb2.RegisterResourceRequest, dict[str, Any]]] = {}
        self._outputs: dict[str, dict[str, Any]] = {}

    def recording(self) -> Recording:
        """What was registered so far."""
        exported = decode(self._outputs.get(self._stack_urn(), {}))
        return Recording(
            project=self._project,
            stack=self._stack,
            preview=self._preview,
            registrations=tuple(
                self._registration(urn, request, state) for urn, (request, state) in self._registered.items()
            ),
            outputs=exported.values,
            secret_outputs=exported.secrets,
        )

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """A URN as the engine makes it. The SDK's mocks also put the stack's own type in front, the engine doesn't."""
        parent_type = parent.split("::")[2] if parent else _STACK_TYPE
        qualified = type_ if parent_type == _STACK_TYPE else f"{parent_type}${type_}"
        return f"urn:pulumi:{self._stack}::{self._project}::{qualified}::{name}"

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> Any:  # noqa: N802 the wire's name
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == _STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        if urn in self._registered:
            raise ValueError(f"Two resources have the URN {urn}. Give one of them another logical name.")
        if request.transforms:
            raise _transforms_unsupported(f"{request.type} {request.name}")
        state = MessageToDict(request.object)
        id_ = ""
        if request.custom:
            inputs = decode(state).values
            id_, computed = self._providers.created(request.type, request.name, inputs, preview=self._preview)
            state |= computed
            for key in request.additionalSecretOutputs:
                if key in state:
                    state[key] = secret(state[key])
        self._registered[urn] = (request, state)
        self.resources[urn] = MockMonitor.ResourceRegistration(urn, id_, state)
        response = resource_pb2.RegisterResourceResponse(urn=urn, id=id_)
        response.object.update(state)
        return response

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> Any:  # noqa: N802
        self._outputs[request.urn] = MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)

    def RegisterStackTransform(self, request: callback_pb2.Callback) -> Any:  # noqa: ARG002, N802
        raise _transforms_unsupported("the stack")

    def _stack_urn(self) -> str:
        return self.make_urn("", _STACK_TYPE, f"{self._project}-{self._stack}")

    def _registration(
        self, urn: str, request: resource_pb2.RegisterResourceRequest, state: dict[str, Any]
    ) -> Registration:
        inputs = decode(MessageToDict(request.object))
        outputs = state if request.custom else self._outputs.get(urn, {})
        return Registration(
            urn=urn,
            type=request.type,
            name=request.name,
            custom=request.custom,
            remote=request.remote,
            parent=request.parent,
            provider=request.provider.rpartition("::")[0],
            inputs=inputs.values,
            outputs=decode(outputs).values,
            secrets=inputs.secrets,
            unknowns=inputs.unknowns,
            # The SDK collects them in sets, whose order differs from process to process.
            dependencies=tuple(sorted(request.dependencies)),
            property_dependencies={
                key: tuple(sorted(request.propertyDependencies[key].urns))
                for key in sorted(request.propertyDependencies)
            },
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
            ignore_changes=tuple(request.ignoreChanges),
            replace_on_changes=tuple(request.replaceOnChanges),
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
            aliases=tuple(self._alias(alias, request) for alias in request.aliases),
            custom_timeouts=MessageToDict(request.customTimeouts),
        )

    def _alias(self, alias: alias_pb2.Alias, request: resource_pb2.RegisterResourceRequest) -> str:
        """The URN that an alias means: what it leaves out is as it is for the resource now."""
        if alias.urn:
            return alias.urn
        spec = alias.spec
        parent = "" if spec.noParent else spec.parentUrn or request.parent
        _, _, qualified, name = self.make_urn(parent, spec.type or request.type, spec.name or request.name).split("::")
        return "::".join((f"urn:pulumi:{spec.stack or self._stack}", spec.project or self._project, qualified, name))


def _transforms_unsupported(where: str) -> NotImplementedError:
    return NotImplementedError(
        f"{where} has a transform. The engine runs transforms, the offline evaluation can't: put what it changes into "
        "the component's settings instead."
    )
