"""Merges writes of cells into one table, inside the caller's transaction.

Rows of a partition share a Kafka partition only as far as their keys do: deletions of partitions and of ranges come by other
ways, at any time. So each batch of rows holds its table's advisory lock shared, and one with such a deletion holds it alone:
a row is merged either before the deletion is applied, and then it is found; or after it is stored, and then it is looked up.

Nothing is locked between reading a row and writing it: the write names the version that was read, and what finds another one is
merged again. That is right for two batches with one row (after a topic's partitions grew, in a replay) and for the sweeper too.
"""

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sink_worker import faults
from sink_worker._native import CellWrites, Merged, merge_cells
from sink_worker.cassandra.tables import CellPlan
from sink_worker.control import Connection, Control
from sink_worker.errors import TableError
from sink_worker.rows import COPY_PIECE_BYTES, BinaryArray

_FIELD: Final = struct.Struct(">Ii")
LOCK_CLASS: Final = 0x0CE11
"""Advisory locks (LOCK_CLASS, table's id): shared by batches of rows, alone for one with a partition's or range's deletion."""
ATTEMPTS: Final = 20
_LOCK = "SELECT pg_advisory_xact_lock(%s, %s)"
_LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
_AROUND = """
SELECT cardinality(columns), partition_columns,
       EXISTS (SELECT FROM {schema}.cell_graves AS g WHERE g.table_id = t.id),
       EXISTS (SELECT FROM {schema}.cell_tombstones AS o WHERE o.table_id = t.id)
FROM {schema}.cell_tables AS t WHERE id = %s
"""
_WIDTH = "UPDATE {schema}.cell_tables SET partition_columns = %s WHERE id = %s AND partition_columns IS NULL"
_TOMBSTONE = """
INSERT INTO {schema}.cell_tombstones AS t (table_id, "partition", "range", ts)
SELECT %s, n."partition", n."range", max(n.ts)
FROM unnest(%s::bytea[], %s::bytea[], %s::bigint[]) AS n ("partition", "range", ts)
GROUP BY n."partition", n."range" ORDER BY n."partition", n."range"
ON CONFLICT (table_id, "partition", "range") DO UPDATE SET ts = excluded.ts WHERE t.ts < excluded.ts
"""
# One look into the index for each key (OFFSET 0 keeps the planner from turning that round): these tables fill faster than they
# are analyzed, and a plan for an empty one looks at all of it for every key.
_TOMBSTONES = """
SELECT k.place, o."range", o.ts FROM unnest(%b) AS k (place) CROSS JOIN LATERAL (
    SELECT "range", ts FROM {schema}.cell_tombstones WHERE table_id = %s AND "partition" = k.place OFFSET 0) AS o
"""
_GRAVES = """
SELECT k.key, g.seen, g.base, g.state FROM unnest(%b) AS k (key) CROSS JOIN LATERAL (
    SELECT xmin::text::bigint AS seen, base, state FROM {schema}.cell_graves WHERE table_id = %s AND key = k.key OFFSET 0) AS g
"""
# Graves are never updated, so that a place is a version.
_GRAVE_DELETE = """
DELETE FROM {schema}.cell_graves AS g USING (
    SELECT f.place FROM unnest(%b, %b) AS k (key, seen) CROSS JOIN LATERAL (
        SELECT ctid AS place FROM {schema}.cell_graves
        WHERE table_id = %s AND key = k.key AND xmin = k.seen OFFSET 0) AS f) AS d
WHERE g.ctid = d.place
"""
_GRAVE_INSERT = """
INSERT INTO {schema}.cell_graves (table_id, key, base, state)
SELECT %s, k.key, k.base, k.state FROM unnest(%b, %b, %b) AS k (key, base, state) ON CONFLICT DO NOTHING
"""
# A few thousand rows by their keys: an index finds each, whatever is guessed about their number, and however small the table
# was when the statement was planned. What is switched off counts as endlessly dear, and what is dear would be compiled.
_BY_INDEX = """
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)
"""


class ContendedError(TableError):
    """Other sessions changed the same rows again and again."""


@dataclass(frozen=True, slots=True)
class _Around:
    """What there is beside a table: how wide its states are, a partition's columns, whether there are graves and tombstones."""

    width: int
    partition: int | None
    graves: bool
    tombstones: bool


