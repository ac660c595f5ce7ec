"""The part of a unit of work that has cells, not rows: planned, read again where needed, merged, its bad events found."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sink_worker._native import Batch, CellWrites
from sink_worker.cassandra.images import Images, Rereader, read_again
from sink_worker.cassandra.merging import CellMerger
from sink_worker.cassandra.refusing import refused_by_schema
from sink_worker.cassandra.source import source_of
from sink_worker.cassandra.tables import CellPlan, CellTables
from sink_worker.control import Connection, Control
from sink_worker.dlq import Rejection, rejection_of_row
from sink_worker.errors import Kind, TableError, classify
from sink_worker.evolution.fitting import FITS, Evolution, Verdict
from sink_worker.isolation import isolate
from sink_worker.routing import Route
from sink_worker.settings import Settings
from sink_worker.work import Part

_AUDIT = """
INSERT INTO {schema}.cell_audit (pipeline, kind, table_schema, table_name, topic, "partition", "offset", key, columns, ts_us)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
Pairs = list[tuple[CellPlan, CellWrites]]
AMBIGUOUS: Final = "ambiguous"
FUTURE: Final = "future"
SWEEP_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class CellPlans:
    """How a part's writes are merged, and those of its rows that were read again."""

    own: Pairs
    again: Pairs
    images: Images | None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """What was decided about the columns of the part's own writes, by their fingerprints."""

    @property
    def all(self) -> Pairs:
        """Both."""
        return self.own + self.again


NO_CELLS: Final = CellPlans([], [], None)


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
        self.sweep_refused = Counter("cdc_cassandra_sweep_refused", "Rows that PostgreSQL did not let the sweeper change",
                                     ["table"], registry=registry)  # fmt: skip
        self.sweep_seconds = Histogram("cdc_cassandra_sweep_seconds", "The sweeper's transactions: how long they had locks",
                                       buckets=SWEEP_BUCKETS, registry=registry)  # fmt: skip


class Cells:
    """One connection's. Used only for parts whose topics are Cassandra's."""

    def __init__(self, settings: Settings, control: Control, metrics: CellMetrics, rereader: Rereader | None,
                 evolution: Evolution) -> None:  # fmt: skip
        self._settings = settings.cassandra
        self._pipeline = settings.kafka.group_id
        self.tables = CellTables(settings.tables, settings.postgres, settings.cassandra, control, evolution)
        self._evolution = evolution
        self._merger = CellMerger(control, settings.cassandra.horizon_hours)
        self._metrics = metrics
        self._rereader = rereader
        self._audit = control.statement(_AUDIT)
        self._widths: dict[str, int] = {}

    def plans(self, connection: Connection, part: Part) -> CellPlans:
        """How a part's writes are merged, with what its rows hold that had to be read again. Outside of a transaction."""
        self.tables.begin()
        images = read_again(self._settings, self._rereader, part)
        again = [] if images is None else images.batch.cells
        own = self._of_one_width(connection, part)
        verdicts = {writes.fingerprint: self.tables.verdict(part.route, writes) for writes in part.batch.cells}
        reread = self._planned(connection, part.route, again, whole=False)
        if len(reread) < len(again) and all(verdict == FITS for verdict in verdicts.values()):
            what = f"table {part.route.label} is another than when its rows were read from Cassandra"
            raise TableError(part.topic, "changed", what)
        return CellPlans(own, reread, images, verdicts)

    def confirm(self, connection: Connection, plans: Sequence[CellPlans]) -> None:
        """Hold what the plans were decided on until the transaction ends. :class:`ReviewChangedError`: plan anew."""
        self._evolution.hold(connection, [verdict for found in plans for verdict in found.verdicts.values()])

    def locked(self, connection: Connection, parts: Sequence[Part], plans: Sequence[CellPlans]) -> list[tuple[Part, CellPlans]]:
        """The parts that have cells, with their plans. Their tables are locked, before any of them is merged."""
        found = [(part, plan) for part, plan in zip(parts, plans, strict=True) if part.cells is not None]
        if wanted := [pair for _, plan in found for pair in plan.all]:
            self._merger.lock(connection, wanted)
        return found

    def write(self, connection: Connection, part: Part, plans: CellPlans) -> list[Rejection]:
        """Merge a part. The events whose rows were read again and cannot be understood."""
        for plan, writes in plans.all:
            self._merger.merge(connection, plan, writes)
        self._note(connection, part)
        refused = refused_by_schema(part, plans.verdicts, self._evolution)
        return refused if plans.images is None else refused + plans.images.unreadable(part)

    def write_carefully(self, connection: Connection, part: Part, plans: CellPlans, attempts: int) -> list[Rejection]:
        """The same, when PostgreSQL refused the part for its data; and the events that are refused alone. A merge takes them in
        any order and any portions: they are found by bisection, first the events, then the rows that were read again."""
        bad = {reject.index for reject in part.batch.rejects}
        # Not those that were refused already: what was too far in the future might not be any more, by now.
        places = [index for index in range(len(part.messages)) if index not in bad]
        messages = [part.messages[index] for index in places]
        found = self._isolated(connection, part.route, len(messages), lambda low, high: part.decode(messages[low:high]),
                               whole=True)  # fmt: skip
        refused = refused_by_schema(part, plans.verdicts, self._evolution)
        refused += [
            rejection_of_row(part.topic, messages[place], None, error, superseded=False, attempts=attempts)
            for place, error in found
        ]
        images, source = plans.images, part.cells
        if images is not None and source is not None:
            refused += images.unreadable(part)
            records = images.records
            for number, error in self._isolated(connection, part.route, len(records),
                                                lambda low, high: source.decode_images(records[low:high]),
                                                whole=False):  # fmt: skip
                refused += images.refused(part, number, error, attempts)
        self._note(connection, part)
        return refused

    def _of_one_width(self, connection: Connection, part: Part) -> Pairs:
        """The part's own writes, planned; all anew where one of them gave the table a column. The plans of before (those of
        other batches, too) are of a narrower table, and would halt the topic for a moment."""
        pairs = self._planned(connection, part.route, part.batch.cells)
        widths = [plan.width for plan, _ in pairs]
        if pairs and (min(widths) < max(widths) or self._widths.get(part.topic, max(widths)) < max(widths)):
            self.tables.forget(part.topic)
            pairs = self._planned(connection, part.route, part.batch.cells)
        if pairs:
            self._widths[part.topic] = max(widths)
        return pairs

    def _planned(self, connection: Connection, route: Route, found: Iterable[CellWrites], *, whole: bool = True) -> Pairs:
        return [pair for writes in found if (pair := self.tables.pair(connection, route, writes, whole=whole)) is not None]

    def _isolated(
        self, connection: Connection, route: Route, count: int, decode: Callable[[int, int], Batch], *, whole: bool
    ) -> list[tuple[int, Exception]]:
        """The places of [0, count) whose writes PostgreSQL refuses by themselves; the others are merged."""

        def attempt(low: int, high: int) -> Exception | None:
            # Planned before the savepoint: a staging table that is made in it would be gone with it.
            planned = self._planned(connection, route, decode(low, high).cells, whole=whole)
            try:
                with connection.transaction():
                    for plan, writes in planned:
                        self._merger.merge(connection, plan, writes)
            except psycopg.Error as error:
                if classify(error).kind is not Kind.POISON:
                    raise
                return error
            return None

        return isolate(0, count, attempt)

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
