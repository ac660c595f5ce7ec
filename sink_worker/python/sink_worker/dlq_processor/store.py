"""Statements on the processor's tables, and on ``rejected`` beside them; each inside the caller's transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sink_worker.control import Connection, Control
from sink_worker.dlq import headers_from_json, storable
from sink_worker.dlq_processor.kinds import RESTORED, Kind, kind_of
from sink_worker.dlq_processor.settings import DlqProcessorSettings
from sink_worker.rejected import OpenRejection

# ruff: noqa: S608 (only constants of this module are put together)
_CLASS = "COALESCE(s.error_class, r.error_class)"
_JOINED = "{schema}.rejected AS r LEFT JOIN {schema}.dlq_state AS s ON s.rejected_id = r.id"
_CLASSES = f"SELECT DISTINCT {_CLASS} FROM {_JOINED} WHERE r.pipeline = %s AND r.status = 'open'"
_EVENT = """r.id, r.topic, r.topic_id, r."partition", r."offset", r.key, r.raw_key, r.raw_value, r.headers, r.event_ms,
    r.error_class"""
_OPEN = f"""
SELECT {_EVENT}, {_CLASS}, COALESCE(s.attempts, 0) FROM {_JOINED}
WHERE r.pipeline = %(pipeline)s AND r.status = 'open' AND {_CLASS} = ANY (%(classes)s)
  AND (%(ids)s::bigint[] IS NULL OR r.id = ANY (%(ids)s))
  AND (%(table)s::text IS NULL OR r.table_schema || '.' || r.table_name = %(table)s)
  AND (NOT %(due)s OR COALESCE(s.next_attempt_at, r.rejected_at + %(first)s) <= now())
  AND (%(after)s::bigint IS NULL OR r.id > %(after)s)
ORDER BY {{order}} LIMIT %(limit)s
"""
_ATTEMPTED = """
INSERT INTO {schema}.dlq_state AS s (rejected_id, attempts, next_attempt_at, attempted_at, error_class, error_message)
SELECT id, 1, now() + %(wait)s, now(), %(class)s, %(message)s FROM {schema}.rejected WHERE id = %(id)s
ON CONFLICT (rejected_id) DO UPDATE SET attempts = s.attempts + 1, next_attempt_at = excluded.next_attempt_at,
    attempted_at = now(), error_class = COALESCE(excluded.error_class, s.error_class),
    error_message = COALESCE(excluded.error_message, s.error_message)
"""
_ARCHIVE = f"""
INSERT INTO {{schema}}.dlq_archive (id, pipeline, cluster_id, topic, topic_id, "partition", "offset", table_schema, table_name,
    key, raw_key, raw_value, headers, event_ms, stage, error_class, error_message, attempts, reason, archived_by, rejected_at)
SELECT r.id, r.pipeline, r.cluster_id, r.topic, r.topic_id, r."partition", r."offset", r.table_schema, r.table_name, r.key,
    r.raw_key, r.raw_value, r.headers, r.event_ms, r.stage, {_CLASS}, COALESCE(s.error_message, r.error_message),
    COALESCE(s.attempts, 0), %(reason)s, %(by)s, r.rejected_at
FROM {_JOINED} WHERE r.id = %(id)s AND r.pipeline = %(pipeline)s AND r.status = 'open'
"""
_GIVE_UP = """
UPDATE {schema}.rejected SET status = 'discarded', resolved_at = now(), raw_key = NULL, raw_value = NULL WHERE id = %s
"""
_LOCK = "SELECT FROM {schema}.rejected WHERE id = %s AND pipeline = %s AND status = 'open' FOR UPDATE"
# Nothing marked it superseded while it was archived: without a key, the log itself is asked before it is applied.
_RESTORE = """
WITH back AS (DELETE FROM {schema}.dlq_archive WHERE id = %(id)s AND pipeline = %(pipeline)s RETURNING *),
     opened AS (UPDATE {schema}.rejected AS r SET status = 'open', resolved_at = NULL, key = NULL, raw_key = b.raw_key,
                raw_value = b.raw_value FROM back AS b WHERE r.id = b.id RETURNING r.id)
