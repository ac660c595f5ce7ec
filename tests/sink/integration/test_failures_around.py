"""What is around the worker fails: it waits, goes on, and the tables, the journal and the dead letters are exact."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.harness.kafka_broker import NAME
from tests.harness.processes import wait_until
from tests.sink.integration.stand import Pipeline, Stand
from tests.sink.integration.streams import EVENTS, Streams

pytestmark = pytest.mark.integration

PART = EVENTS // 6
CUT_SECONDS = 0.3
WAIT_SECONDS = 30
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sink-worker%'"
FULL = """
CREATE FUNCTION be_full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON orders EXECUTE FUNCTION be_full()
"""


def restart_postgres(stand: Stand) -> None:
    """In good order, as for an update."""
    stand.postgres.stop()
    time.sleep(1)
    stand.postgres.start()


def crash_postgres(stand: Stand) -> None:
    """With no warning; it recovers by its log."""
    stand.postgres.kill()
    stand.postgres.start()


def restart_broker(stand: Stand) -> None:
    """In good order."""
    stand.broker.stop(NAME)
    stand.broker.start(NAME)


def crash_broker(stand: Stand) -> None:
    """With no warning."""
    stand.broker.kill(NAME)
    stand.broker.start(NAME)


@pytest.mark.parametrize("failure", [restart_postgres, crash_postgres, restart_broker, crash_broker])
def test_a_restart_of_a_server_loses_and_doubles_nothing(
    pipeline: Pipeline,
    stand: Stand,
    failure: Callable[[Stand], None],
) -> None:
    """Twice, in the middle of the load."""
    streams = Streams(pipeline)
    with streams.worker() as worker:
        for _ in range(2):
            streams.send(PART)
            failure(stand)
            streams.send(PART)
        streams.assert_exact()
        assert worker.process.exit_code is None
        wait_until("the worker to be ready", worker.is_ready, WAIT_SECONDS)


def test_cut_connections_lose_and_double_nothing(pipeline: Pipeline) -> None:
    """Every connection of the worker is ended again and again while it writes."""
    streams = Streams(pipeline)
    with streams.worker(), cutting(pipeline):
        for _ in range(6):
            streams.send(PART)
            time.sleep(1)
    with streams.worker():
        streams.assert_exact()


@contextmanager
def cutting(pipeline: Pipeline) -> Iterator[None]:
    """End the worker's connections every third of a second for the time of the block."""
    over = threading.Event()

    def cut() -> None:
        while not over.wait(CUT_SECONDS):
            pipeline.query(CUT)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_read_only_postgres_is_waited_for(pipeline: Pipeline, stand: Stand) -> None:
    """Nothing is refused for it, the worker says that it is not ready, and goes on by itself."""
    streams = Streams(pipeline)
    with streams.worker() as worker:
        streams.send(PART)
        pipeline.wait_caught_up()
        stand.postgres.psql(f"ALTER DATABASE {pipeline.name} SET default_transaction_read_only = on")
        pipeline.query(CUT)
        streams.send(PART)
        wait_until("the worker to be not ready", lambda: not worker.is_ready(), WAIT_SECONDS)
        time.sleep(3)
        assert worker.is_live()
        stand.postgres.psql(f"ALTER DATABASE {pipeline.name} SET default_transaction_read_only = off")
        streams.assert_exact()
        wait_until("the worker to be ready", worker.is_ready, WAIT_SECONDS)


def test_a_full_disk_is_waited_for(pipeline: Pipeline) -> None:
    """SQLSTATE 53100 on every write: no row is refused for it."""
    streams = Streams(pipeline)
    with streams.worker() as worker:
        streams.send(PART)
        pipeline.wait_caught_up()
        pipeline.execute(FULL)
        streams.send(PART)
        wait_until("the worker to be not ready", lambda: not worker.is_ready(), WAIT_SECONDS)
        pipeline.execute("DROP TRIGGER full_disk ON orders")
        streams.assert_exact()


def test_a_registry_that_is_away_is_waited_for(pipeline: Pipeline, stand: Stand) -> None:
    """A worker that starts without the registry does not refuse what it cannot read yet."""
    streams = Streams(pipeline)
    streams.send(PART)
    port = stand.registry.port
    with streams.worker(registry={"urls": ["http://127.0.0.1:9"]}):
        time.sleep(4)
        assert not pipeline.query("SELECT to_regclass('cdc_sink.rejected')")[0][0] or not pipeline.query(
            "SELECT * FROM cdc_sink.rejected WHERE topic LIKE '%orders'"
        )
    assert stand.registry.port == port
    with streams.worker("successor"):
        streams.assert_exact()
