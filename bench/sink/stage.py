"""The servers of the benchmark, and a fresh database with the same table for every run."""

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from bench.sink.accounting import Meter
from tests.harness.kafka_broker import NAME, KafkaBroker
from tests.harness.postgres_server import PostgresServer
from tests.harness.schema_registry import SchemaRegistry

# All peers write the same table, with room for HOT updates, into a durable server whose checkpoints are not in the way.
POSTGRES = {"shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "30min", "track_commit_timestamp": "on"}
BROKER = {"num.network.threads": "3", "num.io.threads": "4", "group.min.session.timeout.ms": "1000"}
BROKER_JVM = ("-Xmx1g", "-XX:TieredStopAtLevel=4", "-XX:-UseSerialGC", "-XX:+UseG1GC")
TABLE = """CREATE TABLE orders (
    id bigint PRIMARY KEY, customer_id integer NOT NULL, status text NOT NULL, amount numeric(12,2) NOT NULL,
    quantity integer NOT NULL, express boolean NOT NULL, weight double precision NOT NULL, note text,
    created_at timestamp(6) NOT NULL, updated_at timestamptz NOT NULL
) WITH (fillfactor = 90)"""


@dataclass(frozen=True)
class Target:
    """A database with the empty table."""

    name: str
    dsn: str


class Stage:
    """Kafka, a schema registry and PostgreSQL, for the time of the context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = PostgresServer(folder, POSTGRES)
        self.broker = KafkaBroker(folder / "kafka", BROKER, BROKER_JVM)
        self.registry = SchemaRegistry(folder)
        self._servers = ExitStack()
        self._numbers = itertools.count()

    def target(self) -> Target:
        """A fresh one. What earlier runs wrote is dropped and on disk, so that no run pays for another."""
        for name in self.postgres.psql("SELECT datname FROM pg_database WHERE datname LIKE 'run%'").split():
            self.postgres.psql(f"DROP DATABASE {name} WITH (FORCE)")
        name = f"run{next(self._numbers)}"
        self.postgres.psql(f"CREATE DATABASE {name}")
        self.postgres.psql(TABLE, name)
        self.postgres.psql("CHECKPOINT")
        return Target(name, self.postgres.dsn(name))

    def meter(self, **programs: int) -> Meter:
        """A meter of the servers and of the named programs."""
        return Meter({"kafka": self.broker.process(NAME).pid, "postgresql": self.postgres.process.pid, **programs})

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        for server in (self.postgres, self.broker, self.registry):
            self._servers.enter_context(server)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._servers.close()


def ask(target: Target, table: str, statement: str) -> Callable[[], int]:
    """A question to the target's database, to be asked again and again over one connection: the number it answers.

    Zero while ``table`` does not exist.
    """
    connection = psycopg.connect(target.dsn, autocommit=True)

    def answer() -> int:
        exists = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
        row = connection.execute(statement.encode()).fetchone() if exists and exists[0] else None
        return int(row[0]) if row else 0

    return answer