INSERT INTO {schema}.dlq_state (rejected_id, next_attempt_at, error_class) SELECT id, now(), %(class)s FROM opened
ON CONFLICT (rejected_id) DO UPDATE SET attempts = 0, next_attempt_at = now(), error_class = excluded.error_class
"""
_PURGE: Final = (
    """DELETE FROM {schema}.dlq_archive WHERE id IN (SELECT id FROM {schema}.dlq_archive
       WHERE pipeline = %(pipeline)s AND archived_at < now() - %(age)s LIMIT 1000)""",
    """DELETE FROM {schema}.rejected AS r WHERE r.id IN (SELECT id FROM {schema}.rejected
       WHERE pipeline = %(pipeline)s AND status <> 'open' AND resolved_at < now() - %(age)s LIMIT 1000)
       AND NOT EXISTS (SELECT FROM {schema}.dlq_archive AS a WHERE a.id = r.id)""",
    """DELETE FROM {schema}.dlq_aside WHERE ctid IN (SELECT ctid FROM {schema}.dlq_aside
       WHERE pipeline = %(pipeline)s AND found_at < now() - %(age)s LIMIT 1000)""",
)
_SUMMARY = f"""
SELECT r.table_schema || '.' || r.table_name, {_CLASS}, count(*), min(r.rejected_at), COALESCE(max(s.attempts), 0)
FROM {_JOINED} WHERE r.pipeline = %s AND r.status = 'open' GROUP BY 1, 2 ORDER BY 1, 2
"""
_MESSAGES = f"""
SELECT r.id, COALESCE(s.error_message, r.error_message) FROM {_JOINED}
WHERE r.pipeline = %s AND r.status = 'open' AND r.table_schema || '.' || r.table_name = %s
"""
_KEPT = """
SELECT (SELECT count(*) FROM {schema}.dlq_archive WHERE pipeline = %(pipeline)s),
       (SELECT count(*) FROM {schema}.dlq_aside WHERE pipeline = %(pipeline)s)
"""
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An open rejection with what the processor knows of it. ``event`` is None where the record in PostgreSQL is damaged."""

    id: int
    topic: str
    event: OpenRejection | None
    error_class: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Group:
    """Open events of one table and one reason."""

    table: str
    kind: Kind
    error_class: str
    count: int
    oldest: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Summary:
    """All that waits, and what was put away."""

    groups: list[Group]
    archived: int
    aside: int