class CellMerger:
    """The statements on the control schema; one for a process."""

    def __init__(self, control: Control, horizon_hours: float) -> None:
        self._horizon_us = int(horizon_hours * 3_600_000_000)
        self._around, self._set_width = control.statement(_AROUND), control.statement(_WIDTH)
        self._tombstone, self._tombstones = control.statement(_TOMBSTONE), control.statement(_TOMBSTONES)
        self._graves = control.statement(_GRAVES)
        self._grave_delete, self._grave_insert = control.statement(_GRAVE_DELETE), control.statement(_GRAVE_INSERT)

    def lock(self, connection: Connection, plans: Sequence[tuple[CellPlan, CellWrites]]) -> None:
        """Take the tables' locks until the transaction ends, in one order, each as strong as it has to be."""
        alone: dict[int, bool] = {}
        for plan, writes in plans:
            alone[plan.table_id] = alone.get(plan.table_id, False) or bool(writes.tombstones)
        for table_id in sorted(alone):
            connection.execute(_LOCK if alone[table_id] else _LOCK_SHARED, [LOCK_CLASS, table_id])
        connection.execute(_BY_INDEX)

    def merge(self, connection: Connection, plan: CellPlan, writes: CellWrites) -> int:
        """Merge some writes; how many rows were written or deleted. The table has to be locked."""
        around = self._read_around(connection, plan)
        if writes.tombstones:
            around = self._store(connection, plan, writes, around)
        rows = 0
        for _ in range(ATTEMPTS):
            merged = self._merged(connection, plan, writes, around)
            wanted, done = apply_merged(connection, plan, merged, self._grave_delete, self._grave_insert)
            rows += done
            if wanted == done:
                return rows
            around = self._read_around(connection, plan)
        raise ContendedError(plan.route.topic, "contended", f"table {plan.route.label}: other sessions keep changing its rows")

    def sweep(self, connection: Connection, plan: CellPlan, limit: int) -> int:
        """Look again at up to ``limit`` rows with a cell that has ended; how many there were."""
        around, now = self._read_around(connection, plan), int(time.time())
        records = [row[0] for row in connection.execute(plan.statements.expired, [now, limit], binary=True)]
        check_types(plan, records)
        if records:
            merged = merge_cells(
                None, columns=[], width=around.width, keys=plan.keys, records=records, graves=[], tombstones=[],
                partition=around.partition or 0, now=now, cutoff_us=self._cutoff(),
            )  # fmt: skip
            apply_merged(connection, plan, merged, self._grave_delete, self._grave_insert)
        return len(records)

    def _cutoff(self) -> int:
        return time.time_ns() // 1000 - self._horizon_us

    def _read_around(self, connection: Connection, plan: CellPlan) -> _Around:
        row = connection.execute(self._around, [plan.table_id], prepare=True).fetchone()
        if row is None or row[0] != plan.width:
            # Another worker gave the table a column: its states may name it. The plan is made anew at the next try.
            raise TableError(plan.route.topic, "changed", f"table {plan.route.label} has other columns than a moment ago")
        return _Around(*row)

    def _store(self, connection: Connection, plan: CellPlan, writes: CellWrites, around: _Around) -> _Around:
        """Keep the deletions of partitions and ranges, for rows that come later."""
        widths = {width for width, *_ in writes.tombstones}
        if around.partition is not None:
            widths.add(around.partition)
        if len(widths) > 1:
            counts = " and ".join(map(str, sorted(widths)))
            why = f"table {plan.route.label}: deletions of partitions name {counts} key columns; a partition key cannot change"
            raise TableError(plan.route.topic, "partition_key", why)
        width = widths.pop()
        connection.execute(self._set_width, [width, plan.table_id])
        columns = zip(*((partition, span, ts) for _, partition, span, ts in writes.tombstones), strict=True)
        connection.execute(self._tombstone, [plan.table_id, *map(list, columns)])
        return _Around(around.width, width, around.graves, tombstones=True)

    def _merged(self, connection: Connection, plan: CellPlan, writes: CellWrites, around: _Around) -> Merged:
        records: list[bytes] = []
        if len(writes):
            arrays = [BinaryArray(oid, data) for oid, data in writes.key_arrays()]
            records = [row[0] for row in connection.execute(plan.statements.read, arrays, prepare=True, binary=True)]
            check_types(plan, records)
        tombstones: list[tuple[bytes, bytes, int]] = []
        if around.tombstones and around.partition is not None:
            places = BinaryArray(*writes.partitions(around.partition))
            rows = connection.execute(self._tombstones, [places, plan.table_id], prepare=True, binary=True).fetchall()
            tombstones = [(partition, span, ts) for partition, span, ts in rows]
            records += self._touched(connection, plan, writes, around.partition, records)
        graves: list[tuple[bytes, int, int, bytes]] = []
        if around.graves:
            found = connection.execute(self._graves, [BinaryArray(*writes.keys()), plan.table_id], prepare=True, binary=True)
            graves = [(key, seen, base, state) for key, seen, base, state in found]
        return merge_cells(
            writes, columns=plan.numbers, width=around.width, keys=plan.keys, records=records, graves=graves,
            tombstones=tombstones, partition=around.partition or 0, now=int(time.time()), cutoff_us=self._cutoff(),
        )  # fmt: skip

    @staticmethod
    def _touched(connection: Connection, plan: CellPlan, writes: CellWrites, width: int, known: list[bytes]) -> list[bytes]:
        """Rows of the partitions that this batch deletes from; a row that was read already comes once."""
        if not writes.tombstones:
            return []
        arrays = [BinaryArray(oid, data) for oid, data in writes.tombstone_arrays(width)]
        latest = max(ts for *_, ts in writes.tombstones)
        found = connection.execute(plan.statements.touched[width - 1], [*arrays, latest], binary=True)
        seen, records = set(known), [record for (record,) in found]
        check_types(plan, records)
        return [record for record in records if record not in seen]


