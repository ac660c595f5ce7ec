"""The part of a unit of work that has cells, not rows: planned, read again where needed, merged, its bad events found."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge

from sink_worker._native import CellWrites
from sink_worker.cassandra.merging import CellMerger
from sink_worker.cassandra.settings import CassandraSettings
from sink_worker.cassandra.source import source_of
from sink_worker.cassandra.tables import CellPlan, CellTables
from sink_worker.control import Connection, Control
from sink_worker.dlq import Rejection, rejection_of_row
from sink_worker.errors import FatalError, Kind, classify
from sink_worker.isolation import isolate
from sink_worker.settings import Settings
from sink_worker.work import Part

_AUDIT = """
INSERT INTO {schema}.cell_audit (pipeline, kind, table_schema, table_name, topic, "partition", "offset", key, columns, ts_us)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
CellPlans = list[tuple[CellPlan, CellWrites]]
AMBIGUOUS: Final = "ambiguous"
FUTURE: Final = "future"


class RowImage(Protocol):
    """A row as it was in Cassandra when it was read: see :mod:`sink_worker.cassandra.reread`."""

    key: Mapping[str, Any]
    read_at: int
    values: Mapping[str, Any] | None


class Rereader(Protocol):
    """Reads rows from Cassandra again, by their whole keys in the events' own form. An environment failure is raised."""

    def read(self, keyspace: str, table: str, keys: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """A :class:`RowImage` for each key, in their order."""


def make_rereader(settings: CassandraSettings) -> Rereader | None:
    """What reads rows from Cassandra again; None where no table wants it. Nothing is connected yet."""
    modes = {settings.on_ambiguous, *(table.on_ambiguous for table in settings.tables.values())}
    if "reread" not in modes:
        return None
    from sink_worker.cassandra import reread

    return reread.Rereader(settings.reread)


class CellMetrics:
    """What is counted of Cassandra's events."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ambiguous = Counter("cdc_cassandra_ambiguous", "Events that do not tell a column's value", ["table", "mode"],
                                 registry=registry)  # fmt: skip
        self.future = Counter(
            "cdc_cassandra_future", "Events whose timestamps are ahead of the clock", ["table"], registry=registry
        )
        self.ahead = Gauge("cdc_cassandra_ahead_seconds", "How far the newest timestamp of a batch was ahead of the clock",
                           ["table"], registry=registry)  # fmt: skip
        self.swept = Counter("cdc_cassandra_swept", "Rows with a cell whose time had run out", ["table"], registry=registry)
        self.pruned = Counter(
            "cdc_cassandra_pruned", "Deletions beyond the horizon that were forgotten", ["table"], registry=registry
        )


class Cells:
    """One connection's. Used only for parts whose topics are Cassandra's."""

    def __init__(self, settings: Settings, control: Control, metrics: CellMetrics, rereader: Rereader | None) -> None:
        self._settings = settings.cassandra
        self._pipeline = settings.kafka.group_id
        self.tables = CellTables(settings.tables, settings.postgres, settings.cassandra, control)
        self._merger = CellMerger(control, settings.cassandra.horizon_hours)
        self._metrics = metrics
        self._rereader = rereader
        self._audit = control.statement(_AUDIT)

    def plans(self, connection: Connection, part: Part) -> CellPlans:
        """How a part's writes are merged, with what its rows hold that had to be read again. Outside of a transaction."""
        first = [(self.tables.plan(connection, part.route, found), found) for found in part.batch.cells]
        return first + [(self.tables.plan(connection, part.route, found), found) for found in self._read_again(part)]

    def locked(self, connection: Connection, parts: Sequence[Part], plans: Sequence[CellPlans]) -> list[tuple[Part, CellPlans]]:
        """The parts that have cells, with their plans. Their tables are locked, before any of them is merged."""
        found = [(part, plan) for part, plan in zip(parts, plans, strict=True) if part.cells is not None]
        if wanted := [pair for _, plan in found for pair in plan]:
            self._merger.lock(connection, wanted)
        return found

    def write(self, connection: Connection, part: Part, plans: CellPlans) -> int:
        """Merge a part; how many rows were written."""
        rows = sum(self._merger.merge(connection, plan, writes) for plan, writes in plans)
        self._note(connection, part)
        return rows

    def write_carefully(self, connection: Connection, part: Part, plans: CellPlans, attempts: int) -> list[Rejection]:
        """The same, when PostgreSQL refused the part for its data: the events that are refused alone. A merge takes them in any
        order and any portions, so that they are found by bisection."""

        def attempt(low: int, high: int) -> Exception | None:
            batch = part.decode(part.messages[low:high])
            try:
                with connection.transaction():
                    for writes in batch.cells:
                        self._merger.merge(connection, self.tables.plan(connection, part.route, writes), writes)
            except psycopg.Error as error:
                if classify(error).kind is not Kind.POISON:
                    raise
                return error
            return None

        refused = isolate(0, len(part.messages), attempt)
        for plan, writes in plans[len(part.batch.cells) :]:  # of rows that were read again
            self._merger.merge(connection, plan, writes)
        self._note(connection, part)
        return [rejection_of_row(part.topic, part.messages[index], None, error, superseded=False, attempts=attempts)
                for index, error in refused]  # fmt: skip

    def _read_again(self, part: Part) -> list[CellWrites]:
        keyspace, table = source_of(self._settings, part.topic)
        source = part.cells
        if source is None or self._rereader is None or not part.batch.listed:
            return []
        if self._settings.mode_of(f"{keyspace}.{table}") != "reread":
            return []
        wanted: dict[str, tuple[dict[str, Any], set[str]]] = {}
        for index, columns in part.batch.listed:
            text = source.key_json(part.messages[index].key()) or "{}"
            wanted.setdefault(text, (json.loads(text), set()))[1].update(columns)
        images = self._rereader.read(keyspace, table, [key for key, _ in wanted.values()])
        batch = source.decode_images(list(_events(images, list(wanted.values()))))
        if batch.rejects:
            raise FatalError(f"{part.topic}: a row that was read again is refused: {batch.rejects[0].message}")
        return list(batch.cells)

    def _note(self, connection: Connection, part: Part) -> None:
        """List what has to be known of a part's events."""
        batch, table = part.batch, part.route.label
        mode = self._settings.mode_of(".".join(source_of(self._settings, part.topic)))
        if batch.listed:
            self._metrics.ambiguous.labels(table, mode).inc(len(batch.listed))
        now = time.time_ns() // 1000
        for index, ts in batch.future:
            self._metrics.future.labels(table).inc()
            self._metrics.ahead.labels(table).set((ts - now) / 1e6)
            self._list(connection, part, FUTURE, index, None, ts)
        for index, columns in batch.listed if mode == "audit" else []:
            self._list(connection, part, AMBIGUOUS, index, columns, None)

    def _list(
        self, connection: Connection, part: Part, kind: str, index: int, columns: list[str] | None, ts: int | None
    ) -> None:
        message, route = part.messages[index], part.route
        key = part.cells.key_json(message.key()) if part.cells is not None and not route.masks else None
        connection.execute(self._audit, [self._pipeline, kind, route.schema, route.table, part.topic, message.partition(),
                                         message.offset(), key, columns, ts])  # fmt: skip


def _events(
    images: Sequence[Any], wanted: Sequence[tuple[Mapping[str, Any], set[str]]]
) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
    """Rows that were read, as events that tell their columns for certain, at the time of the reading."""
    for number, (image, (key, columns)) in enumerate(zip(images, wanted, strict=True)):
        values = image.values or {}
        after: dict[str, Any] = {name: {"value": value, "deletion_ts": None, "set": True} for name, value in key.items()}
        after |= {name: {"value": values.get(name), "deletion_ts": None, "set": True} for name in sorted(columns)}
        source = {"ts_us": image.read_at, "ts_ms": image.read_at // 1000, "snapshot": "true"}
        value = {"op": "u", "source": source, "after": after}
        yield 0, number, _json(key), _json(value)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
