"""Fixtures and settings that all tests share."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.harness.api_server import ApiServer

settings.register_profile(
    "fast", max_examples=50, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=2000, derandomize=False, print_blob=True)
settings.load_profile("fast")
os.environ.pop("COLUMNS", None)  # pytest-xdist's processes have one: what the command prints depends on it


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real Kubernetes API server with Strimzi's definitions, started by the first test that asks for it."""
    with ApiServer(tmp_path_factory.mktemp("api-server")) as server:
        yield server
