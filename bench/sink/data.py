"""The data: a million changes, in Avro and in JSON with embedded schemas, with tombstones and without."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC

import psycopg

from bench.sink.stage import Stage, Target
from tests.sink.workload.changes import Change, Mix, Model, Order, history
from tests.sink.workload.envelopes import Format, Names
from tests.sink.workload.feed import Feed, create_topic, table_encoder

PARTITIONS = 6
SEED = 20_261_122
NO_DELETION = {"retention.ms": "-1"}


@dataclass(frozen=True)
class Topic:
    """A filled topic. ``changes`` are events proper; ``records`` adds the tombstones."""

    name: str
    format: Format
    changes: int
    records: int


@dataclass(frozen=True)
class Data:
    """What every peer reads, and the table it must end with."""

    with_tombstones: dict[Format, Topic]
    without_tombstones: dict[Format, Topic]
    checksum: str
    changes: int


def changes(events: int) -> Iterator[Change]:
    """The history: 60 % updates, 30 % inserts, 10 % deletes, 0.3 keys an event."""
    return history(SEED, Mix(events=events, keys=events * 3 // 10))


def fill(stage: Stage, events: int, formats: Iterable[Format]) -> Data:
    """Fill the topics."""
    model = Model().apply_all(changes(events))
    both: list[dict[Format, Topic]] = []
    for prefix, tombstones in (("with", True), ("without", False)):
        both.append({kind: fill_one(stage, events, kind, prefix, tombstones=tombstones) for kind in formats})
    return Data(both[0], both[1], checksum(model.rows.values()), events)


def fill_one(stage: Stage, events: int, kind: Format, prefix: str, *, tombstones: bool) -> Topic:
    """A topic with the history, whose name begins with ``prefix``."""
    names = Names(f"{prefix}_{kind}", "shop", "orders")
    create_topic(stage.broker.bootstrap, names.topic, PARTITIONS, **NO_DELETION)
    feed = Feed(stage.broker.bootstrap, names.topic, PARTITIONS, table_encoder(kind, names, stage.registry))
    feed.send(change._replace(tombstone=change.tombstone and tombstones) for change in changes(events))
    return Topic(names.topic, kind, events, sum(feed.records))


def checksum(rows: Iterable[Order]) -> str:
    """Of a table's rows, in any order."""
    total = 0
    for row in rows:
        total ^= int.from_bytes(hashlib.blake2b(repr(tuple(row)).encode(), digest_size=16).digest(), "big")
    return f"{total:032x}"


def table_checksum(target: Target) -> str:
    """The same of what is in the database."""
    with psycopg.connect(target.dsn) as connection, connection.cursor("rows") as cursor:
        connection.execute("SET timezone = 'UTC'")
        cursor.itersize = 20_000
        cursor.execute(f"SELECT {', '.join(Order._fields)} FROM orders".encode())
        return checksum(_utc(Order(*row)) for row in cursor)


def _utc(order: Order) -> Order:
    return order._replace(updated_at=order.updated_at.astimezone(UTC))