class DlqStore:
    """For one pipeline."""

    def __init__(self, control: Control, pipeline: str, settings: DlqProcessorSettings) -> None:
        self._pipeline, self._settings = pipeline, settings
        self._classes, self._attempted, self._lock = map(control.statement, (_CLASSES, _ATTEMPTED, _LOCK))
        self._archive, self._give_up, self._restore = map(control.statement, (_ARCHIVE, _GIVE_UP, _RESTORE))
        self._summary, self._kept, self._messages = map(control.statement, (_SUMMARY, _KEPT, _MESSAGES))
        self._purge = [control.statement(text) for text in _PURGE]
        # By place for what is applied: events of one row stay in their order.
        by_place = _OPEN.replace("{order}", 'r.topic, r.topic_id, r."partition", r."offset"')
        by_id = _OPEN.replace("{order}", "r.id")
        self._by_place, self._by_id = control.statement(by_place), control.statement(by_id)

    def open_events(self, connection: Connection, kind: Kind | None, *, due: bool = False, table: str | None = None,
                    ids: Sequence[int] | None = None, limit: int | None = None) -> list[OpenEvent]:  # fmt: skip
        """Open events of a class, those of one row in the order of their offsets."""
        values = self._values(connection, kind, due=due, table=table, ids=ids, limit=limit)
        return [_open_event(row) for row in connection.execute(self._by_place, values)]

    def pages(self, connection: Connection, kind: Kind | None, table: str | None = None) -> Iterator[OpenEvent]:
        """All open events of a class, by id, a page at a time."""
        after: int | None = None
        while True:
            values = self._values(connection, kind, due=False, table=table, ids=None, limit=None, after=after)
            page = [_open_event(row) for row in connection.execute(self._by_id, values)]
            yield from page
            if len(page) < self._settings.page:
                return
            after = page[-1].id

    def open_by_id(self, connection: Connection, ids: Sequence[int]) -> list[OpenEvent]:
        """Those of the events that are open, of any class, those of one row in the order of their offsets."""
        return self.open_events(connection, None, ids=ids, limit=max(1, len(ids)))

    def messages(self, connection: Connection, table: str) -> dict[int, str]:
        """What was said when the open events of a table were refused last. It may quote values of rows."""
        return dict(connection.execute(self._messages, [self._pipeline, table]).fetchall())

    def attempted(self, connection: Connection, event: OpenEvent, wait: timedelta, error_class: str | None,
                  message: str | None) -> None:  # fmt: skip
        """It was tried, and is still open."""
        connection.execute(self._attempted, {"id": event.id, "wait": wait, "class": error_class,
                                             "message": None if message is None else storable(message)})  # fmt: skip

    def archive(self, connection: Connection, identity: int, reason: str, archived_by: str) -> bool:
        """Move an open event into the archive. False: it is not open any more."""
        with connection.transaction():
            if connection.execute(self._lock, [identity, self._pipeline]).fetchone() is None:
                return False
            values = {"id": identity, "pipeline": self._pipeline, "reason": storable(reason), "by": archived_by}
            connection.execute(self._archive, values)
            connection.execute(self._give_up, [identity])
        return True

    def restore(self, connection: Connection, identity: int) -> bool:
        """Open an archived event again; it is tried at once. False: the archive does not have it."""
        values = {"id": identity, "pipeline": self._pipeline, "class": RESTORED}
        return connection.execute(self._restore, values).rowcount == 1

    def purge(self, connection: Connection) -> int:
        """Forget some of what is older than the retention; how many rows."""
        values = {"pipeline": self._pipeline, "age": timedelta(days=self._settings.retention_days)}
        return sum(connection.execute(statement, values).rowcount for statement in self._purge)

    def summary(self, connection: Connection) -> Summary:
        """What waits, by table and reason."""
        groups = [
            Group(table, kind_of(error_class, self._settings), error_class, count, oldest, attempts)
            for table, error_class, count, oldest, attempts in connection.execute(self._summary, [self._pipeline])
        ]
        row = connection.execute(self._kept, {"pipeline": self._pipeline}).fetchone()
        archived, aside = row or (0, 0)
        return Summary(groups, archived, aside)

    def _values(self, connection: Connection, kind: Kind | None, *, due: bool, table: str | None, ids: Sequence[int] | None,
                limit: int | None, after: int | None = None) -> dict[str, Any]:  # fmt: skip
        known = [name for (name,) in connection.execute(self._classes, [self._pipeline])]
        return {
            "pipeline": self._pipeline, "due": due, "table": table, "after": after,
            "classes": [name for name in known if kind is None or kind_of(name, self._settings) is kind],
            "ids": None if ids is None else list(ids), "limit": limit or self._settings.page,
            "first": timedelta(seconds=self._settings.first_seconds),
        }  # fmt: skip


def _open_event(row: Row) -> OpenEvent:
    *values, error_class, attempts = row
    identity, topic, topic_id, partition, offset, key, raw_key, raw_value, headers, event_ms, first_class = values
    event: OpenRejection | None
    try:
        event = OpenRejection(identity, topic, topic_id, partition, offset, key, raw_key, raw_value,
                              headers_from_json(headers), event_ms, first_class)  # fmt: skip
    except (TypeError, ValueError):
        event = None
    return OpenEvent(identity, topic, event, error_class, attempts)
