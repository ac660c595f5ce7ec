"""One connection that writes units of work, each in one transaction: offsets first (the fence), rows, dead letters."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
import structlog

from sink_worker import faults
from sink_worker._native import Segment
from sink_worker.cassandra.cells import NO_CELLS, CellPlans, Cells
from sink_worker.control import Connection, connect
from sink_worker.dlq import Context, Rejection
from sink_worker.errors import LOCKED, AbortedError, FatalError, FencedError, Kind, TableError, classify, public_message
from sink_worker.isolation import Isolation
from sink_worker.offsets import Advance, OffsetStore, is_lock_timeout
from sink_worker.open_keys import OpenKeys
from sink_worker.partitions import Partitions
from sink_worker.rejected import RejectedStore
from sink_worker.retry import Patience
from sink_worker.rows import prepare_session, write_deletes, write_upserts
from sink_worker.settings import Settings
from sink_worker.tables import Plan, Tables
from sink_worker.tracing import Tracing
from sink_worker.work import Event, Halted, Part, Stale, Work

_log = structlog.get_logger("sink_worker.writer")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stores:
    """What the writers of a process share."""

    offsets: OffsetStore
    rejected: RejectedStore
    partitions: Partitions
    open_keys: OpenKeys


@dataclass(frozen=True, slots=True)
class Outcome:
    """What of a unit of work is in PostgreSQL now."""

    parts: list[Part]
    steps: list[Advance]
    rejections: dict[str, list[Rejection]]
    superseded: dict[str, set[bytes]]
    seconds: float


class _PoisonInBatch(Exception):
    """The batch holds a row that PostgreSQL refuses; nothing of it went in."""


class Writer:
    """Not thread-safe but for :meth:`cancel`. ``tell`` gets what the loop has to know."""

    def __init__(self, settings: Settings, stores: Stores, tables: Tables, patience: Patience, worker: str,
                 tell: Callable[[Event], None], tracing: Tracing, cells: Cells) -> None:  # fmt: skip
        self._settings = settings
        self._stores = stores
        self._tables = tables
        self._cells = cells
        self._patience = patience
        self._worker = worker
        self._tell = tell
        self._tracing = tracing
        self._connection: Connection | None = None
        self._first_failure: datetime | None = None

    @property
    def waiting(self) -> bool:
        """Whether it waits for the environment."""
        return self._patience.waiting

    def cancel(self) -> None:
        """Ask the server to stop the running statement, and end waits. From any thread."""
        self._patience.wake()
        connection = self._connection
        if connection is not None and not connection.closed:
            try:
                connection.cancel_safe(timeout=3.0)
            except (psycopg.Error, OSError) as error:
                _log.info("cancel_failed", error=str(error))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def write(self, work: Work, interrupted: Callable[[], bool]) -> Outcome | None:
        """Write what can be written of ``work``. None when nothing was left of it; AbortedError when interrupted."""
        parts, careful = work.parts, False
        self._first_failure = None
        while parts := self._fitting(parts):
            try:
                # Bound now: the loop variables change only between runs.
                return self._patience.run(lambda n, p=parts, c=careful: self._attempt(p, c, n, interrupted), interrupted)  # type: ignore[misc]
            except TableError as error:
                self._forget()
                self._tell(Halted(error.topic, error.reason, str(error)))
                parts = [part for part in parts if part.topic != error.topic]
            except _PoisonInBatch:
                careful = True
            except FencedError as error:
                parts = self._fenced(parts, error)
        return None

    def _fitting(self, parts: Sequence[Part]) -> list[Part]:
        """The parts whose events still follow what is stored; of the others the loop is told."""
        kept = []
        for part in parts:
            steps, broken = self._stores.partitions.steps(part.topic, part.spans)
            if broken:
                self._tell(Stale(broken))
            elif steps or not part.spans:
                kept.append(part)
        return kept

    def _fenced(self, parts: list[Part], error: FencedError) -> list[Part]:
        _log.warning("fenced", error=str(error))
        topics = {topic for topic, _ in error.partitions}
        lost = [part for part in parts if part.topic in topics]
        stale = [((part.topic, number), span.incarnation) for part in lost for number, span in part.spans.items()]
        self._tell(Stale(stale, fenced=True))
        return [part for part in parts if part.topic not in topics]

    def _attempt(self, parts: list[Part], careful: bool, number: int, interrupted: Callable[[], bool]) -> Outcome:
        began = time.perf_counter()
        steps = self._steps(parts)
        try:
            connection = self._open()
            self._tables.begin()
            with self._tracing.span("validation"):
                plans = [self._plans(connection, part) for part in parts]
                cell_plans = [self._cell_plans(connection, part) for part in parts]
            superseded: dict[str, set[bytes]] = {}
            rejections: dict[str, list[Rejection]] = {part.topic: list(part.rejections) for part in parts}
            with self._span(parts), connection.transaction():
                faults.reach(faults.BEGUN)
                self._tables.confirm(connection, plans)
                self._cells.confirm(connection, cell_plans)
                if self._stores.offsets.advance(connection, steps):
                    faults.reach(faults.FENCED)
                    self._write_parts(connection, parts, plans, rejections, superseded, careful, number)
                    self._write_cells(connection, parts, cell_plans, rejections, careful, number)
                    self._record(connection, parts, steps, rejections)
                else:
                    # Committed before, and the answer was lost: what was refused then is only known there.
                    self._stores.open_keys.add(self._stores.rejected.open_keys(connection, [part.topic for part in parts]))
                faults.reach(faults.COMMITTING)
            self._stores.open_keys.settle(superseded)
            self._stores.open_keys.add(_open_keys_of(rejections))
            return Outcome(parts, steps, rejections, superseded, time.perf_counter() - began)
        except Exception as error:
            raise self._judged(error, careful, interrupted) from error

    def _span(self, parts: Sequence[Part]) -> contextlib.AbstractContextManager[Any]:
        links = [link for part in parts for link in self._tracing.links(part.messages)]
        return self._tracing.span("postgres.write", links, table=",".join(part.route.label for part in parts),
                                  batch_size=sum(part.batch.events for part in parts))  # fmt: skip

    def _steps(self, parts: Sequence[Part]) -> list[Advance]:
        steps: list[Advance] = []
        for part in parts:
            found, broken = self._stores.partitions.steps(part.topic, part.spans)
            if broken or (part.spans and not found):
                raise FencedError([(part.topic, number) for number in part.spans])
            steps += found
        return steps

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings.postgres, "writer", self._settings.kafka.group_id)
            prepare_session(self._connection)
            self._forget()
        return self._connection

    def _judged(self, error: Exception, careful: bool, interrupted: Callable[[], bool]) -> Exception:
        """What to raise instead; the connection is dropped where it is no good any more."""
        verdict = classify(error)
        if careful or verdict.kind is Kind.RETRYABLE:
            self._forget()  # staging tables made inside the transaction are gone with it
        if verdict.reconnect and self._connection is not None:
            self._connection.close()
        self._first_failure = self._first_failure or datetime.now(UTC)
        if interrupted():
            return AbortedError("given up")
        if isinstance(error, (TableError, FencedError)) or verdict.kind is not Kind.POISON:
            return error
        if careful:
            return FatalError(f"rows are refused, and by none of their own: {public_message(error)}")
        return _PoisonInBatch()

    def _forget(self) -> None:
        self._tables.forget()
        self._cells.tables.forget()

    def _plans(self, connection: Connection, part: Part) -> list[Plan]:
        """How each segment is written."""
        return self._looked_up(
            part, lambda: [self._tables.plan(connection, part.route, segment) for segment in part.batch.segments]
        )

    def _cell_plans(self, connection: Connection, part: Part) -> CellPlans:
        return self._looked_up(part, lambda: self._cells.plans(connection, part)) if part.cells is not None else NO_CELLS

    @staticmethod
    def _looked_up(part: Part, plan: Callable[[], T]) -> T:
        """Whatever refuses to look up, make or change the table is the topic's problem."""
        try:
            return plan()
        except psycopg.Error as error:
            verdict = classify(error)
            if verdict.kind not in {Kind.TABLE, Kind.POISON} and not is_lock_timeout(error):
                raise
            _raise_if_locked(part.topic, error)
            raise TableError(part.topic, verdict.error_type, f"table {part.route.label}: {public_message(error)}") from error

    def _write_parts(
        self,
        connection: Connection,
        parts: list[Part],
        plans: list[list[Plan]],
        rejections: dict[str, list[Rejection]],
        superseded: dict[str, set[bytes]],
        careful: bool,
        number: int,
    ) -> None:
        if careful:
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        isolation = Isolation(connection, self._tables, number)
        for part, part_plans in zip(parts, plans, strict=True):
            refused = rejections[part.topic]
            # Only what goes in supersedes: where rows may be refused, that is known afterwards.
            unapplied: list[set[bytes]] = [set() for _ in part_plans]
            late = careful or any(plan.refusal is not None for plan in part_plans)
            with _naming(part.topic):
                self._truncate(connection, part, part_plans)
                if not late:
                    superseded[part.topic] = self._supersede(connection, part, unapplied)
                used: set[bytes] = set()
                for place, (segment, plan) in enumerate(zip(part.batch.segments, part_plans, strict=True)):
                    if careful or plan.refusal is not None:
                        refusals = isolation.apply(part, segment, plan)
                        refused += refusals.rejections
                        unapplied[place] = refusals.unapplied
                    else:
                        _write_segment(connection, segment, plan, used)
                if late:
                    superseded[part.topic] = self._supersede(connection, part, unapplied)

    def _write_cells(self, connection: Connection, parts: list[Part], plans: list[CellPlans],
                     rejections: dict[str, list[Rejection]], careful: bool, number: int) -> None:  # fmt: skip
        """Merge what has cells. Nothing there supersedes anything: every event counts, whenever it comes."""
        for part, found in self._cells.locked(connection, parts, plans):
            with _naming(part.topic):
                rejections[part.topic] += (
                    self._cells.write_carefully(connection, part, found, number) if careful
                    else self._cells.write(connection, part, found)
                )  # fmt: skip

    def _truncate(self, connection: Connection, part: Part, plans: list[Plan]) -> None:
        """A truncate comes first in its batch: what was before it is dropped. :mod:`sink_worker.truncates` let it pass."""
        for segment, plan in zip(part.batch.segments, plans, strict=True):
            if segment.truncate and plan.statements is not None:
                connection.execute(plan.statements.truncate)
                self._stores.rejected.supersede_all(connection, part.topic)

    def _supersede(self, connection: Connection, part: Part, unapplied: list[set[bytes]]) -> set[bytes]:
        """Later good events of rows with an open rejection: mark those, and return their keys."""
        keys = sorted(self._stores.open_keys.of(part.topic))
        found: set[bytes] = set()
        for segment, without in zip(part.batch.segments, unapplied, strict=True):
            places = segment.find(keys) if keys else []
            found |= {key for key, place in zip(keys, places, strict=False) if place is not None} - without
        if found:
            self._stores.rejected.supersede(connection, part.topic, sorted(found))
        return found

    def _record(
        self, connection: Connection, parts: list[Part], steps: list[Advance], rejections: dict[str, list[Rejection]]
    ) -> None:
        if not any(rejections.values()):
            return
        now = datetime.now(UTC)
        context = Context(self._settings.kafka.group_id, self._worker, self._first_failure or now, now)
        ids = {step.topic: step.topic_id for step in steps}
        for part in parts:
            self._stores.rejected.record(connection, part.route, ids[part.topic], rejections[part.topic], context)
        faults.reach(faults.OUTBOXED)


