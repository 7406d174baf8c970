"""Running a policy pack over what a stack registers, by the pack's own server."""

import json
import os
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random
import pytest

from infra import check, offline

PACK = """
import os
from pathlib import Path
from pulumi_policy import *

Path("pid").write_text(str(os.getpid()))

def few_replicas(args, report):
    if args.resource_type == "kubernetes:apps/v1:Deployment":
        least = args.get_config()["least"]
        if args.props["spec"]["replicas"] < least:
            report(f"It has {args.props['spec']['replicas']:.0f} of {least:.0f} replicas.")

def password_in_config_map(args, report):
    if args.resource_type == "kubernetes:core/v1:ConfigMap" and "password" in args.props["data"]["key"]:
        report("Its key is a password.")

def unprotected_group(args, report):
    for resource in args.resources:
        if resource.resource_type == "demo:index:Group" and not resource.props["ready"]:
            report("A group is not ready.", resource.urn)
        if resource.opts.custom_timeouts.create_seconds > 600 and resource.parent.name == "group":
            report("It may take too long.", resource.urn)

PolicyPack("tiny", enforcement_level=EnforcementLevel.MANDATORY, policies=[
    ResourceValidationPolicy("few-replicas", "Enough replicas.", few_replicas, config_schema=PolicyConfigSchema(
        {"least": {"type": "number", "default": 2}})),
    ResourceValidationPolicy("no-password", "No passwords.", password_in_config_map),
    StackValidationPolicy("groups", "Groups are fine.", unprotected_group,
        enforcement_level=EnforcementLevel.ADVISORY),
])
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    (tmp_path / "policies" / "config").mkdir(parents=True)
    (tmp_path / "policies" / "__main__.py").write_text(PACK)
    return tmp_path


def deployment(replicas: int) -> None:
    labels = {"app": "web"}
    kubernetes.apps.v1.Deployment(
        "web",
        metadata={"name": "web"},
        spec={"replicas": replicas, "selector": {"match_labels": labels}, "template": {"metadata": {"labels": labels}}},
    )


def findings(root: Path, program, config: Path | None = None) -> list[check.Finding]:
    recordings = [offline.evaluate("dev", program=program, preview=preview, root=root) for preview in (False, True)]
    return check.check(recordings, pack=root / "policies", config=config)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_violation_is_reported_once_with_its_resource_and_blocks(root):
    found = findings(root, lambda: deployment(1))

    assert [(finding.policy, finding.level, finding.blocks) for finding in found] == [
        ("few-replicas", "mandatory", True)
    ]
    assert check.report(found) == (
        "few-replicas:\n"
        "  [mandatory] kubernetes:apps/v1:Deployment web: Enough replicas.\n"
        "    It has 1 of 2 replicas.\n"
        "1 findings, 1 of which block a deployment."
    )
    assert findings(root, lambda: deployment(2)) == []
    assert not is_running(int((root / "policies" / "pid").read_text())), "the pack's process is gone"


def test_a_policy_that_an_unknown_value_keeps_from_running_blocks(root):
    def program():
        password = random.RandomPassword("generated", length=20)
        kubernetes.core.v1.ConfigMap("map", metadata={"name": "map"}, data={"key": password.result})

    (finding,) = findings(root, program)

    assert (finding.policy, finding.level, finding.blocks) == ("no-password", "not run", True)
    assert "value at .data.key can't be known during preview" in finding.message


def test_a_stack_policy_sees_what_components_registered_and_how_resources_belong_together(root):
    def program():
        group = pulumi.ComponentResource("demo:index:Group", "group")
        kubernetes.core.v1.ConfigMap(
            "slow",
            metadata={"name": "slow"},
            data={"key": "value"},
            opts=pulumi.ResourceOptions(parent=group, custom_timeouts=pulumi.CustomTimeouts(create="1h30m")),
        )
        group.register_outputs({"ready": False})

    found = findings(root, program)

    assert [(finding.message, finding.urn.rpartition("::")[2], finding.blocks) for finding in found] == [
        ("Groups are fine.\nA group is not ready.", "group", False),
        ("Groups are fine.\nIt may take too long.", "slow", False),
    ]


def test_the_configuration_file_changes_levels_and_properties_and_a_misspelt_policy_is_refused(root):
    config = root / "policies" / "config" / "dev.json"

    config.write_text(json.dumps({"few-replicas": {"least": 3}}))
    assert [finding.level for finding in findings(root, lambda: deployment(2), config)] == ["mandatory"]
    config.write_text(json.dumps({"all": "advisory"}))
    assert [finding.level for finding in findings(root, lambda: deployment(1), config)] == ["advisory"]
    config.write_text(json.dumps({"few-replica": "advisory"}))
    with pytest.raises(check.PolicyPackError, match=r"names few-replica, .* It has: few-replicas, groups, no-password"):
        findings(root, lambda: deployment(1), config)


def test_a_pack_that_fails_is_an_error_with_its_reason_and_not_a_pass(root):
    (root / "policies" / "__main__.py").write_text("raise SystemExit('the pack is broken')")
    with pytest.raises(check.PolicyPackError, match=r"did not start\. It said: the pack is broken"):
        findings(root, lambda: deployment(1))

    (root / "policies" / "__main__.py").write_text(PACK.replace("least = ", "least = 1 / 0 #"))
    with pytest.raises(check.PolicyPackError, match="division by zero"):
        findings(root, lambda: deployment(1))


@pytest.mark.parametrize(("replicas", "code"), [(1, 1), (2, 0)])
def test_the_command_exits_with_1_on_a_mandatory_violation_only(root, monkeypatch, capsys, replicas, code):
    monkeypatch.setattr(offline, "_platform", lambda: deployment(replicas))

    assert offline.main(["check", "dev"], root) == code
    assert ("It has 1 of 2 replicas" in capsys.readouterr().out) == bool(code)


def test_the_command_names_the_stacks_there_are_for_an_unknown_one(root, capsys):
    with pytest.raises(SystemExit):
        offline.main(["render", "prd", "--out", str(root / "out")], root)

    assert "There is no stack 'prd'" in capsys.readouterr().err
    assert not (root / "out").exists()


def test_the_command_shows_what_is_wrong_with_the_settings_as_it_is(root, monkeypatch, capsys):
    def program():
        raise pulumi.RunError("Pulumi.dev.yaml: demo:replicas is 0, but must be at least 1")

    monkeypatch.setattr(offline, "_platform", program)

    assert offline.main(["render", "dev", "--out", str(root / "out")], root) == 1
    assert capsys.readouterr().err == "Pulumi.dev.yaml: demo:replicas is 0, but must be at least 1\n"
