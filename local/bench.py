"""Speed as ratios within one run, so that they can be compared between machines: `make bench`.

Evaluating each stack is set against importing the same SDK modules alone; a task's start under the KubernetesExecutor
against a bare pod's of the same image. The second needs the embedded cluster up.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml
from kubernetes import client, config

from infra import offline, stack_config
from local import target as targets
from local.airflow_api import AirflowApi
from local.cluster import embedded
from local.first_run import TASKS_NAMESPACE, sign_in
from local.images.airflow import REF
from local.target import REPOSITORY, Target

ROUNDS = 5

_STACKS_MEANING = f"""
  Stacks: the best of {ROUNDS} processes each, in turns. At a ratio of 1 the program would cost nothing beside the
  SDK modules that it imports."""
_STARTS_MEANING = f"""
  Tasks: the medians of {ROUNDS}, in turns. From the run's queueing to the task's start, as Airflow's API says; from
  a pod's creation to the first command in it. Both pods are of the same image, and ask for the same."""
_NO_STARTS = """
  The start of tasks is not measured: the embedded cluster is not up. Run `make up`, then `make bench`."""

_EVALUATE = "import sys; from infra import offline; offline.evaluate(sys.argv[1])"
_SDK_MODULES = (
    "; print(*(name for name, module in sys.modules.items()"
    " if name.startswith('pulumi') and getattr(module, '__spec__', None)))"
)
_IMPORT = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
_DAG = "sleeps"
_TASK = "sleep"


@dataclass(frozen=True)
class Comparison:
    """Two times in seconds, measured in turns in the same run."""

    what: str
    ours: float
    against: str
    theirs: float

    def row(self) -> str:
        """A line of the table."""
        ratio = self.ours / self.theirs
        return f"  {self.what:<27}{self.ours:6.2f} s   {self.against:<28}{self.theirs:6.2f} s   {ratio:5.2f}"


def main() -> int:
    """Measure, and print the table."""
    before = os.getloadavg()[0]
    stacks = stack_config.stacks(offline.REPOSITORY)
    print(f"Evaluating {', '.join(stacks)}, {ROUNDS} times each ...", flush=True)
    evaluations = measure_stacks(stacks)
    target = targets.choose(None)
    starts: list[Comparison] = []
    if target.embedded and embedded.running():
        print(f"Starting {ROUNDS} tasks and {ROUNDS} bare pods ...", flush=True)
        starts = [measure_starts(target)]
    print(table(evaluations + starts, loads=(before, os.getloadavg()[0]), processors=os.cpu_count() or 1))
    print(_STACKS_MEANING)
    print(_STARTS_MEANING if starts else _NO_STARTS)
    return 0


def table(comparisons: Sequence[Comparison], *, loads: tuple[float, float], processors: int) -> str:
    """The comparisons with their ratios, and how busy the machine was."""
    return "\n".join(
        [
            "",
            f"  {'':<38}{'set against':<39}ratio",
            *(comparison.row() for comparison in comparisons),
            "",
            f"  Load of the machine: {loads[0]:.1f} before, {loads[1]:.1f} after, on {processors} processors.",
        ]
    )


def measure_stacks(stacks: Sequence[str]) -> list[Comparison]:
    """Evaluating each stack, against importing those SDK modules that its evaluation imports."""
    modules = {stack: sdk_modules(stack) for stack in stacks}
    evaluating: dict[str, list[float]] = {stack: [] for stack in stacks}
    importing: dict[str, list[float]] = {stack: [] for stack in stacks}
    for _ in range(ROUNDS):
        for stack in stacks:
            importing[stack].append(_seconds(_IMPORT, *modules[stack]))
            evaluating[stack].append(_seconds(_EVALUATE, stack))
    return [
        Comparison(
            f"evaluate {stack}",
            min(evaluating[stack]),
            f"import {len(modules[stack])} SDK modules",
            min(importing[stack]),
        )
        for stack in stacks
    ]


def sdk_modules(stack: str) -> list[str]:
    """Names of the Pulumi SDK's modules that evaluating the stack imports, in the order of their import."""
    return _python(_EVALUATE + _SDK_MODULES, stack).split()


def measure_starts(target: Target) -> Comparison:
    """Tasks of the DAG `sleeps`, against bare pods, each started when the one before is gone."""
    core = client.CoreV1Api(config.new_client_from_config(str(target.kubeconfig), target.context))
    airflow = sign_in(target)
    airflow.wait_for_dag(_DAG)
    size = task_resources()
    tasks, pods = [], []
    for number in range(ROUNDS):
        pods.append(_start_pod(core, f"bench-{number}", size))
        tasks.append(_start_task(airflow))
    return Comparison("start a task", statistics.median(tasks), "start a bare pod", statistics.median(pods))


def bare_pod(name: str, resources: dict[str, Any]) -> dict[str, Any]:
    """A pod of the tasks' image that only prints the time, to the nanosecond: its status knows whole seconds."""
    restricted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "main",
        "image": REF,
        "imagePullPolicy": "IfNotPresent",
        "command": ["date", "+%s.%N"],
        "resources": resources,
        "securityContext": restricted,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": TASKS_NAMESPACE},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 50000,
                "runAsGroup": 0,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


def task_resources() -> dict[str, Any]:
    """What a task's pod asks for and may use, from the stack's own pod template."""
    recording = offline.evaluate("local")
    (template,) = (
        each.inputs["data"]["pod_template.yaml"]
        for each in recording.registrations
        if "pod_template.yaml" in each.inputs.get("data", {})
    )
    return yaml.safe_load(template)["spec"]["containers"][0]["resources"]


def _start_pod(core: client.CoreV1Api, name: str, resources: dict[str, Any]) -> float:
    body: Any = bare_pod(name, resources)  # the client takes plain objects too, which its types do not say
    created = time.time()
    core.create_namespaced_pod(TASKS_NAMESPACE, body)
    try:
        while (phase := core.read_namespaced_pod(name, TASKS_NAMESPACE).to_dict()["status"]["phase"]) != "Succeeded":
            if phase == "Failed" or time.time() > created + 120:
                raise RuntimeError(f"The bare pod {name} is {phase} after {time.time() - created:.0f} s.")
            time.sleep(0.2)
        return float(core.read_namespaced_pod_log(name, TASKS_NAMESPACE)) - created
    finally:
        core.delete_namespaced_pod(name, TASKS_NAMESPACE, grace_period_seconds=0)


def _start_task(airflow: AirflowApi) -> float:
    run = airflow.trigger(_DAG, {"seconds": 0})
    if (state := airflow.wait_for_run(_DAG, run)) != "success":
        raise RuntimeError(f"The run {run} of the DAG {_DAG} ended as {state}.")
    queued = airflow.request("GET", f"/dags/{_DAG}/dagRuns/{run}")["queued_at"]
    return _timestamp(airflow.task_instance(_DAG, run, _TASK)["start_date"]) - _timestamp(queued)


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _seconds(program: str, *arguments: str) -> float:
    start = time.perf_counter()
    _python(program, *arguments)
    return time.perf_counter() - start


def _python(program: str, *arguments: str) -> str:
    """Output of the program, run as everybody does after their first time: with compiled modules."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
