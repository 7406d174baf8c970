"""Fixtures of tests that need the platform running on the embedded Kubernetes."""

import pytest

from local.airflow_api import AirflowApi
from tests.local.platform import Platform


@pytest.fixture(scope="session")
def platform() -> Platform:
    """What `make up` brought. The tests of this folder change it, one after the other."""
    return Platform.connect()


@pytest.fixture
def airflow(platform: Platform) -> AirflowApi:
    """Airflow's API, as the administrator."""
    return platform.sign_in()
