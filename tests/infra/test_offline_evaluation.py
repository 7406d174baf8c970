"""Evaluating a program without an engine: what is recorded, and what can't be hidden."""

import asyncio
import contextvars
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes
import pulumi_random as random
import pulumi_tls as tls
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from infra.generated import Stored
from infra.offline import evaluate
from infra.recording import UNKNOWN, Recording
from infra.stack_config import UnknownStackError

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
PASSWORD = "random:index/randomPassword:RandomPassword"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Recording]:
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\nstackConfigDir: stacks\n")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text(
        "config:\n"
        "  demo:replicas: 3\n"
        "  demo:enabled: true\n"
        "  demo:window: {start: 12:30, on: [off, 2026-01-01]}\n"
        "  demo:token: {secure: v1:abc}\n"
        "  kubernetes:context: kind\n"
    )
    (tmp_path / "stacks" / "Pulumi.prod.yaml").write_text("config: {}\n")

    def run(program: Callable[[], None], stack: str = "dev", **options: Any) -> Recording:
        return evaluate(stack, program=program, root=tmp_path, **options)

    return run


def config_map(name: str, data: dict[str, pulumi.Input[str]], opts: pulumi.ResourceOptions | None = None):
    return kubernetes.core.v1.ConfigMap(name, metadata={"name": name, "namespace": "airflow"}, data=data, opts=opts)


