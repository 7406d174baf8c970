"""`make up` where everything is up."""

import subprocess
import sys
import time

import pytest

from local.target import REPOSITORY
from tests.local.platform import Platform

pytestmark = pytest.mark.cluster


def _up() -> str:
    command = [sys.executable, "-m", "local", "up"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def _pods(platform: Platform) -> set[str]:
    """The pods that stay, by their unique ids."""
    return {
        str(pod.metadata and pod.metadata.uid)
        for namespace in ("airflow", "airflow-data", "cnpg-system")
        for pod in platform.core.list_namespaced_pod(namespace, label_selector="!job-name").items
    }


def test_a_second_up_changes_nothing_and_says_so_within_a_minute(platform: Platform) -> None:
    _up()  # other tests may have left another stack
    before, start = _pods(platform), time.monotonic()
    said = _up()
    assert time.monotonic() - start < 60
    assert "Nothing changed" in said
    assert "  UI         http://172.30.0.1:30080\n" in said
    assert _pods(platform) == before
