"""Other ways to satisfy a policy, and violations that take more than one change, through the pack's own server."""

from typing import Any

import pytest

from tests.policies.analyzer import Analyzer
from tests.policies.mutations import CONTEXT, CRON_POD, INIT, MAIN, POD, TASK, secret_variable
from tests.policies.objects import ABSENT, NETWORK_POLICY, RESOURCES, changed, pod_template, stack, traffic

WEB = {"matchLabels": {"app": "web"}}
ANTI_AFFINITY = {"topologyKey": "kubernetes.io/hostname", "labelSelector": WEB}
FOR_GOOGLE = {"projected": {"sources": [{"serviceAccountToken": {"audience": "//iam.example.com/pool"}}]}}
WORK_OR_WEB = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["work", "web"]}]}


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("web", (*MAIN, "image"), "registry:5000/airflow@sha256:" + "0" * 64),
        ("web", (*MAIN, "image"), "registry:5000/airflow:sha-0f3a9c1"),
        ("web", (*MAIN, "image"), "postgresql:18.4-system-trixie"),
        ("web", (*CONTEXT, "seccompProfile"), {"type": "Localhost", "localhostProfile": "x.json"}),
        ("web", (*CONTEXT, "capabilities", "add"), ["NET_BIND_SERVICE"]),
        ("web", (*CONTEXT, "runAsUser"), 50000.0),
        ("web", (*POD, "volumes", 1), {"name": "google", **FOR_GOOGLE}),
        ("web", (*MAIN, "env", 2), {"name": "DB_PASSWORD", "value": "$(PASSWORD_FROM_ELSEWHERE)"}),
        ("web", (*INIT, "resources", "requests", "cpu"), 1.0),
        ("web-budget", ("spec",), {"minAvailable": 1.0, "selector": WORK_OR_WEB}),
        ("web-traffic", ("spec", "podSelector"), WORK_OR_WEB),
        ("web-traffic", ("spec", "egress"), [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443.0}]}]),
        ("cleanup", (*CRON_POD, "automountServiceAccountToken"), True),
        ("database", ("spec", "imageName"), ABSENT),
        ("database", ("spec", "postgresql", "synchronous", "dataDurability"), ABSENT),
        ("configuration", TASK, pod_template({"env": [secret_variable("API_TOKEN", "the-tasks-own")]})),
    ],
)
def test_what_satisfies_a_policy_in_another_way_passes(
    analyzer: Analyzer, name: str, path: tuple[str | int, ...], value: Any
) -> None:
    assert analyzer.violations(changed(stack(), name, path, value)) == []


@pytest.mark.parametrize("rule", ["requiredDuring", "preferredDuring"])
def test_anti_affinity_spreads_replicas_too(analyzer: Analyzer, rule: str) -> None:
    term = ANTI_AFFINITY if rule == "requiredDuring" else {"weight": 1.0, "podAffinityTerm": ANTI_AFFINITY}
    affinity = {"podAntiAffinity": {f"{rule}SchedulingIgnoredDuringExecution": [term]}}
    objects = changed(stack(), "web", (*POD, "affinity"), affinity)

    assert analyzer.violations(changed(objects, "web", (*POD, "topologySpreadConstraints"), ABSENT)) == []


def test_replicas_that_an_autoscaler_sets_need_a_budget_and_spread(analyzer: Analyzer) -> None:
    target = {"kind": "Deployment", "name": "web"}
    scaler = {"metadata": {"name": "w", "namespace": "airflow"}, "spec": {"minReplicas": 2.0, "scaleTargetRef": target}}
    objects = changed(stack(), "web", ("spec", "replicas"), ABSENT)
    objects = changed(objects, "web", (*POD, "topologySpreadConstraints"), ABSENT)
    objects = changed(objects, "web-budget", (), ABSENT)

    assert analyzer.violations(objects) == []

    objects = changed(objects, "scaler", (), ("kubernetes:autoscaling/v2:HorizontalPodAutoscaler", scaler))

    assert names(analyzer, objects) == {"replicas-have-a-disruption-budget", "replicas-are-spread"}


