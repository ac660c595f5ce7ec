"""Finds the rows that PostgreSQL refuses, by bisection between savepoints, while their neighbours go in.

Used only after a whole batch was refused for its data: the happy path has no savepoint.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import psycopg

from sink_worker._native import Segment
from sink_worker.control import Connection
from sink_worker.dlq import Rejection, rejection_of_row
from sink_worker.errors import Kind, TableError, classify
from sink_worker.rows import write_deletes, write_upserts
from sink_worker.statements import Statements
from sink_worker.tables import Plan, Tables
from sink_worker.work import Part

Failure = tuple[int, Exception]
RowKind = Literal["upsert", "delete"]


@dataclass(frozen=True, slots=True)
class Refusals:
    """What of a segment did not go in. ``unapplied``: keys of which no event of the batch is in the table."""

    rejections: list[Rejection]
    unapplied: set[bytes]


def isolate(low: int, high: int, attempt: Callable[[int, int], Exception | None]) -> list[Failure]:
    """The indexes of [low, high) that fail alone. ``attempt`` applies a range as a whole, or not at all and says why."""
    if low >= high:
        return []
    error = attempt(low, high)
    if error is None:
        return []
    if high - low == 1:
        return [(low, error)]
    middle = (low + high) // 2
    return isolate(low, middle, attempt) + isolate(middle, high, attempt)


class Isolation:
    """Applies the parts of one transaction carefully, and collects what is refused."""

    def __init__(self, connection: Connection, tables: Tables, attempts: int) -> None:
        self._connection = connection
        self._tables = tables
        self._attempts = attempts
        self._indexed: Part | None = None
        self._by_key: defaultdict[tuple[int, bytes | None], list[Any]] = defaultdict(list)

    def apply(self, part: Part, segment: Segment, plan: Plan) -> Refusals:
        """Write a segment row by row as far as needed; what did not go in."""
        if plan.refusal is not None:
            refused = self._refuse_rows(part, segment, plan.refusal)
            if plan.verdict.skip:
                self._tables.skipped(part.route, len(refused.rejections), plan.refusal)
                return Refusals([], refused.unapplied)
            return Refusals([replace(found, discarded=plan.verdict.discard) for found in refused.rejections], refused.unapplied)
        if plan.statements is None:
            return Refusals([], set())
        statements = plan.statements
        writes: list[tuple[RowKind, int, Callable[[int, int], Exception | None]]] = [
            ("delete", segment.deletes, lambda low, high: self._deletes(statements, segment, low, high)),
            ("upsert", segment.upserts, lambda low, high: self._upserts(statements, segment, low, high)),
        ]
        found = Refusals([], set())
        for kind, count, write in writes:
            for index, error in isolate(0, count, write):
                self._events_of_row(part, segment, kind, index, error, found)
        return found

    def _refuse_rows(self, part: Part, segment: Segment, why: TableError) -> Refusals:
        """Where events of other columns are in the batch, too, those before the refused one of the same row are applied."""
        if len(part.batch.segments) == 1 or not segment.key:
            return _refuse_all(part, segment, why, self._attempts)
        found = Refusals([], set())
        for kind, count in _kinds(segment):
            for index in range(count):
                self._events_of_row(part, segment, kind, index, why, found)
        return found

    def _deletes(self, statements: Statements, segment: Segment, low: int, high: int) -> Exception | None:
        return self._tried(lambda: write_deletes(self._connection, statements, segment, low, high))

    def _upserts(self, statements: Statements, segment: Segment, low: int, high: int) -> Exception | None:
        def write() -> None:
            self._connection.execute(statements.empty_staging)
            write_upserts(self._connection, statements, segment, low, high)

        return self._tried(write)

    def _tried(self, write: Callable[[], None]) -> Exception | None:
        try:
            with self._connection.transaction():
                write()
        except psycopg.Error as error:
            if classify(error).kind is not Kind.POISON:
                raise
            return error
        return None

    def _events_of_row(
        self, part: Part, segment: Segment, kind: RowKind, index: int, error: Exception, found: Refusals
    ) -> None:
        """The refused row was the last of several events of its key, perhaps: apply them one after another.

        What an earlier one brought must not be missing because a later one is bad.
        """
        last = _message(part, segment, kind, index)
        if not segment.key:
            found.rejections.append(rejection_of_row(part.topic, last, None, error, superseded=False, attempts=self._attempts))
            return
        key = segment.key_bytes(kind, index, index + 1)[0]
        refused: list[Rejection] = []
        applied = False
        for message in self._messages_like(part, last):
            if message.offset() > last.offset():
                break
            outcome = error if message.offset() == last.offset() else self._single(part, message, key)
            if outcome is True:
                refused, applied = [replace(rejection, superseded=True) for rejection in refused], True
            elif outcome is not False:
                refused.append(rejection_of_row(part.topic, message, key, outcome, superseded=False, attempts=self._attempts))
        found.rejections.extend(refused)
        if not applied:
            found.unapplied.add(key)

    def _messages_like(self, part: Part, one: Any) -> list[Any]:
        """The messages of one record key and partition, in order: all that can be events of one row."""
        if self._indexed is not part:
            self._indexed, self._by_key = part, defaultdict(list)
            for message in _since_truncate(part):
                self._by_key[message.partition(), message.key()].append(message)
        return self._by_key[one.partition(), one.key()]

    def _single(self, part: Part, message: Any, key: bytes) -> Exception | bool:
        """Apply one event. The error that refuses it; False where it is no event of this key, or one that was not decoded."""
        applied = False
        for segment in part.decode([message]).segments:
            if not any(segment.find([key])):
                continue
            plan = self._tables.plan(self._connection, part.route, segment)
            if plan.refusal is not None:
                return plan.refusal
            if plan.statements is None:
                continue
            error = self._deletes(plan.statements, segment, 0, segment.deletes)
            error = error or self._upserts(plan.statements, segment, 0, segment.upserts)
            if error is not None:
                return error
            applied = True
        return applied


def _refuse_all(part: Part, segment: Segment, why: TableError, attempts: int) -> Refusals:
    """Every row of a segment, refused for what its table is like."""
    found = Refusals([], set())
    for kind, count in _kinds(segment):
        keys: list[bytes] | list[None] = segment.key_bytes(kind) if segment.key else [None] * count
        for index, key in enumerate(keys):
            message = _message(part, segment, kind, index)
            found.rejections.append(rejection_of_row(part.topic, message, key, why, superseded=False, attempts=attempts))
            if key is not None:
                found.unapplied.add(key)
    return found


def _kinds(segment: Segment) -> tuple[tuple[RowKind, int], ...]:
    return ("delete", segment.deletes), ("upsert", segment.upserts)


def _since_truncate(part: Part) -> Sequence[Any]:
    """The messages that are not void by a later TRUNCATE of the batch."""
    if any(segment.truncate for segment in part.batch.segments):
        for index in range(len(part.messages) - 1, -1, -1):
            message = part.messages[index]
            if message.value() is not None and any(segment.truncate for segment in part.decode([message]).segments):
                return part.messages[index + 1 :]
    return part.messages


def _message(part: Part, segment: Segment, kind: RowKind, index: int) -> Any:
    return part.messages[segment.origin(kind, index)[2]]
