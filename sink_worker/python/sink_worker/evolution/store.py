"""Statements on the evolution's own tables; each inside the caller's transaction."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from sink_worker.control import Connection, Control
from sink_worker.evolution.model import Breaking, Wanted
from sink_worker.routing import Route

_SEEN = """
SELECT columns FROM {schema}.schema_seen WHERE pipeline = %s AND topic = %s AND table_schema = %s AND table_name = %s
"""
_REMEMBER = """
INSERT INTO {schema}.schema_seen AS s (pipeline, topic, table_schema, table_name, columns) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (pipeline, topic, table_schema, table_name)
DO UPDATE SET columns = (s.columns - %s::text[]) || excluded.columns, changed_at = now()
"""
_RECORD = """
INSERT INTO {schema}.schema_reviews AS r
    (pipeline, topic, table_schema, table_name, fingerprint, behaviour, changes, wanted, gone, ddl, source_ms)
VALUES (%(pipeline)s, %(topic)s, %(schema)s, %(table)s, %(fingerprint)s, %(behaviour)s, %(changes)s, %(wanted)s, %(gone)s,
    %(ddl)s, %(moment)s)
ON CONFLICT (pipeline, topic, table_schema, table_name, fingerprint) DO UPDATE SET
    last_seen = now(), behaviour = excluded.behaviour, wanted = excluded.wanted, gone = excluded.gone, ddl = excluded.ddl,
    source_ms = greatest(r.source_ms, excluded.source_ms),
    status = CASE WHEN r.status = 'rejected' THEN r.status ELSE 'pending' END,
    decided_at = CASE WHEN r.status = 'rejected' THEN r.decided_at END,
    decided_by = CASE WHEN r.status = 'rejected' THEN r.decided_by END,
    reason = CASE WHEN r.status = 'rejected' THEN r.reason END
RETURNING id, status, reason
"""
_KNOWN = """
SELECT id, status FROM {schema}.schema_reviews
WHERE pipeline = %s AND topic = %s AND table_schema = %s AND table_name = %s AND fingerprint = %s
"""
_RESOLVED = """
UPDATE {schema}.schema_reviews AS r SET status = 'resolved', decided_at = now(), decided_by = %(actor)s,
    reason = 'the table takes the events'
WHERE pipeline = %(pipeline)s AND topic = %(topic)s AND table_schema = %(schema)s AND table_name = %(table)s
  AND status = 'pending' AND wanted = %(wanted)s AND behaviour <> 'queue' RETURNING id
"""
_STATES = "SELECT id, status FROM {schema}.schema_reviews WHERE id = ANY (%s) ORDER BY id FOR SHARE"
_AUDIT = """
INSERT INTO {schema}.schema_audit (pipeline, topic, table_schema, table_name, review, event, actor, detail)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_REVIEWS = """
SELECT r.id, r.pipeline, r.topic, r.table_schema, r.table_name, r.behaviour, r.changes, r.wanted, r.gone, r.ddl, r.source_ms,
    r.status, r.first_seen, r.last_seen, r.decided_at, r.decided_by, r.reason,
    (SELECT count(*) FROM {schema}.rejected AS j WHERE j.pipeline = r.pipeline AND j.topic = r.topic AND j.status = 'open'
        AND j.error_class = %(waits)s AND j.error_message LIKE '%%; schema review ' || r.id)
FROM {schema}.schema_reviews AS r
WHERE r.pipeline = %(pipeline)s AND (%(id)s::bigint IS NULL OR r.id = %(id)s)
  AND (%(states)s::text[] IS NULL OR r.status = ANY (%(states)s))
ORDER BY r.id
"""
_LOCK = "SELECT status FROM {schema}.schema_reviews WHERE id = %s FOR UPDATE"
_DECIDE = """
UPDATE {schema}.schema_reviews SET status = %s, decided_at = now(), decided_by = %s, reason = %s WHERE id = %s
"""
_SHOW = "UPDATE {schema}.schema_reviews SET ddl = %s WHERE id = %s"
_DISCARD = """
UPDATE {schema}.rejected SET status = 'discarded', resolved_at = now()
WHERE pipeline = %s AND topic = %s AND status = 'open' AND error_class = %s AND error_message LIKE %s
"""
_PENDING = """
SELECT table_schema || '.' || table_name, count(*) FROM {schema}.schema_reviews
WHERE pipeline = %s AND status = 'pending' GROUP BY 1
"""
WAITS: Final = "mismatch"
"""The error class of events that wait for a review, among the refused ones."""
Seen = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Review:
    """A breaking change as it is stored. ``waiting``: events of its topic that wait among the refused ones."""

    id: int
    pipeline: str
    topic: str
    table_schema: str
    table_name: str
    behaviour: str
    changes: list[dict[str, Any]]
    wanted: list[Wanted]
    gone: list[str]
    ddl: list[str]
    source_ms: int
    status: str
    first_seen: datetime
    last_seen: datetime
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    waiting: int

    @property
    def label(self) -> str:
        """``schema.table``."""
        return f"{self.table_schema}.{self.table_name}"

    def as_json(self) -> dict[str, Any]:
        """Plain values, moments in ISO 8601."""
        found = asdict(self) | {"wanted": [asdict(column) for column in self.wanted]}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()}


