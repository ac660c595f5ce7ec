"""Declared indexes: built beside the rows, by CREATE INDEX CONCURRENTLY, once their tables are there.

Killed anywhere, the next call goes on: an invalid index that nobody builds any more is dropped and built anew.
"""

import hashlib
from collections.abc import Iterable
from enum import StrEnum

import structlog
from psycopg import sql

from sink_worker.control import Connection
from sink_worker.evolution.catalog import table_state
from sink_worker.evolution.settings import IndexSettings
from sink_worker.routing import fit_identifier

_log = structlog.get_logger("sink_worker.indexes")
LOCK_MS = 60_000
"""What CREATE INDEX CONCURRENTLY waits for are transactions older than itself; nobody who reads or writes waits for it."""
_STATE = """
SELECT i.indisvalid FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 3))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 3))"


class State(StrEnum):
    """How an index is."""

    THERE = "there"
    BUILT = "built"
    AWAITED = "awaited"  # its table or a column is not there yet
    BUSY = "busy"  # another session builds on the table


def index_name(wish: IndexSettings) -> str:
    """The same for the same wish: it is how the index is found again."""
    digest = hashlib.sha256("\0".join([wish.table, wish.method, *wish.columns]).encode()).hexdigest()[:8]
    return fit_identifier(f"sink_{wish.table.rpartition('.')[2][:30]}_{wish.method}_{digest}")


def ensure_index(connection: Connection, wish: IndexSettings) -> State:
    """Build the index where it is missing or invalid. ``connection`` must be in autocommit; psycopg.Error when it fails."""
    schema, _, table = wish.table.rpartition(".")
    state = table_state(connection, schema, table)
    if state is None or not set(wish.columns) <= set(state.columns):
        return State.AWAITED
    name = index_name(wish)
    if _is_valid(connection, schema, name):
        return State.THERE
    # An index that is being built is invalid too: only who has this lock may judge it. The server's session keeps it until the
    # build has ended, even if its client is gone.
    row = connection.execute(_TRY, [wish.table]).fetchone()
    if row is None or not row[0]:
        return State.BUSY
    try:
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', '0', false)", [str(LOCK_MS)]
        )
        valid = _is_valid(connection, schema, name)
        if valid:
            return State.THERE
        if valid is False:
            connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(schema, name)))
        connection.execute(_create(schema, table, name, wish))
        _log.info("index_built", table=wish.table, index=name)
        return State.BUILT
    finally:
        connection.execute(_UNLOCK, [wish.table])


def ensure_indexes(connection: Connection, wishes: Iterable[IndexSettings]) -> dict[str, State]:
    """All of them, by name."""
    return {index_name(wish): ensure_index(connection, wish) for wish in wishes}


def _is_valid(connection: Connection, schema: str, name: str) -> bool | None:
    row = connection.execute(_STATE, [schema, name]).fetchone()
    return None if row is None else bool(row[0])


def _create(schema: str, table: str, name: str, wish: IndexSettings) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in wish.columns)
    return sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} USING {} ({})").format(
        sql.Identifier(name), sql.Identifier(schema, table), sql.SQL(wish.method), columns
    )
