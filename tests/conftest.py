"""Fixtures and settings that all tests share."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.harness.api_server import ApiServer

settings.register_profile(
    "fast", max_examples=50, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=2000, derandomize=False, print_blob=True)
settings.load_profile("fast")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell has what it starts in the background ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.pop("COLUMNS", None)  # pytest-xdist's processes have one: what the command prints depends on it


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real Kubernetes API server with Strimzi's definitions, started by the first test that asks for it."""
    with ApiServer(tmp_path_factory.mktemp("api-server")) as server:
        yield server