def test_two_budgets_for_one_pod_are_refused_since_no_drain_would_end(analyzer: Analyzer) -> None:
    second = ("kubernetes:policy/v1:PodDisruptionBudget", stack()["web-budget"][1])

    violations = analyzer.violations(changed(stack(), "second-budget", (), second))

    assert [violation.policy for violation in violations] == ["replicas-have-a-disruption-budget"]
    assert "more than one" in violations[0].message


def test_poolers_are_judged_as_the_pods_that_the_operator_makes_of_them(analyzer: Analyzer) -> None:
    containers = [{"name": "pgbouncer", "image": "pgbouncer:latest"}]
    spec = {"instances": 2.0, "cluster": {"name": "metadata"}, "template": {"spec": {"containers": containers}}}
    pooler = ("kubernetes:postgresql.cnpg.io/v1:Pooler", {"metadata": {"name": "pool", "namespace": "airflow"}})
    objects = changed(stack(), "pooler", (), pooler)
    objects = changed(objects, "pooler", ("spec",), spec)

    assert names(analyzer, objects) == {
        "containers-have-resources",
        "images-are-pinned",
        "replicas-are-spread",
        "replicas-have-a-disruption-budget",
    }

    objects = changed(objects, "pooler", ("spec", "instances"), 1.0)
    objects = changed(objects, "pooler", ("spec", "template", "spec", "containers", 0, "resources"), RESOURCES)
    objects = changed(objects, "pooler", ("spec", "template", "spec", "containers", 0, "image"), "pgbouncer:1.25.1")

    assert names(analyzer, objects) == set()


@pytest.mark.parametrize(
    "pod",
    [
        pod_template({"envFrom": [{"secretRef": {"name": "jwt"}}]}),
        pod_template({"env": [secret_variable("ANYTHING", "jwt")]}),
        pod_template(initContainers=[{"name": "x", "envFrom": [{"secretRef": {"name": "jwt"}}]}]),
        pod_template(volumes=[{"name": "x", "secret": {"secretName": "jwt"}}]),
        pod_template(volumes=[{"name": "x", "projected": {"sources": [{"secret": {"name": "jwt"}}]}}]),
        pod_template({"env": [secret_variable("ANYTHING", "jwt")]}, namespace=None),
    ],
    ids=["envFrom", "env", "init container", "volume", "projected volume", "a template without a namespace"],
)
def test_a_task_pod_can_read_a_control_plane_secret_in_no_way(analyzer: Analyzer, pod: str) -> None:
    labels = {"airflow-platform/secret": "control-plane"}
    secret = {"metadata": {"name": "jwt", "namespace": "airflow-tasks", "labels": labels}}
    objects = changed(stack(), "jwt", (), ("kubernetes:core/v1:Secret", secret))

    violations = analyzer.violations(changed(objects, "configuration", TASK, pod))

    assert any("task pod template" in each.message and "Secret `jwt`" in each.message for each in violations)


def test_a_pod_in_a_namespace_of_tasks_is_a_task_pod_whatever_made_it(analyzer: Analyzer) -> None:
    objects = changed(stack(), "cleanup", ("metadata", "namespace"), "airflow-tasks")
    objects = changed(objects, "cleanup", (*CRON_POD, "volumes"), [])
    objects = changed(objects, "cleanup-traffic", (), (NETWORK_POLICY, traffic("airflow-tasks", {"app": "cleanup"})))
    objects = changed(objects, "cleanup", (*CRON_POD, "containers", 0, "env"), [secret_variable("KEY", "jwt")])
    assert names(analyzer, objects) == set()

    labels = {"airflow-platform/secret": "control-plane"}
    secret = {"metadata": {"name": "jwt", "namespace": "airflow-tasks", "labels": labels}}
    violations = analyzer.violations(changed(objects, "jwt", (), ("kubernetes:core/v1:Secret", secret)))
    assert any("CronJob airflow-tasks/cleanup refers to" in violation.message for violation in violations)


def test_a_pod_template_that_is_no_yaml_is_refused(analyzer: Analyzer) -> None:
    assert "pods-are-restricted" in names(analyzer, changed(stack(), "configuration", TASK, "kind: [Pod"))


def names(analyzer: Analyzer, objects: Any) -> set[str]:
    return {violation.policy for violation in analyzer.violations(objects)}
