"""What the preflight says, and what its probes see."""

import socket
from dataclasses import replace
from typing import Any

import pytest

from local.cluster import addresses, machine, preflight
from local.cluster.machine import GIB, Machine

FINE = Machine(
    system="Linux",
    architecture="x86_64",
    root=True,
    missing_capabilities=(),
    programs=frozenset(preflight._PROGRAMS),
    go=(1, 26, 8),
    go_needed=(1, 26, 4),
    to_build=("Kubernetes 1.34.4",),
    registry_reached=True,
    memory=8 * GIB,
    disk=20 * GIB,
    cache="/root/.cache/airflow-platform",
    state="/root/.cache/airflow-platform/clusters/local",
    cgroups_writable=True,
    node_ip="172.30.0.1",
    address_elsewhere=(),
    ports_taken=(),
    other_kubelets=(),
)


def test_a_fitting_machine_has_no_problem() -> None:
    assert preflight.problems(FINE) == []


@pytest.mark.parametrize(
    ("change", "given", "instead"),
    [
        ({"system": "Darwin"}, "this is Darwin", "Install Docker"),
        ({"root": False}, "needs root", "sudo"),
        ({"missing_capabilities": ("CAP_SYS_ADMIN",)}, "CAP_SYS_ADMIN", "privileged"),
        ({"architecture": "riscv64"}, "riscv64", "x86_64 or aarch64"),
        ({"programs": FINE.programs - {"apt-get"}}, "apt-get", "Debian"),
        ({"go": None}, "go is not on the PATH", "Install Go 1.26.4"),
        ({"go": (1, 24, 13)}, "Go 1.24.13", "1.26.4 or newer"),
        ({"registry_reached": False}, "Kubernetes 1.34.4", "GOPROXY"),
        ({"memory": 3 * GIB}, "3.0 GiB", "6.0 GiB"),
        ({"disk": 14 * GIB}, "14.0 GiB", "AIRFLOW_PLATFORM_CACHE"),
        ({"disk": 4 * GIB, "to_build": ()}, "4.0 GiB", "5.0 GiB"),
        ({"state": "/home/" + 100 * "x"}, "too long", "AIRFLOW_PLATFORM_CACHE"),
        ({"cgroups_writable": False}, "cgroups", "outside a container"),
        ({"address_elsewhere": ("docker0",)}, "docker0", "172.30.0.1"),
        ({"ports_taken": (("172.30.0.1", 6443),)}, "Port 6443 of 172.30.0.1", "ss -ltnp"),
        ({"other_kubelets": (77,)}, "process 77", "CONTEXT=name"),
    ],
)
def test_each_problem_is_one_sentence_that_says_what_is_and_what_to_do(
    change: dict[str, Any], given: str, instead: str
) -> None:
    (problem,) = preflight.problems(replace(FINE, **change))
    assert given in problem
    assert instead in problem


def test_with_everything_in_the_cache_neither_go_nor_a_network_is_needed() -> None:
    assert preflight.problems(replace(FINE, to_build=(), go=None, registry_reached=False, disk=6 * GIB)) == []


def test_all_problems_are_told_at_once() -> None:
    assert len(preflight.problems(replace(FINE, root=False, memory=GIB, go=None))) == 3


def test_a_taken_port_is_seen_and_a_released_one_is_free() -> None:
    with socket.socket() as listener:
        listener.bind((addresses.LOOPBACK, 0))
        listener.listen()
        endpoint = listener.getsockname()
        assert list(machine._taken([endpoint])) == [endpoint]
    assert list(machine._taken([endpoint])) == []


def test_a_port_of_an_address_that_is_not_there_yet_can_be_probed() -> None:
    assert list(machine._taken([("172.30.255.254", 6443)])) == []


def test_a_listener_on_all_addresses_takes_the_port_on_ours() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        endpoint = (addresses.LOOPBACK, listener.getsockname()[1])
        assert list(machine._taken([endpoint])) == [endpoint]
