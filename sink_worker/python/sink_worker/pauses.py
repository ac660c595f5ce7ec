"""Tables that are paused: kept in PostgreSQL, so that a pause outlives every process and reaches all of them.

A pause raises the epochs of the table's partitions in the transaction that notes it. Whatever a worker has in hand for them is
fenced by that, as if somebody else had claimed them; it claims anew, finds the pause, and waits. So no event is written behind
a pause that was answered, however slow a worker is, and no worker has to be asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sink_worker.control import Connection, Control
from sink_worker.routing import Route, Router

REASON: Final = "paused"
"""Of a partition that waits for its table to be resumed."""
RETRY_SECONDS: Final = 2.0
_ALL = """
SELECT table_schema, table_name, reason, paused_by, paused_at FROM {schema}.paused WHERE pipeline = %s ORDER BY 1, 2
"""
_PAUSE = """
INSERT INTO {schema}.paused (pipeline, table_schema, table_name, reason, paused_by) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
_RESUME = "DELETE FROM {schema}.paused WHERE pipeline = %s AND table_schema = %s AND table_name = %s"
_FENCE = "UPDATE {schema}.offsets SET epoch = epoch + 1 WHERE pipeline = %s AND topic = ANY (%s)"
_TOPICS = "SELECT DISTINCT topic FROM {schema}.offsets WHERE pipeline = %s"
_IS_PAUSED = "SELECT FROM {schema}.paused WHERE pipeline = %s AND table_schema = %s AND table_name = %s"


@dataclass(frozen=True, slots=True)
class Pause:
    """One paused table."""

    schema: str
    table: str
    reason: str
    paused_by: str
    paused_at: datetime

    @property
    def label(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.table}"


class Pauses:
    """Statements on ``paused`` for one pipeline."""

    def __init__(self, control: Control, pipeline: str, router: Router) -> None:
        self._pipeline = pipeline
        self._router = router
        self._all, self._pause, self._resume = map(control.statement, (_ALL, _PAUSE, _RESUME))
        self._fence, self._topics, self._is_paused = map(control.statement, (_FENCE, _TOPICS, _IS_PAUSED))

    def all(self, connection: Connection) -> list[Pause]:
        """Every paused table, by name."""
        return [Pause(*row) for row in connection.execute(self._all, [self._pipeline])]

    def topics(self, connection: Connection, topics: Sequence[str]) -> set[str]:
        """Those of the topics whose table is paused."""
        paused = {pause.label for pause in self.all(connection)}
        return {topic for topic in topics if self._router.route(topic).label in paused} if paused else set()

    def tables(self, connection: Connection) -> dict[str, list[str]]:
        """schema.table → the topics that are read into it, of all that were ever claimed."""
        found: dict[str, list[str]] = {}
        for (topic,) in connection.execute(self._topics, [self._pipeline]).fetchall():
            found.setdefault(self._router.route(topic).label, []).append(topic)
        return found

    def pause(self, connection: Connection, schema: str, table: str, reason: str, paused_by: str) -> bool:
        """Nothing is written to the table from the commit on. False: it was paused already.

        psycopg.errors.LockNotAvailable where a transaction of a worker does not end in time.
        """
        with connection.transaction():
            self._lock(connection, schema, table, "pg_advisory_xact_lock")
            if connection.execute(self._pause, [self._pipeline, schema, table, reason, paused_by]).rowcount == 0:
                return False
            topics = self.tables(connection).get(f"{schema}.{table}", [])
            connection.execute(self._fence, [self._pipeline, topics])
            connection.execute("SET LOCAL synchronous_commit = on")
        return True

    def resume(self, connection: Connection, schema: str, table: str) -> bool:
        """Its partitions are claimed again within :data:`RETRY_SECONDS`. False: it was not paused."""
        return connection.execute(self._resume, [self._pipeline, schema, table]).rowcount == 1

    def may_write(self, connection: Connection, route: Route) -> bool:
        """Whether the table is not paused; it will not be either before the caller's transaction ends."""
        self._lock(connection, route.schema, route.table, "pg_advisory_xact_lock_shared")
        return connection.execute(self._is_paused, [self._pipeline, route.schema, route.table]).fetchone() is None

    def _lock(self, connection: Connection, schema: str, table: str, function: str) -> None:
        connection.execute(f"SELECT {function}(hashtextextended(%s, 3))".encode(), [f"{self._pipeline}:{schema}.{table}"])