def check_types(plan: CellPlan, records: Sequence[bytes]) -> None:
    """:class:`TableError` where rows of one statement have other types than the plan's: their bytes would be taken for other
    values. Locks alone do not keep a table from being changed between two statements."""
    if records and column_types(records[0])[-len(plan.types) :] != plan.types:
        raise TableError(plan.route.topic, "changed", f"table {plan.route.label} has columns of other types than a moment ago")


def column_types(record: bytes) -> tuple[int, ...]:
    """The oids of the types in a row as record_send() gives it."""
    found, at = [], 4
    while at < len(record):
        kind, length = _FIELD.unpack_from(record, at)
        found.append(kind)
        at += _FIELD.size + max(length, 0)
    return tuple(found)


def apply_merged(
    connection: Connection, plan: CellPlan, merged: Merged, grave_delete: bytes, grave_insert: bytes
) -> tuple[int, int]:
    """Write what a merge came to: how many rows and graves it wanted to write, and how many it did."""
    statements, wanted, done = plan.statements, 0, 0
    if merged.inserts or merged.updates:
        connection.execute(statements.empty_staging)
        payload = merged.copy_payload()
        with connection.cursor() as cursor, cursor.copy(statements.copy) as copy:
            view = memoryview(payload)
            for at in range(0, len(payload), COPY_PIECE_BYTES):
                copy.write(view[at : at + COPY_PIECE_BYTES])
        faults.reach(faults.STAGED)
        if merged.updates:
            done += connection.execute(statements.update, prepare=True).rowcount
        if merged.inserts:
            done += connection.execute(statements.insert, prepare=True).rowcount
        wanted += merged.updates + merged.inserts
        faults.reach(faults.UPSERTED)
    if merged.deletes:
        arrays = [BinaryArray(oid, data) for oid, data in merged.delete_arrays()]
        done += connection.execute(statements.delete, arrays, prepare=True).rowcount
        wanted += merged.deletes
        faults.reach(faults.DELETED)
    if merged.grave_deletes:
        arrays = [BinaryArray(oid, data) for oid, data in merged.grave_delete_arrays()]
        done += connection.execute(grave_delete, [*arrays, plan.table_id], prepare=True).rowcount
        wanted += merged.grave_deletes
    if merged.grave_inserts:
        arrays = [BinaryArray(oid, data) for oid, data in merged.grave_insert_arrays()]
        done += connection.execute(grave_insert, [plan.table_id, *arrays], prepare=True).rowcount
        wanted += merged.grave_inserts
    return wanted, done
