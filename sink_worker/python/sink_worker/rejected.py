"""The table of rejected events: written in the transaction of the batch, superseded by later good events, replayed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg.types.json import Json

from sink_worker.control import Connection, Control
from sink_worker.dlq import (
    Context,
    Headers,
    Rejection,
    headers_as_json,
    headers_from_json,
    render_headers,
    render_value,
    storable,
)
from sink_worker.masking import Masking
from sink_worker.routing import Route
from sink_worker.settings import DlqSettings

_INSERT = """
INSERT INTO {schema}.rejected (pipeline, cluster_id, topic, topic_id, "partition", "offset", table_schema, table_name,
    key, raw_key, raw_value, headers, event_ms, stage, error_class, error_message, status, resolved_at)
VALUES (%(pipeline)s, %(cluster)s, %(topic)s, %(topic_id)s, %(partition)s, %(offset)s, %(schema)s, %(table)s,
    %(key)s, %(raw_key)s, %(raw_value)s, %(headers)s, %(event_ms)s, %(stage)s, %(error_class)s, %(message)s, %(status)s,
    CASE WHEN %(status)s = 'open' THEN NULL ELSE now() END)
ON CONFLICT (pipeline, cluster_id, topic, topic_id, "partition", "offset") DO NOTHING
"""
_OUTBOX = "INSERT INTO {schema}.outbox (pipeline, topic, key, value, headers) VALUES (%s, %s, %s, %s, %s)"
_OPEN_KEYS = """
SELECT topic, key FROM {schema}.rejected
WHERE pipeline = %s AND topic = ANY (%s) AND status = 'open' AND key IS NOT NULL
"""
_SUPERSEDE = """
UPDATE {schema}.rejected SET status = 'superseded', resolved_at = now()
WHERE pipeline = %s AND topic = %s AND status = 'open' AND key = ANY (%s)
"""
_SUPERSEDE_ALL = """
UPDATE {schema}.rejected SET status = 'superseded', resolved_at = now()
WHERE pipeline = %s AND topic = %s AND status = 'open'
"""
# What is applied now is newer than these, which were refused earlier and must not be applied after it.
_SUPERSEDE_OLDER = """
UPDATE {schema}.rejected SET status = 'superseded', resolved_at = now()
WHERE pipeline = %s AND topic = %s AND status = 'open' AND key = ANY (%s)
  AND topic_id = %s AND "partition" = %s AND "offset" < %s
"""
_COUNTS = """
SELECT table_schema || '.' || table_name, error_class, count(*), extract(epoch FROM now() - min(rejected_at))::float8
FROM {schema}.rejected WHERE pipeline = %s AND status = 'open' GROUP BY 1, 2
"""
_OPEN = """
SELECT id, topic, topic_id, "partition", "offset", key, raw_key, raw_value, headers, event_ms, error_class
FROM {schema}.rejected
WHERE pipeline = %(pipeline)s AND status = 'open' AND (%(topics)s::text[] IS NULL OR topic = ANY (%(topics)s))
  AND (%(after)s::text IS NULL OR (topic, topic_id, "partition", "offset") >
       (%(after)s, %(after_id)s, %(partition)s, %(offset)s))
