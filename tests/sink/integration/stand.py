"""The servers around the worker, and one pipeline through them: topic, database, feed, worker, and the judge at its end."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.harness.kafka_broker import KafkaBroker
from tests.harness.postgres_server import SUPERUSER, PostgresServer
from tests.harness.processes import LOOPBACK, NotReadyError, wait_until
from tests.harness.schema_registry import SchemaRegistry
from tests.harness.sink_worker import HASTY, SinkWorker, merged
from tests.sink.workload.changes import Order
from tests.sink.workload.envelopes import Format, Names
from tests.sink.workload.feed import Feed, create_topic, table_encoder

QUIET_SECONDS = 60
DLQ_PARTITIONS = 1


@dataclass(frozen=True)
class Stand:
    """What runs for all tests."""

    broker: KafkaBroker
    registry: SchemaRegistry
    postgres: PostgresServer


@dataclass
class Pipeline:
    """One test's own: nothing here is shared with another but the servers."""

    stand: Stand
    folder: Path
    name: str = field(default_factory=lambda: f"p{uuid.uuid4().hex[:8]}")
    topics: list[str] = field(default_factory=list)
    feeds: list[Feed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stand.postgres.psql(f"CREATE DATABASE {self.name}")
        self.dlq = f"{self.name}.dlq"
        create_topic(self.stand.broker.bootstrap, self.dlq, DLQ_PARTITIONS)

    @property
    def dsn(self) -> str:
        """The target database."""
        return self.stand.postgres.dsn(self.name)

    def feed(self, kind: Format = "avro", table: str = "orders", partitions: int = 3, clock: Any = None) -> Feed:
        """A new topic, which goes to the table of that name."""
        names = Names(self.name, "shop", table)
        create_topic(self.stand.broker.bootstrap, names.topic, partitions)
        more = {} if clock is None else {"clock": clock}
        feed = Feed(
            self.stand.broker.bootstrap, names.topic, partitions, table_encoder(kind, names, self.stand.registry, **more)
        )
        self.feeds.append(feed)
        self.topics.append(names.topic)
        return feed

    def settings(self, **more: Mapping[str, Any] | Any) -> dict[str, Any]:
        """The worker's settings for this pipeline; ``more`` are merged in."""
        own = {
            "kafka": {"bootstrap_servers": self.stand.broker.bootstrap, "group_id": self.name, "topics": self.topics},
            "registry": {"urls": [self.stand.registry.url]},
            "postgres": {
                "host": LOOPBACK,
                "port": str(self.stand.postgres.port),
                "database": self.name,
                "user": SUPERUSER,
                "sslmode": "disable",
            },
            "dlq": {"topic": self.dlq},
        }
        return merged(HASTY, own, more)

    def worker(self, name: str = "worker", **more: Mapping[str, Any] | Any) -> SinkWorker:
        """A worker that is not started yet."""
        return SinkWorker(self.folder, self.settings(**more), name=name)

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query on the target database."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET timezone = 'UTC'")
            return connection.execute(statement.encode(), values or None).fetchall()

    def execute(self, statement: str) -> None:
        """A statement on the target database."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def next_offsets(self, topic: str) -> dict[int, int]:
        """The offsets that PostgreSQL has, by partition; none before a worker was there."""
        if not self.query("SELECT to_regclass('cdc_sink.offsets') IS NOT NULL")[0][0]:
            return {}
        return dict(self.query('SELECT "partition", next_offset FROM cdc_sink.offsets WHERE topic = %s', topic))

    def wait_caught_up(self, *feeds: Feed, timeout: float = QUIET_SECONDS) -> None:
        """Return once every record of the feeds, or of all of them, is behind PostgreSQL's offsets."""
        behind: dict[str, Any] = {}

        def caught_up() -> bool:
            behind.clear()
            for feed in feeds or self.feeds:
                found = self.next_offsets(feed.topic)
                wanted = {number: count for number, count in enumerate(feed.records) if count}
                if any(found.get(number, 0) < count for number, count in wanted.items()):
                    behind[feed.topic] = {"stored": found, "produced": wanted}
            return not behind

        try:
            wait_until("the worker to catch up", caught_up, timeout, interval=0.1)
        except NotReadyError as error:
            logs = "\n".join(f"{log}:\n{_tail(log)}" for log in sorted(self.folder.glob("*.log")))
            raise NotReadyError(f"{error}: {behind}\n{logs}") from None

    def rows(self, table: str = "orders") -> dict[int, Order]:
        """The table of a feed by key."""
        columns = ", ".join(Order._fields)
        return {row[0]: Order(*row) for row in self.query(f"SELECT {columns} FROM {table}")}

    def assert_table_is_the_model(self, feed: Feed) -> None:
        """Every row there and equal, and no other."""
        found, wanted = self.rows(feed.topic.rpartition(".")[2]), feed.model.rows
        different = [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)]
        shown = [(found.get(key), wanted.get(key)) for key in different[:3]]
        assert not different, f"{len(different)} rows of {len(wanted)} differ (found, wanted): {shown}"

    def dead_letters(self) -> list[dict[str, Any]]:
        """What the dead letter topic has, in order; each with its record headers under ``headers``."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.stand.broker.bootstrap,
                "group.id": f"{self.name}.reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            consumer.assign([TopicPartition(self.dlq, number, OFFSET_BEGINNING) for number in range(DLQ_PARTITIONS)])
            letters: list[dict[str, Any]] = []
            ends = 0
            while ends < DLQ_PARTITIONS:
                for message in consumer.consume(1_000, 1.0):
                    if message.error():
                        ends += 1
                        continue
                    headers = dict(message.headers() or [])
                    letters.append({**json.loads(message.value() or b"{}"), "headers": headers})
            return letters
        finally:
            consumer.close()

    def assert_dead_letters_are(self, expected: Iterable[tuple[str, int, int]]) -> None:
        """Exactly one dead letter for each topic, partition and offset, and no other, once the outbox is empty."""
        self.wait_outbox_empty()
        fields = ("source_topic", "source_partition", "source_offset")
        found = Counter(tuple(letter[name] for name in fields) for letter in self.dead_letters())
        wanted = Counter(expected)
        assert found == wanted, f"missing: {list(wanted - found)[:5]}; too many: {list(found - wanted)[:5]}"

    def wait_outbox_empty(self, timeout: float = QUIET_SECONDS) -> None:
        """Return once the relay has brought every dead letter to Kafka."""
        wait_until("the outbox to be empty", lambda: self.query("SELECT count(*) FROM cdc_sink.outbox")[0][0] == 0, timeout)

    def close(self) -> None:
        """Drop the database."""
        self.stand.postgres.psql(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


def _tail(log: Path, lines: int = 25) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
