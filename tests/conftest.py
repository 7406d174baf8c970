"""Fixtures that several folders of tests share."""

import pytest

from tests.stack import Stack, evaluate


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack local."""
    return evaluate("local", tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack prod."""
    return evaluate("prod", tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="session", params=["local", "prod"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Each stack in turn."""
    return request.getfixturevalue(request.param)
