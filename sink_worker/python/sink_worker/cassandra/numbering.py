"""The numbers of a table's columns in merge states: given once, never to another column."""

from collections.abc import Sequence

from sink_worker.control import Connection, Control
from sink_worker.routing import Route

_KNOWN = "SELECT id, key, columns, gin FROM {schema}.cell_tables WHERE table_schema = %s AND table_name = %s"
_REGISTER = """
INSERT INTO {schema}.cell_tables AS t (table_schema, table_name, key, columns, gin) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (table_schema, table_name) DO UPDATE SET
    columns = t.columns || ARRAY(SELECT n.name FROM unnest(excluded.columns) WITH ORDINALITY AS n (name, place)
                                 WHERE n.name <> ALL (t.columns) ORDER BY n.place),
    gin = t.gin || ARRAY(SELECT n.name FROM unnest(excluded.gin) AS n (name) WHERE n.name <> ALL (t.gin))
RETURNING id, columns
"""
_REKEY = "UPDATE {schema}.cell_tables SET key = %s, partition_columns = NULL WHERE id = %s AND key <> %s"
_FORGET = ("DELETE FROM {schema}.cell_graves WHERE table_id = %s", "DELETE FROM {schema}.cell_tombstones WHERE table_id = %s")


class Numbering:
    """Of tables whose shape takes their events. ``gin``: whether maps are to have an index, which the steward builds."""

    def __init__(self, control: Control, lock_ms: int, *, gin: bool) -> None:
        self._lock_ms, self._gin = lock_ms, gin
        self._known, self._register, self._rekey = map(control.statement, (_KNOWN, _REGISTER, _REKEY))
        self._forget = [control.statement(text) for text in _FORGET]

    def knows(self, connection: Connection, route: Route) -> bool:
        """Whether a worker ever wrote the table."""
        return connection.execute(self._known, [route.schema, route.table]).fetchone() is not None

    def of(self, connection: Connection, route: Route, key: Sequence[str], cells: Sequence[str],
           maps: Sequence[str]) -> tuple[int, list[str]]:  # fmt: skip
        """The table's id, and all its columns that ever had cells, in the order of their numbers; these among them."""
        wished = list(maps) if self._gin else []
        found = connection.execute(self._known, [route.schema, route.table]).fetchone()
        if found is not None and found[1] == list(key) and set(cells) <= set(found[2]) and set(wished) <= set(found[3]):
            return found[0], found[2]
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{self._lock_ms}ms"])
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [route.schema])
            row = connection.execute(self._register, [route.schema, route.table, list(key), list(cells), wished]).fetchone()
            if row is None:
                raise RuntimeError("an INSERT … RETURNING without a row")
            if connection.execute(self._rekey, [list(key), row[0], list(key)]).rowcount:
                # What is remembered of the dead has the old key, and could shadow nothing any more.
                for statement in self._forget:
                    connection.execute(statement, [row[0]])
        return row[0], row[1]
