"""PostgreSQL's floor: rows decoded beforehand, compacted by key, one connection, and the statements with the least work."""

import os
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

import psycopg
from psycopg.types.numeric import Int8

from bench.sink.data import Data, changes, table_checksum
from bench.sink.run import Run
from bench.sink.stage import Stage
from tests.sink.workload.changes import Change, Order

BATCH = 20_000
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TAIL = b"\xff\xff"
COLUMNS = ", ".join(Order._fields)
STAGE = "CREATE TEMP TABLE staging (LIKE orders) ON COMMIT DELETE ROWS"
COPY = f"COPY staging ({COLUMNS}) FROM STDIN (FORMAT binary)"
DELETE = "DELETE FROM orders USING unnest(%s::bigint[]) AS gone (id) WHERE orders.id = gone.id"
UPSERT = f"INSERT INTO orders ({COLUMNS}) SELECT {COLUMNS} FROM staging ON CONFLICT (id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in Order._fields[1:]
)


@dataclass(frozen=True)
class Batch:
    """What is left of up to 20,000 changes, ready to be sent."""

    copy: bytes
    deleted: list[Int8]


def prepare(events: int) -> list[Batch]:
    """All batches of the history, in order."""
    source = changes(events)
    return [_batch(taken) for taken in iter(lambda: list(islice(source, BATCH)), [])]


def run(stage: Stage, data: Data, batches: list[Batch]) -> Run:
    """Write them: a transaction each."""
    target = stage.target()
    meter = stage.meter(client=os.getpid())
    with psycopg.connect(target.dsn) as connection:
        connection.execute(STAGE)
        connection.commit()
        began = time.monotonic()
        for batch in batches:
            with connection.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.write(batch.copy)
            connection.execute(DELETE, [batch.deleted], binary=True, prepare=True)
            connection.execute(UPSERT, prepare=True)
            connection.commit()
        seconds = time.monotonic() - began
        spent = meter.read()
    whole = table_checksum(target) == data.checksum
    return Run(data.changes, seconds, data.changes, spent, 0, whole)


def _batch(taken: Iterable[Change]) -> Batch:
    last = {change.key: change.after for change in taken}
    rows = b"".join(_rows(last))
    return Batch(COPY_HEAD + rows + COPY_TAIL, [Int8(key) for key in sorted(last) if last[key] is None])


def _rows(last: dict[int, Order | None]) -> Iterator[bytes]:
    for key in sorted(last):
        row = last[key]
        if row is not None:
            yield _row(row)


def _row(row: Order) -> bytes:
    status, note = row.status.encode(), row.note.encode() if row.note is not None else None
    amount = _numeric(row.amount)
    return b"".join(
        (
            struct.pack(">hiqiii", 10, 8, row.id, 4, row.customer_id, len(status)),
            status,
            struct.pack(">i", len(amount)),
            amount,
            struct.pack(">iii?id", 4, row.quantity, 1, row.express, 8, row.weight),
            struct.pack(">i", -1) if note is None else struct.pack(">i", len(note)) + note,
            struct.pack(">iqiq", 8, _micros(row.created_at.replace(tzinfo=UTC)), 8, _micros(row.updated_at)),
        )
    )


def _micros(moment: datetime) -> int:
    since = moment - POSTGRES_EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _numeric(value: Decimal) -> bytes:
    """PostgreSQL's binary numeric with two digits after the point: groups of four decimal digits."""
    cents = abs(int(value * 100))
    whole, fraction = divmod(cents, 100)
    groups = [fraction * 100]
    while whole:
        whole, group = divmod(whole, 10_000)
        groups.insert(0, group)
    weight = len(groups) - 2
    while groups and groups[-1] == 0:
        groups.pop()
    sign = 0x4000 if value < 0 and groups else 0
    return struct.pack(f">hhHh{len(groups)}h", len(groups), weight if groups else 0, sign, 2, *groups)
