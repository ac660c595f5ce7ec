"""Applies refused events again, each only while nothing newer of its row was written.

A replay locks the rejection before it writes the row, and a worker marks rejections superseded before it writes a newer
event of the row: whichever comes second sees what the first did.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

import psycopg
import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sink_worker import faults
from sink_worker._native import Batch, Decoder, SchemaError, UnknownSchema
from sink_worker.control import Connection, Control, connect
from sink_worker.errors import Kind, TableError, classify, public_message
from sink_worker.metrics import Metrics
from sink_worker.newer import CannotTellError, NewerEvents, Scan
from sink_worker.redis_hints import RedisHints
from sink_worker.registry import Missing, Registry
from sink_worker.rejected import OpenRejection, RejectedStore
from sink_worker.routing import Route, Router
from sink_worker.rows import prepare_session, write_deletes, write_upserts
from sink_worker.settings import Settings
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


class Replay:
    """Needs PostgreSQL; the registry for Avro; Kafka only for events whose key could not be read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        pipeline = settings.kafka.group_id
        self._control = Control(settings.postgres.control_schema)
        self._rejected = RejectedStore(self._control, pipeline, "", settings.dlq)
        self._router = Router(settings.routing)
        self._registry = Registry(settings.registry)
        self._decoder = Decoder(json.dumps(settings.decode.model_dump()))
        self._tables = Tables(settings.tables, settings.postgres, self._control, pipeline, settings.routing.shared_tables,
                              RedisHints(settings.redis, Metrics(settings.worker_id), settings.worker_id))  # fmt: skip
        self._newer = NewerEvents(settings, self._control)

    def run(self, *, topics: list[str] | None, limit: int, dry_run: bool, discard: bool, progress: bool) -> dict[str, int]:
        """How many events came to each result. With ``dry_run`` nothing is changed: what would be tried counts as replayed."""
        counts: Counter[str] = Counter({result.value: 0 for result in Result})
        with connect(self._settings.postgres, "replay", self._settings.kafka.group_id) as connection, _bar(progress) as advance:
            prepare_session(connection)
            self._control.install(connection)
            for rejection in self._open(connection, topics, limit):
                result = (
                    self._discard(connection, rejection, dry_run) if discard else self._replay(connection, rejection, dry_run)
                )
                counts[result] += 1
                advance()
        return dict(counts)

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

    def _replay(self, connection: Connection, rejection: OpenRejection, dry_run: bool) -> Result:
        try:
            return self._judged(connection, rejection, dry_run)
        except CannotTellError:
            return Result.UNDECIDED
        except (TableError, ValueError) as error:
            return self._failed(rejection, str(error))
        except psycopg.Error as error:
            self._tables.forget()
            if classify(error).kind is Kind.RETRYABLE:
                raise
            return self._failed(rejection, public_message(error))

    def _judged(self, connection: Connection, rejection: OpenRejection, dry_run: bool) -> Result:
        route = self._router.route(rejection.topic)
        batch = self._decode(connection, route, rejection)
        if batch.rejects:
            return self._failed(rejection, batch.rejects[0].message)
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
            return Result.SUPERSEDED if scan is not None and scan.found else Result.REPLAYED
        return self._apply(connection, route, rejection, batch, scan)

    def _apply(self, connection: Connection, route: Route, rejection: OpenRejection, batch: Batch, scan: Scan | None) -> Result:
        plans = [self._tables.plan(connection, route, segment) for segment in batch.segments]
        with connection.transaction():
            if not self._rejected.lock_open(connection, rejection.id):
                return Result.SUPERSEDED
            if scan is not None and scan.up_to(self._newer.stored(connection, rejection, lock=True)):
                self._rejected.resolve(connection, rejection.id, Result.SUPERSEDED)
                return Result.SUPERSEDED
            for segment, plan in zip(batch.segments, plans, strict=True):
                if plan.refusal is not None:
                    raise plan.refusal
                if plan.statements is not None:
                    write_deletes(connection, plan.statements, segment, 0, segment.deletes)
                    connection.execute(plan.statements.empty_staging)
                    write_upserts(connection, plan.statements, segment, 0, segment.upserts)
            self._rejected.resolve(connection, rejection.id, Result.REPLAYED)
            faults.reach(faults.REPLAY_APPLIED)
        faults.reach(faults.REPLAY_COMMITTED)
        return Result.REPLAYED

    def _decode(self, connection: Connection, route: Route, rejection: OpenRejection) -> Batch:
        return self._records(
            connection, route, [(rejection.partition, rejection.offset, rejection.raw_key, rejection.raw_value)]
        )

    def _records(
        self, connection: Connection, route: Route, records: list[tuple[int, int, bytes | None, bytes | None]]
    ) -> Batch:
        hint = hint_of(look_up(connection, route), route)
        while True:
            try:
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

    @staticmethod
    def _failed(rejection: OpenRejection, why: str) -> Result:
        _log.warning("refused_again", topic=rejection.topic, partition=rejection.partition, offset=rejection.offset, why=why)
        return Result.FAILED


@contextlib.contextmanager
def _bar(wanted: bool) -> Iterator[Callable[[], None]]:
    console = Console(stderr=True)
    if not wanted or not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("replay", total=None)
        yield lambda: progress.advance(task)
