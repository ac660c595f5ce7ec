"""What is around the worker fails: it waits, goes on, and the tables, the journal and the dead letters are exact."""

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.harness.kafka_broker import NAME
from tests.harness.processes import wait_until
from tests.harness.unprivileged import NOBODY, make_folder
from tests.sink.integration.stand import Pipeline, Stand
from tests.sink.integration.streams import EVENTS, Streams

pytestmark = pytest.mark.integration

PART = EVENTS // 6
CUT_SECONDS = 0.3
WAIT_SECONDS = 30
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sink-worker%'"
LOCK_SECONDS = 0.5
NEARLY_NOTHING, PLENTY = "1m", "64m"


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


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[str], None]]:
    """A file system of PostgreSQL's user with room for next to nothing; what is given changes its size."""

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)

    mount(f"size={NEARLY_NOTHING}")
    shutil.chown(folder, NOBODY)
    try:
        yield lambda size: mount(f"remount,size={size}")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_waited_for(pipeline: Pipeline, stand: Stand) -> None:
    """PostgreSQL's tables are on a disk of their own, which is full: no row is refused for it."""
    place = make_folder("tablespace")
    streams = Streams(pipeline)
    with small_disk(place) as resize:
        stand.postgres.psql(f"CREATE TABLESPACE {pipeline.name} LOCATION '{place}'")
        stand.postgres.psql(f"ALTER DATABASE {pipeline.name} SET default_tablespace = {pipeline.name}")
        with streams.worker() as worker:
            streams.send(PART * 6)
            wait_until("the worker to be not ready", lambda: not worker.is_ready(), WAIT_SECONDS)
            wait_until("PostgreSQL's word", lambda: "DiskFull" in str(worker.log()), WAIT_SECONDS)
            resize(PLENTY)
            streams.assert_exact()
        stand.postgres.psql(f"DROP DATABASE {pipeline.name} WITH (FORCE)")
        stand.postgres.psql(f"DROP TABLESPACE {pipeline.name}")
    place.rmdir()


def test_a_lock_on_one_table_keeps_no_other_waiting(pipeline: Pipeline) -> None:
    """Somebody holds a table for longer than the worker waits: the other table goes on, and then this one, too."""
    streams = Streams(pipeline)
    with streams.worker(postgres={"lock_timeout_seconds": LOCK_SECONDS}):
        streams.send(PART)
        pipeline.wait_caught_up()
        with psycopg.connect(pipeline.dsn) as other:
            other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            streams.send(PART)
            written = [(sum(streams.journal.records),)]
            wait_until("the other table", lambda: pipeline.query("SELECT count(*) FROM journal") == written, WAIT_SECONDS)
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


def test_a_connection_that_breaks_is_an_error_and_no_signal(pipeline: Pipeline) -> None:
    """OpenSSL writes without MSG_NOSIGNAL: a broker that closes its connection would end a process that minds SIGPIPE."""
    with Streams(pipeline).worker() as worker:
        status = Path(f"/proc/{worker.process.pid}/status").read_text("utf-8")
    [ignored] = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn")]
    assert ignored >> (signal.SIGPIPE - 1) & 1