ORDER BY topic, topic_id, "partition", "offset" LIMIT %(limit)s
"""
_LOCK = "SELECT FROM {schema}.rejected WHERE id = %s AND status = 'open' FOR UPDATE"
_RESOLVE = "UPDATE {schema}.rejected SET status = %s, resolved_at = now() WHERE id = %s"


@dataclass(frozen=True, slots=True)
class OpenRejection:
    """A rejected event that nothing has superseded yet, as it is stored."""

    id: int
    topic: str
    topic_id: str
    partition: int
    offset: int
    key: bytes | None
    raw_key: bytes | None
    raw_value: bytes | None
    headers: Headers
    event_ms: int | None
    error_class: str


class RejectedStore:
    """Statements on ``rejected`` and ``outbox``; each inside the caller's transaction."""

    def __init__(self, control: Control, pipeline: str, cluster_id: str, dlq: DlqSettings, masking: Masking) -> None:
        self._pipeline, self._cluster, self._dlq, self._masking = pipeline, cluster_id, dlq, masking
        self._insert, self._outbox, self._open_keys = map(control.statement, (_INSERT, _OUTBOX, _OPEN_KEYS))
        self._supersede, self._supersede_all, self._counts = map(control.statement, (_SUPERSEDE, _SUPERSEDE_ALL, _COUNTS))
        self._open, self._lock, self._resolve = map(control.statement, (_OPEN, _LOCK, _RESOLVE))
        self._supersede_older = control.statement(_SUPERSEDE_OLDER)

    def open_keys(self, connection: Connection, topics: Sequence[str]) -> dict[str, set[bytes]]:
        """Topic → canonical keys with an open rejection."""
        found: dict[str, set[bytes]] = {topic: set() for topic in topics}
        for topic, key in connection.execute(self._open_keys, [self._pipeline, list(topics)]):
            found[topic].add(bytes(key))
        return found

    def waiting(self, connection: Connection) -> list[tuple[str, str, int, float]]:
        """schema.table, error class, open rejections, and the age of the oldest in seconds."""
        return [(table, kind, count, age) for table, kind, count, age in connection.execute(self._counts, [self._pipeline])]

    def supersede(self, connection: Connection, topic: str, keys: Sequence[bytes]) -> None:
        """Later good events of these keys are being written: what was rejected must not be replayed over them.

        Run it before the rows are written, in the order that a replay locks in.
        """
        connection.execute(self._supersede, [self._pipeline, topic, list(keys)])

    def supersede_older(self, connection: Connection, applied: OpenRejection, keys: Sequence[bytes]) -> None:
        """``applied`` is being written: what was refused of its rows before it must not be replayed over it."""
        if keys:
            values = [self._pipeline, applied.topic, list(keys), applied.topic_id, applied.partition, applied.offset]
            connection.execute(self._supersede_older, values)

    def supersede_all(self, connection: Connection, topic: str) -> None:
        """The table is being truncated."""
        connection.execute(self._supersede_all, [self._pipeline, topic])

    def record(
        self, connection: Connection, route: Route, topic_id: str, rejections: Iterable[Rejection], context: Context
    ) -> int:
        """Store rejections and their dead letters. Returns how many were new: an offset is rejected once."""
        new = 0
        for refused in rejections:
            rejection = self._as_kept(refused, route)
            if connection.execute(self._insert, self._values(route, topic_id, rejection)).rowcount == 0:
                continue
            new += 1
            if self._dlq.topic is not None:
                value = render_value(rejection, context, self._dlq.max_bytes)
                headers = Json(render_headers(rejection, context))
                connection.execute(self._outbox, [self._pipeline, self._dlq.topic, rejection.raw_key, value, headers])
        if new and self._dlq.topic is not None:
            # Once the relay has told Kafka, this must not be lost with a crash of the server.
            connection.execute("SET LOCAL synchronous_commit = on")
        return new

    def open_rejections(self, connection: Connection, topics: Sequence[str] | None, after: OpenRejection | None,
                        limit: int) -> list[OpenRejection]:  # fmt: skip
        """A page of open rejections behind ``after``, those of one row in the order of its events."""
        values = {
            "pipeline": self._pipeline, "limit": limit, "topics": None if topics is None else list(topics),
            "after": after and after.topic, "after_id": after and after.topic_id,
            "partition": after and after.partition, "offset": after and after.offset,
        }  # fmt: skip
        return [_stored(row) for row in connection.execute(self._open, values)]

    def lock_open(self, connection: Connection, rejection_id: int) -> bool:
        """Lock a rejection until the transaction ends. False: it is not open any more."""
        return connection.execute(self._lock, [rejection_id]).fetchone() is not None

    def resolve(self, connection: Connection, rejection_id: int, status: str) -> None:
        """It was replayed, superseded or discarded."""
        connection.execute(self._resolve, [status, rejection_id])

    def _as_kept(self, rejection: Rejection, route: Route) -> Rejection:
        raw_key, raw_value = (self._masking.sealed(raw, route) for raw in (rejection.raw_key, rejection.raw_value))
        return replace(rejection, raw_key=raw_key, raw_value=raw_value)

    def _values(self, route: Route, topic_id: str, rejection: Rejection) -> dict[str, Any]:
        return {
            "pipeline": self._pipeline, "cluster": self._cluster, "topic": rejection.topic, "topic_id": topic_id,
            "partition": rejection.partition, "offset": rejection.offset, "schema": route.schema, "table": route.table,
            "key": rejection.key, "raw_key": rejection.raw_key, "raw_value": rejection.raw_value,
            "headers": Json(headers_as_json(rejection.headers)), "event_ms": rejection.event_ms, "stage": rejection.stage,
            "error_class": rejection.error_class, "message": storable(rejection.message),
            "status": "superseded" if rejection.superseded else "discarded" if rejection.discarded else "open",
        }  # fmt: skip


def _stored(row: tuple[Any, ...]) -> OpenRejection:
    identity, topic, topic_id, partition, offset, key, raw_key, raw_value, headers, event_ms, error_class = row
    parsed = json.loads(headers) if isinstance(headers, str) else headers
    return OpenRejection(identity, topic, topic_id, partition, offset, key, raw_key, raw_value, headers_from_json(parsed),
                         event_ms, error_class)  # fmt: skip