class Group(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("demo:index:Group", name, {"size": 2}, opts)
        config_map(f"{name}-first", {"key": "value"}, pulumi.ResourceOptions(parent=self))
        self.register_outputs({"ready": True})


def test_a_registration_has_its_options_and_whole_numbers_as_integers(run):
    def program():
        group = Group("group")
        kubernetes.core.v1.Service(
            "web",
            metadata={"name": "web", "namespace": "airflow"},
            spec={"ports": [{"port": 80, "target_port": 8080}]},
            opts=pulumi.ResourceOptions(
                parent=group,
                protect=True,
                retain_on_delete=True,
                ignore_changes=["spec.ports"],
                aliases=[pulumi.Alias(name="old-web", parent=pulumi.ROOT_STACK_RESOURCE)],
                custom_timeouts=pulumi.CustomTimeouts(create="5m"),
            ),
        )

    recording = run(program)

    web = recording.find("kubernetes:core/v1:Service", "web")
    assert web.inputs["spec"] == {"ports": [{"port": 80, "targetPort": 8080}]}
    assert isinstance(web.inputs["spec"]["ports"][0]["port"], int)
    assert web.urn == "urn:pulumi:dev::demo::demo:index:Group$kubernetes:core/v1:Service::web"
    assert web.aliases == ("urn:pulumi:dev::demo::kubernetes:core/v1:Service::old-web",)
    assert (web.protect, web.retain_on_delete, web.delete_before_replace) == (True, True, None)
    assert (web.ignore_changes, web.custom_timeouts) == (("spec.ports",), {"create": "5m"})
    group = recording.find("demo:index:Group", "group")
    assert (group.custom, dict(group.inputs), dict(group.outputs)) == (False, {"size": 2}, {"ready": True})
    assert web.parent == group.urn


def test_secrets_stay_secret_through_what_is_computed_from_them(run):
    def program():
        password = random.RandomPassword("password", length=20)
        config_map("settings", {"url": pulumi.Output.concat("redis://:", password.result), "host": "redis"})
        pulumi.export("password", password.result)

    recording = run(program)

    settings = recording.find(CONFIG_MAP, "settings")
    assert settings.inputs["data"]["url"] == "redis://:<random:password.result>"
    assert settings.secrets == {("data", "url")}
    assert settings.dependencies == (recording.find(PASSWORD, "password").urn,)
    assert settings.property_dependencies["data"] == settings.dependencies
    assert recording.secret_outputs == {("password",)}


def test_configuration_arrives_as_the_engine_hands_it_over(run):
    seen = {}

    def program():
        config = pulumi.Config()
        seen["numbers"] = (config.require_int("replicas"), config.require_bool("enabled"))
        seen["object"] = config.require_object("window")
        seen["other project"] = pulumi.Config("kubernetes").require("context")
        config_map("token", {"token": config.require_secret("token")})

    recording = run(program)

    assert seen["numbers"] == (3, True)
    assert seen["object"] == {"start": "12:30", "on": ["off", "2026-01-01"]}, "YAML 1.1 would read 750, false, a date"
    assert seen["other project"] == "kind"
    token = recording.find(CONFIG_MAP, "token")
    assert token.inputs["data"] == {"token": "<secret:demo:token>"}
    assert token.secrets == {("data", "token")}


def test_a_preview_does_not_know_what_providers_compute_and_makes_nothing(run, tmp_path):
    def program():
        password = random.RandomPassword("password", length=20)
        account = gcp.serviceaccount.Account("runner", account_id="runner", project="p")
        config_map("settings", {"password": password.result, "account": account.email, "plain": "known"})

    settings = run(program, preview=True, generated=Stored(tmp_path / "generated.json")).find(CONFIG_MAP, "settings")
    assert not (tmp_path / "generated.json").exists()
    assert settings.inputs["data"] == {"password": UNKNOWN, "account": UNKNOWN, "plain": "known"}
    assert settings.unknowns == {("data", "password"), ("data", "account")}

    after_up = run(program).find(CONFIG_MAP, "settings")
    assert after_up.unknowns == frozenset()
    assert after_up.inputs["data"]["account"] == "<gcp:serviceaccount/account:Account runner.email>"


def test_a_placeholder_public_key_can_be_parsed_and_a_private_one_is_only_text(run):
    parsed = []

    def program():
        for algorithm in ("RSA", "ECDSA", "ED25519"):
            key = tls.PrivateKey(f"key-{algorithm}", algorithm=algorithm)
            key.public_key_pem.apply(lambda pem: parsed.append(load_pem_public_key(pem.encode())))
            config_map(f"map-{algorithm}", {"private": key.private_key_pem})

    recording = run(program)

    assert len(parsed) == 3
    assert recording.find(CONFIG_MAP, "map-RSA").inputs["data"]["private"] == "<tls:key-RSA.privateKeyPem>"


def test_an_exception_in_the_program_surfaces_as_itself(run):
    def fails_at_once():
        config_map("settings", {"key": "value"})
        raise ZeroDivisionError("at once")

    def fails_in_an_apply():
        password = random.RandomPassword("password", length=20)
        password.result.apply(lambda _: 1 / 0)

    def fails_in_an_input():
        config_map("settings", {"key": pulumi.Output.from_input("text").apply(lambda text: str({}[text]))})

    def fails_in_a_task_that_nobody_awaits():
        async def fail() -> None:
            raise ZeroDivisionError("in a task")

        asyncio.ensure_future(fail())  # noqa: RUF006 that nobody keeps it is the point

    with pytest.raises(ZeroDivisionError, match="at once"):
        run(fails_at_once)
    with pytest.raises(ZeroDivisionError, match="in a task"):
        run(fails_in_a_task_that_nobody_awaits)
    with pytest.raises(ZeroDivisionError):
        run(fails_in_an_apply)
    with pytest.raises(KeyError, match="text"):
        run(fails_in_an_input)


def test_one_evaluation_leaves_nothing_behind_for_the_next(run):
    def first():
        config_map("settings", {"key": "value"})
        pulumi.export("first", "exported")
        raise RuntimeError("after having registered and exported")

    def second():
        config_map("other", {"key": pulumi.Config().get("replicas") or "unset"})

    with pytest.raises(RuntimeError):
        run(first)
    recording = run(second, "prod")

    assert [registration.name for registration in recording.registrations] == ["other"]
    assert recording.find(CONFIG_MAP, "other").inputs["data"] == {"key": "unset"}
    assert (recording.stack, dict(recording.outputs)) == ("prod", {})


def test_a_root_resource_that_the_caller_has_does_not_get_in_the_way(run):
    def with_a_root_resource() -> Recording:
        pulumi.runtime.settings.set_root_resource(pulumi.Resource.__new__(pulumi.Resource))
        return run(lambda: config_map("settings", {"key": "value"}))

    recording = contextvars.copy_context().run(with_a_root_resource)

    assert recording.find(CONFIG_MAP, "settings").parent == "urn:pulumi:dev::demo::pulumi:pulumi:Stack::demo-dev"


def test_independent_resources_are_recorded_in_the_order_of_the_program_however_long_each_takes(run, tmp_path):
    def program():
        tls.PrivateKey("slow", algorithm="RSA", rsa_bits=3072)
        for name in ("second", "third"):
            config_map(name, {})

    recording = run(program, generated=Stored(tmp_path / "generated.json"))

    assert [registration.name for registration in recording.registrations] == ["slow", "second", "third"]


def test_an_unknown_stack_is_refused_by_naming_those_there_are(run):
    with pytest.raises(UnknownStackError, match=r"no stack 'prd' .* The stacks are: dev, prod\."):
        run(lambda: None, "prd")


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (lambda: kubernetes.core.v1.ConfigMap("settings", data={}), "random suffix"),
        (lambda: gcp.projects.get_project(filter="id:p"), "provider function gcp:projects/getProject"),
        (lambda: random.RandomPet("pet"), "no value can be made for random:index/randomPet"),
        (
            lambda: [config_map("twice", {}), config_map("twice", {})],
            "Two resources have the URN",
        ),
    ],
)
def test_what_can_not_be_evaluated_offline_is_refused_with_the_reason(run, program, reason):
    with pytest.raises(Exception, match=reason):
        run(program)
