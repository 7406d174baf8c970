"""Addresses of pods from what the CNI library keeps, before the API server knows them."""

import json
import sys
import threading
from pathlib import Path

import pytest

from local.network_policy import cni
from tests.local.network_policy_objects import pod


def result(directory: Path, uid: str, address: str, interface: str = "eth0") -> None:
    kept = {"cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_UID", uid]], "result": {"ips": [{"address": address}]}}
    (directory / f"{uid}-{interface}".replace("/", "-")).write_text(json.dumps(kept))


def test_a_pod_whose_address_the_api_does_not_know_has_the_one_it_was_given(tmp_path: Path) -> None:
    result(tmp_path, "a/new", "10.244.0.5/16")
    result(tmp_path, "a/new", "127.0.0.1/8", interface="lo")
    result(tmp_path, "a/old", "10.244.0.6/16")
    (tmp_path / "half-written").write_text('{"cniArgs": ')
    pods = [pod("a", "new", ""), pod("a", "old", "10.244.0.7"), pod("a", "unscheduled", "")]
    addresses = [each["status"]["podIP"] for each in cni.with_addresses(pods, tmp_path)]
    assert addresses == ["10.244.0.5", "10.244.0.7", ""]


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_a_new_result_is_noticed(tmp_path: Path) -> None:
    changed = threading.Event()
    cni.watch(tmp_path / "results", changed)
    result(tmp_path / "results", "a/new", "10.244.0.5/16")
    assert changed.wait(2)
