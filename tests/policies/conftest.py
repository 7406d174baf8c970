"""One policy pack for all tests, started as the engine starts it: by the SDK, from within the pack's folder."""

from collections.abc import Iterator

import pytest

from tests.policies.analyzer import PACK, Analyzer, running


@pytest.fixture(scope="session")
def analyzer() -> Iterator[Analyzer]:
    with running("-m", "pulumi.policy", "127.0.0.1:0", ".", cwd=PACK) as analyzer:
        yield analyzer
