"""Two commands at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.cluster import lock

HOLD = "from local.cluster import lock\nwith lock.exclusive():\n    print('held', flush=True)\n    input()"


def test_a_second_command_is_refused_until_the_first_has_ended_however_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_PLATFORM_CACHE", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(RuntimeError, match="Wait until it ends"), lock.exclusive():
            pass
        first.kill()
    with lock.exclusive():
        pass
