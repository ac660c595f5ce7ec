"""Breaking schema changes that wait for a person: list them, approve or reject them. For the command line and other programs.

Approving applies the statements that the review shows and then releases what waited, in the order of its events and never over
a newer value. It can be repeated: killed anywhere, the next call of :func:`approve` completes it.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import structlog
from psycopg import sql

from sink_worker import faults
from sink_worker.control import Connection, Control, connect
from sink_worker.errors import Kind as ErrorKind
from sink_worker.errors import SinkError, public_message
from sink_worker.errors import classify as judge
from sink_worker.evolution import ddl
from sink_worker.evolution.catalog import table_state
from sink_worker.evolution.classify import classify
from sink_worker.evolution.fitting import cells_of
from sink_worker.evolution.model import Rules
from sink_worker.evolution.store import WAITS, EvolutionStore, Review, waiting_mark
from sink_worker.masking import Masking
from sink_worker.offsets import is_lock_timeout
from sink_worker.rejected import OpenRejection, RejectedStore
from sink_worker.replay import Replay
from sink_worker.routing import Route
from sink_worker.settings import Settings

_log = structlog.get_logger("sink_worker.reviews")
PENDING: Final = "pending"
_PAGE: Final = 200


class ReviewError(SinkError):
    """A review that cannot be decided so. ``code``: unknown, decided, changed, failed, locked or argument."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.exit_code = 2 if code in {"unknown", "argument"} else 1
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A review as it is now; ``events``: what became of those that waited, counted by :class:`sink_worker.replay.Result`.

    ``ddl`` are the statements that were run just now: none when the table took the events already, or a call was repeated.
    """

    review: Review
    ddl: list[str] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"review": self.review.as_json(), "ddl": self.ddl, "events": self.events}


def list_pending(settings: Settings, *, decided: bool = False) -> list[Review]:
    """Reviews that wait for a decision, and approved ones whose events still wait; with ``decided`` all that ever were."""
    with _store(settings, "") as (connection, store):
        found = store.reviews(connection)
    return [
        review for review in found if decided or review.status == PENDING or (review.status == "approved" and review.waiting)
    ]


def get(settings: Settings, review_id: int) -> Review:
    """One review. :class:`ReviewError` (unknown)."""
    with _store(settings, "") as (connection, store):
        return _get(connection, store, review_id)


def approve(settings: Settings, review_id: int, *, by: str, note: str = "") -> Outcome:
    """Run the statements that the review shows, and release what waited for it. ``by`` is who approves.

    :class:`ReviewError`: unknown; changed (the table is another by now: the review shows the new statements, look again);
    locked (the table's lock was not to be had); failed (PostgreSQL refuses a statement, nothing was changed).
    """
    _check_actor(by)
    with _store(settings, by) as (connection, store):
        review = _get(connection, store, review_id)
        done = [] if review.status == "approved" else _apply(settings, connection, store, review, note)
        faults.reach(faults.SCHEMA_APPROVED)
        events = _release(settings, connection, store, review)
        return Outcome(_get(connection, store, review_id), done, events)


def reject(settings: Settings, review_id: int, *, by: str, reason: str) -> Outcome:
    """Keep the events of that schema out, those that waited and those to come; they stay among the refused ones, discarded.

    A topic that stopped for it goes on. :class:`ReviewError`: unknown; decided (it was approved); argument (no reason).
    """
    _check_actor(by)
    if not reason.strip():
        raise ReviewError("argument", "a rejection needs a reason")
    with _store(settings, by) as (connection, store), connection.transaction():
        review = _get(connection, store, review_id)
        status = store.lock(connection, review_id)
        if status not in {PENDING, "rejected"}:
            raise ReviewError("decided", f"schema review {review_id} is {status}; only a pending one can be rejected")
        store.decide(connection, review_id, "rejected", by, reason)
        discarded = store.discard_waiting(connection, review)
        store.audit(connection, _route(review), "rejected", {"reason": reason, "events": discarded}, review=review_id)
        return Outcome(_get(connection, store, review_id), events={"discarded": discarded})


def _apply(settings: Settings, connection: Connection, store: EvolutionStore, review: Review, note: str) -> list[str]:
    """The statements in one transaction with the decision. Each try holds other sessions up for one lock timeout at most."""
    lock_ms = int(settings.postgres.ddl_lock_timeout_seconds * 1000)
    for attempt in range(1, settings.evolution.lock_attempts + 1):
        try:
            return _attempt(connection, store, review, note, lock_ms, cells=cells_of(settings)(review.topic))
        except _ChangedError as error:
            store.show(connection, review.id, error.statements)
            what = (
                f"the table of schema review {review.id} is another by now; approving would run: {'; '.join(error.statements)}"
            )
            raise ReviewError("changed", f"{what}. Look at it again, then approve") from None
        except psycopg.Error as error:
            if is_lock_timeout(error) or isinstance(error, psycopg.errors.DeadlockDetected):
                _log.info("table_locked", review=review.id, attempt=attempt)
                if attempt < settings.evolution.lock_attempts:
                    time.sleep(random.uniform(0.5, 1.0) * min(0.1 * 2**attempt, 5.0))  # noqa: S311 (no secret)
                continue
            if judge(error).kind is ErrorKind.RETRYABLE:
                raise
            what = f"PostgreSQL refuses what schema review {review.id} shows, and nothing was changed: {public_message(error)}"
            raise ReviewError("failed", f"{what}. Change table {review.label} by hand, then approve again") from error
    raise ReviewError("locked", f"table {review.label} stays locked by other sessions; try again later")


class _ChangedError(Exception):
    def __init__(self, statements: list[str]) -> None:
        self.statements = statements
        super().__init__()


def _attempt(connection: Connection, store: EvolutionStore, review: Review, note: str, lock_ms: int, *,
             cells: bool) -> list[str]:  # fmt: skip
    route = _route(review)
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{lock_ms}ms"])
        connection.execute("SELECT set_config('statement_timeout', '0', true)")
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [route.schema])
        # Workers hold the review before they touch the table, and so does this: in one order nobody waits for each other.
        if store.lock(connection, review.id) == "approved":
            return []
        statements = statements_now(connection, review, cells=cells)
        if statements and statements != review.ddl:
            raise _ChangedError(statements)
        for statement in statements:
            connection.execute(sql.SQL(statement))
        seen = {
            column.name: {"type": column.pg_type, "since": review.source_ms, "at": review.source_ms} for column in review.wanted
        }
        old = store.seen(connection, route) or {}
        merged = {name: {**old.get(name, {}), **new, "since": old.get(name, new)["since"]} for name, new in seen.items()}
        store.remember(connection, route, merged, forget=review.gone)
        store.decide(connection, review.id, "approved", store.actor, note)
        store.audit(connection, route, "approved", {"ddl": statements, "note": note}, review=review.id)
        faults.reach(faults.DDL)
    return statements


def statements_now(connection: Connection, review: Review, *, cells: bool) -> list[str]:
    """What approving would run on the table as it is now; nothing where somebody has changed it so that it fits. ``cells``:
    the topic's events have cells."""
    state = table_state(connection, review.table_schema, review.table_name)
    if state is None:
        raise ReviewError("failed", f"table {review.label} does not exist any more")
    present = {name: column.pg_type for name, column in state.columns.items()}
    broken = {change["column"] for change in review.changes if present.get(change["column"], "") == change["old"]}
    # A type that somebody changed by hand meanwhile is what they want, if it takes the events' values.
    before = {column.name: "" if column.name in broken else column.pg_type for column in review.wanted}
    found = classify(review.wanted, state, before=before, gone=review.gone, rules=Rules(add=False, widen=False, cells=cells))
    return ddl.reviewed(review.table_schema, review.table_name, state, review.wanted, found.breaking)


def _release(settings: Settings, connection: Connection, store: EvolutionStore, review: Review) -> dict[str, int]:
    """Apply what waits, in the order of the events. The review is approved by now: nothing more comes to wait for it."""
    replay = Replay(settings)
    counts: Counter[str] = Counter()
    try:
        replay.prepare(connection)
        for rejection in _waiting(settings, connection, review):
            counts[str(replay.attempt(connection, rejection).result)] += 1
    finally:
        replay.close()
    if counts:
        store.audit(connection, _route(review), "released", dict(counts), review=review.id)
    return dict(counts)


_WAITING = "SELECT id FROM {schema}.rejected WHERE id = ANY (%s) AND error_message LIKE %s"


def _waiting(settings: Settings, connection: Connection, review: Review) -> Iterator[OpenRejection]:
    control = Control(settings.postgres.control_schema)
    rejected = RejectedStore(control, review.pipeline, "", settings.dlq, Masking(settings.masking))
    after: OpenRejection | None = None
    while page := rejected.open_rejections(connection, [review.topic], after, _PAGE):
        of_class = [one.id for one in page if one.error_class == WAITS]
        mine = connection.execute(control.statement(_WAITING), [of_class, f"%{waiting_mark(review.id)}"]).fetchall()
        wanted = {identity for (identity,) in mine}
        yield from (one for one in page if one.id in wanted)
        after = page[-1]


@contextmanager
def _store(settings: Settings, actor: str) -> Iterator[tuple[Connection, EvolutionStore]]:
    control = Control(settings.postgres.control_schema)
    with connect(settings.postgres, "reviews", settings.kafka.group_id) as connection:
        control.install(connection)
        yield connection, EvolutionStore(control, settings.kafka.group_id, actor)


def _get(connection: Connection, store: EvolutionStore, review_id: int) -> Review:
    found: Sequence[Review] = store.reviews(connection, identity=review_id)
    if not found:
        raise ReviewError(
            "unknown", f"pipeline {store.pipeline} has no schema review {review_id}; sink-worker schema review lists them"
        )
    return found[0]


def _check_actor(by: str) -> None:
    if not by.strip():
        raise ReviewError("argument", "who decides has to be named")


def _route(review: Review) -> Route:
    return Route(review.topic, review.table_schema, review.table_name)
