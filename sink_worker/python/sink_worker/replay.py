"""Applies refused events again, each only while nothing newer of its row was written.

A replay locks the rejection before it writes the row, and a worker marks rejections superseded before it writes a newer
event of the row: whichever comes second sees what the first did.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import psycopg
import structlog

from sink_worker import faults
from sink_worker._native import Batch, ColumnHint, Decoder, SchemaError, Segment, TableHint, UnknownSchema
from sink_worker.cassandra.replaying import CellReplay
from sink_worker.control import Connection, Control, connect
from sink_worker.errors import Kind, TableError, classify, public_message
from sink_worker.evolution.fitting import make_evolution
from sink_worker.evolution.metrics import EvolutionMetrics
from sink_worker.masking import Masking
from sink_worker.metrics import Metrics
from sink_worker.newer import CannotTellError, NewerEvents, Scan
from sink_worker.pauses import REASON, Pauses
from sink_worker.progress import progress_bar
from sink_worker.redis_hints import RedisHints
from sink_worker.registry import Missing, Registry
from sink_worker.rejected import OpenRejection, RejectedStore
from sink_worker.routing import Route, Router
from sink_worker.rows import prepare_session, write_deletes, write_upserts
from sink_worker.settings import Settings
from sink_worker.statements import Statements
from sink_worker.tables import Tables, hint_of, look_up

_log = structlog.get_logger("sink_worker.replay")
PAGE: Final = 200


class Result(StrEnum):
    """What became of a refused event."""

    REPLAYED = "replayed"
    SUPERSEDED = "superseded"  # a newer event of the row was written meanwhile
    DISCARDED = "discarded"
    FAILED = "failed"  # refused again; it stays open
    UNDECIDED = "undecided"  # not to be told whether something newer was written; it stays open


@dataclass(frozen=True, slots=True)
class Attempt:
    """One event's try. ``error_class`` and ``why`` say what refused it, where something did; neither has a value of a row."""

    result: Result
    error_class: str = ""
    why: str = ""


Write = Callable[[Connection, Statements, Segment], None]
"""Writes one segment's rows inside the open transaction."""


def write_event(connection: Connection, statements: Statements, segment: Segment) -> None:
    """The event's own rows."""
    write_deletes(connection, statements, segment, 0, segment.deletes)
    connection.execute(statements.empty_staging)
    write_upserts(connection, statements, segment, 0, segment.upserts)


