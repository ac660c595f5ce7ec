"""One stand for all tests, and for each test a pipeline of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.kafka_broker import KafkaBroker
from tests.harness.postgres_server import PostgresServer
from tests.harness.schema_registry import SchemaRegistry
from tests.sink.integration.stand import Pipeline, Stand

QUICK_GROUPS = {"group.min.session.timeout.ms": "1000"}


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Kafka, a schema registry and PostgreSQL."""
    folder = tmp_path_factory.mktemp("stand")
    with ExitStack() as servers:
        postgres = servers.enter_context(PostgresServer(folder))
        broker = servers.enter_context(KafkaBroker(folder / "kafka", QUICK_GROUPS))
        yield Stand(broker, servers.enter_context(SchemaRegistry(folder)), postgres)


@pytest.fixture
def make_pipeline(stand: Stand, tmp_path: Path) -> Iterator[Callable[[], Pipeline]]:
    """Makes pipelines that end with the test."""
    made: list[Pipeline] = []

    def make() -> Pipeline:
        made.append(Pipeline(stand, tmp_path))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.close()


@pytest.fixture
def pipeline(make_pipeline: Callable[[], Pipeline]) -> Pipeline:
    """One pipeline."""
    return make_pipeline()