class EvolutionStore:
    """One pipeline's."""

    def __init__(self, control: Control, pipeline: str, actor: str) -> None:
        self.pipeline, self.actor = pipeline, actor
        self._sql = {name: control.statement(text) for name, text in (
            ("seen", _SEEN), ("remember", _REMEMBER), ("record", _RECORD), ("known", _KNOWN), ("resolved", _RESOLVED),
            ("states", _STATES), ("audit", _AUDIT), ("reviews", _REVIEWS), ("lock", _LOCK), ("decide", _DECIDE),
            ("show", _SHOW), ("discard", _DISCARD), ("pending", _PENDING))}  # fmt: skip

    def seen(self, connection: Connection, route: Route) -> Seen | None:
        """The columns that the topic's events had, by name: ``type``, ``since`` and ``at``. None before the first."""
        row = connection.execute(self._sql["seen"], self._place(route)).fetchone()
        return None if row is None else dict(row[0])

    def natural(self, connection: Connection, route: Route) -> frozenset[str]:
        """Columns that were made for the topic's events, with the source's own types; no keys, which are always read alike."""
        seen = self.seen(connection, route) or {}
        return frozenset(name for name, column in seen.items() if column.get("own") and not column.get("key"))

    def remember(self, connection: Connection, route: Route, columns: Seen, forget: Collection[str] = ()) -> None:
        """These columns have these types now; others stay, but for those to forget."""
        connection.execute(self._sql["remember"], [*self._place(route), Jsonb(columns), list(forget)])

    def record(self, connection: Connection, route: Route, behaviour: str, breaking: Sequence[Breaking],
               wanted: Sequence[Wanted], gone: Collection[str], ddl: Sequence[str],
               moment: int) -> tuple[int, str, str | None, bool]:  # fmt: skip
        """Store a breaking change, or find it again. Its review's number, status and reason, and whether it is news."""
        changes = [change.as_json() for change in breaking]
        print_ = fingerprint(changes)
        known = connection.execute(self._sql["known"], [*self._place(route), print_]).fetchone()
        values = {
            **self._named(route), "fingerprint": print_, "behaviour": behaviour, "changes": Jsonb(changes),
            "wanted": _wanted_json(wanted), "gone": Jsonb(sorted(gone)), "ddl": Jsonb(list(ddl)), "moment": moment,
        }  # fmt: skip
        row = connection.execute(self._sql["record"], values).fetchone()
        if row is None:
            raise RuntimeError("PostgreSQL returned no review")
        news = known is None or known[1] not in {"pending", row[1]}
        if news:
            detail = {"behaviour": behaviour, "changes": changes, "ddl": list(ddl)}
            self.audit(connection, route, "found", detail, review=row[0])
        return int(row[0]), str(row[1]), row[2], news

    def resolve_fitting(self, connection: Connection, route: Route, wanted: Sequence[Wanted]) -> None:
        """The table takes these columns now: what was pending because it did not is done, where nothing waits for it."""
        values = {**self._named(route), "wanted": _wanted_json(wanted), "actor": self.actor}
        for (review,) in connection.execute(self._sql["resolved"], values).fetchall():
            self.audit(connection, route, "resolved", {}, review=review)

    def states(self, connection: Connection, reviews: Iterable[int]) -> dict[int, str]:
        """The reviews' status, held until the transaction ends."""
        return dict(connection.execute(self._sql["states"], [sorted(reviews)]).fetchall())

    def audit(self, connection: Connection, route: Route, event: str, detail: Mapping[str, Any], *, review: int | None = None,
              actor: str | None = None) -> None:  # fmt: skip
        """Who did what."""
        connection.execute(self._sql["audit"], [*self._place(route), review, event, actor or self.actor, Jsonb(dict(detail))])

    def reviews(
        self, connection: Connection, *, identity: int | None = None, states: Sequence[str] | None = None
    ) -> list[Review]:
        """The pipeline's reviews, oldest first."""
        values = {"pipeline": self.pipeline, "id": identity, "states": None if states is None else list(states), "waits": WAITS}
        return [_review(row) for row in connection.execute(self._sql["reviews"], values).fetchall()]

    def lock(self, connection: Connection, review: int) -> str:
        """The review's status, held against workers and other reviewers until the transaction ends."""
        row = connection.execute(self._sql["lock"], [review]).fetchone()
        return "" if row is None else str(row[0])

    def decide(self, connection: Connection, review: int, status: str, actor: str, reason: str) -> None:
        """Somebody decided."""
        connection.execute(self._sql["decide"], [status, actor, reason, review])

    def show(self, connection: Connection, review: int, ddl: Sequence[str]) -> None:
        """The statements are others now."""
        connection.execute(self._sql["show"], [Jsonb(list(ddl)), review])

    def discard_waiting(self, connection: Connection, review: Review) -> int:
        """What waits for the review stays out. How many events."""
        values = [self.pipeline, review.topic, WAITS, f"%{waiting_mark(review.id)}"]
        return connection.execute(self._sql["discard"], values).rowcount

    def pending(self, connection: Connection) -> dict[str, int]:
        """schema.table → pending reviews."""
        return dict(connection.execute(self._sql["pending"], [self.pipeline]).fetchall())

    def _place(self, route: Route) -> list[str]:
        return [self.pipeline, route.topic, route.schema, route.table]

    def _named(self, route: Route) -> dict[str, Any]:
        return {"pipeline": self.pipeline, "topic": route.topic, "schema": route.schema, "table": route.table}


def waiting_mark(review: int) -> str:
    """How the message of an event ends that waits for a review."""
    return f"; schema review {review}"


def fingerprint(changes: Sequence[Mapping[str, Any]]) -> str:
    """The same for the same changes, in any order."""
    told = sorted((change["kind"], change["column"], change["old"], change["new"]) for change in changes)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _wanted_json(wanted: Sequence[Wanted]) -> Jsonb:
    return Jsonb([asdict(column) for column in wanted])


def _review(row: tuple[Any, ...]) -> Review:
    values = list(row)
    values[7] = [Wanted(**column) for column in row[7]]
    return Review(*values)