class Replay:
    """Needs PostgreSQL; the registry for Avro; Kafka only for events whose key could not be read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        pipeline = settings.kafka.group_id
        self._control = Control(settings.postgres.control_schema)
        self._masking = Masking(settings.masking)
        self._rejected = RejectedStore(self._control, pipeline, "", settings.dlq, self._masking)
        self._router = Router(settings.routing)
        self._registry = Registry(settings.registry)
        self._decoder = Decoder(json.dumps(settings.decode.model_dump()))
        metrics = Metrics(settings.worker_id)
        redis = RedisHints(settings.redis, metrics, settings.worker_id)
        evolution = make_evolution(settings, self._control, settings.worker_id, EvolutionMetrics(metrics.registry), redis)
        self._tables = Tables(settings.tables, settings.postgres, self._control, pipeline, settings.routing.shared_tables,
                              redis, evolution)  # fmt: skip
        self._cells = CellReplay(settings, self._control, self._decoder, self._masking.of, evolution)
        self._newer = NewerEvents(settings, self._control)
        self._pauses = Pauses(self._control, pipeline, self._router)

    def run(self, *, topics: list[str] | None, limit: int, dry_run: bool, discard: bool, progress: bool) -> dict[str, int]:
        """How many events came to each result. With ``dry_run`` nothing is changed: what would be tried counts as replayed."""
        counts: Counter[str] = Counter({result.value: 0 for result in Result})
        with (
            connect(self._settings.postgres, "replay", self._settings.kafka.group_id) as connection,
            progress_bar("replay", None, wanted=progress) as advance,
        ):
            self.prepare(connection)
            for rejection in self._open(connection, topics, limit):
                result = (
                    self._discard(connection, rejection, dry_run)
                    if discard
                    else self.attempt(connection, rejection, dry_run=dry_run).result
                )
                counts[result] += 1
                advance()
        return dict(counts)

    def prepare(self, connection: Connection) -> None:
        """Make a new connection fit for :meth:`attempt`."""
        prepare_session(connection)
        self._control.install(connection)
        self._tables.forget()
        self._cells.forget()

    def close(self) -> None:
        """Let the clients go."""
        self._registry.close()

    def _open(self, connection: Connection, topics: list[str] | None, limit: int) -> Iterator[OpenRejection]:
        after: OpenRejection | None = None
        while limit > 0 and (page := self._rejected.open_rejections(connection, topics, after, min(PAGE, limit))):
            yield from page
            after = page[-1]
            limit -= len(page)

    def _discard(self, connection: Connection, rejection: OpenRejection, dry_run: bool) -> Result:
        with connection.transaction():
            if not self._rejected.lock_open(connection, rejection.id):
                return Result.SUPERSEDED
            if not dry_run:
                self._rejected.resolve(connection, rejection.id, Result.DISCARDED)
        return Result.DISCARDED

    def attempt(
        self, connection: Connection, rejection: OpenRejection, *, dry_run: bool = False, write: Write | None = None
    ) -> Attempt:
        """Apply one event; ``write`` brings other values for its row, so that the event's own nulls do not refuse it. An
        environment failure is raised, as psycopg.Error."""
        try:
            return self._judged(connection, rejection, dry_run, write)
        except CannotTellError:
            return Attempt(Result.UNDECIDED)
        except (TableError, ValueError) as error:
            self._cells.forget()  # a table that another session gave a column to has another plan
            return _failed(rejection, error.reason if isinstance(error, TableError) else "ValueError", str(error))
        except psycopg.Error as error:
            self._tables.forget()
            self._cells.forget()
            verdict = classify(error)
            if verdict.kind is Kind.RETRYABLE:
                raise
            return _failed(rejection, verdict.error_type, public_message(error))

    def opened(self, rejection: OpenRejection) -> OpenRejection:
        """The event with its bytes as Kafka had them. ValueError where they were sealed with another masking key."""
        raw_key, raw_value = (self._masking.opened(raw) for raw in (rejection.raw_key, rejection.raw_value))
        return replace(rejection, raw_key=raw_key, raw_value=raw_value)

    def decoded(self, connection: Connection, rejection: OpenRejection, *, lenient: bool = False) -> tuple[Route, Batch]:
        """The event as the worker reads it; ``lenient``, with nulls where the table has none. ValueError where its topic has
        no route."""
        route = self._router.route(rejection.topic)
        event = self.opened(rejection)
        record = (event.partition, event.offset, event.raw_key, event.raw_value)
        return route, self._records(connection, route, [record], lenient=lenient)

    def _judged(self, connection: Connection, rejection: OpenRejection, dry_run: bool, write: Write | None) -> Attempt:
        route, batch = self.decoded(connection, rejection, lenient=write is not None)
        if batch.rejects:
            return _failed(rejection, batch.rejects[0].error_class, batch.rejects[0].message)
        if self._cells.takes(rejection.topic):
            self._cells.check(rejection.topic, batch)
            return Attempt(Result.REPLAYED if dry_run else self._merge(connection, route, rejection, batch))
        if any(segment.truncate for segment in batch.segments):
            raise CannotTellError
        scan: Scan | None = None
        if rejection.key is None:
            scan = self._newer.scan(rejection, batch, lambda records: self._records(connection, route, records))
            # Most of the way without a lock, so that the worker is held up for the rest only.
            scan.up_to(self._newer.stored(connection, rejection, lock=False))
        elif not any(place for segment in batch.segments for place in segment.find([rejection.key])):
            raise CannotTellError  # it decodes to another row than it did when it was refused
        if dry_run:
            return Attempt(Result.SUPERSEDED if scan is not None and scan.found else Result.REPLAYED)
        return Attempt(self._apply(connection, route, rejection, batch, scan, write or write_event))

    def _apply(self, connection: Connection, route: Route, rejection: OpenRejection, batch: Batch, scan: Scan | None,
               write: Write) -> Result:  # fmt: skip
        plans = [self._tables.plan(connection, route, segment) for segment in batch.segments]
        with connection.transaction():
            if not self._rejected.lock_open(connection, rejection.id):
                return Result.SUPERSEDED
            if not self._pauses.may_write(connection, route):
                raise TableError(rejection.topic, REASON, f"table {route.label} is paused; resume it through the admin API")
            if scan is not None and scan.up_to(self._newer.stored(connection, rejection, lock=True)):
                self._rejected.resolve(connection, rejection.id, Result.SUPERSEDED)
                return Result.SUPERSEDED
            for segment, plan in zip(batch.segments, plans, strict=True):
                if plan.refusal is not None:
                    raise plan.refusal
                if plan.statements is not None:
                    write(connection, plan.statements, segment)
            self._rejected.supersede_older(connection, rejection, _keys_of(batch))
            self._rejected.resolve(connection, rejection.id, Result.REPLAYED)
            faults.reach(faults.REPLAY_APPLIED)
        faults.reach(faults.REPLAY_COMMITTED)
        return Result.REPLAYED

    def _merge(self, connection: Connection, route: Route, rejection: OpenRejection, batch: Batch) -> Result:
        """An event of Cassandra's: nothing can be newer than it, whatever came meanwhile."""
        plans = self._cells.plans(connection, route, batch)
        with connection.transaction():
            if not self._rejected.lock_open(connection, rejection.id):
                return Result.SUPERSEDED
            if not self._pauses.may_write(connection, route):
                raise TableError(rejection.topic, REASON, f"table {route.label} is paused; resume it through the admin API")
            self._cells.merge(connection, plans)
            self._rejected.resolve(connection, rejection.id, Result.REPLAYED)
            faults.reach(faults.REPLAY_APPLIED)
        faults.reach(faults.REPLAY_COMMITTED)
        return Result.REPLAYED

    def _records(
        self, connection: Connection, route: Route, records: list[tuple[int, int, bytes | None, bytes | None]], *,
        lenient: bool = False,
    ) -> Batch:  # fmt: skip
        known = hint_of(look_up(connection, route), route)
        hint = self._masking.onto(_with_nulls(known) if lenient else known, route)
        while True:
            try:
                if self._cells.takes(route.topic):
                    return self._cells.decode(route, known, records)
                return self._decoder.decode(hint, records)
            except UnknownSchema as unknown:
                for schema_id in unknown.ids:
                    self._learn(schema_id)

    def _learn(self, schema_id: int) -> None:
        found = self._registry.fetch(schema_id)
        try:
            if isinstance(found, str):
                self._decoder.register_schema(schema_id, found)
                return
        except SchemaError as error:
            found = Missing(str(error))
        self._decoder.register_missing(schema_id, found.reason)


def _keys_of(batch: Batch) -> list[bytes]:
    """Of every row of the event; none where the table has no key."""
    keyed = [segment for segment in batch.segments if segment.key]
    return [key for segment in keyed for key in (*segment.key_bytes("upsert"), *segment.key_bytes("delete"))]


def _with_nulls(hint: TableHint) -> TableHint:
    """The same table, in which every column takes nulls."""
    columns = [ColumnHint(column.name, column.pg_type, source=column.source) for column in hint.columns]
    return TableHint(columns, key=hint.key, append=hint.append)


def _failed(rejection: OpenRejection, error_class: str, why: str) -> Attempt:
    _log.warning("refused_again", topic=rejection.topic, partition=rejection.partition, offset=rejection.offset, why=why)
    return Attempt(Result.FAILED, error_class, why)