def _open_keys_of(rejections: dict[str, list[Rejection]]) -> dict[str, set[bytes]]:
    return {
        topic: {r.key for r in refused if r.key is not None and not (r.superseded or r.discarded)}
        for topic, refused in rejections.items()
    }


def _raise_if_locked(topic: str, error: BaseException) -> None:
    """Somebody else's lock on a table keeps its topic waiting, and no other."""
    if is_lock_timeout(error):
        raise TableError(topic, LOCKED, f"another session holds a lock on its table: {public_message(error)}") from error


class _naming:  # noqa: N801 (reads as the statement that it is)
    """Errors of a table's shape inside the block are the topic's, and so are locks on it."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            _raise_if_locked(self._topic, error)
        if isinstance(error, psycopg.Error) and (verdict := classify(error)).kind is Kind.TABLE:
            raise TableError(self._topic, verdict.error_type, public_message(error)) from error


def _write_segment(connection: Connection, segment: Segment, plan: Plan, used: set[bytes]) -> None:
    """The happy path. A staging table that this transaction used already is emptied first."""
    statements = plan.statements
    if statements is None:
        return
    write_deletes(connection, statements, segment, 0, segment.deletes)
    if segment.upserts:
        if statements.copy in used:
            connection.execute(statements.empty_staging)
        used.add(statements.copy)
        write_upserts(connection, statements, segment, 0, segment.upserts)
