"""What no event tells: cells whose time has run out are taken away, and deletions beyond the horizon are forgotten.

One worker does it, whoever holds the advisory lock. Every transaction takes few rows, none that another session has, and holds
them for less than 100 ms: PostgreSQL ends a statement that takes longer than a fifth of that, and the step is tried again with
half the rows, down to one. A table that cannot be swept (somebody has it locked, a constraint refuses) keeps no other waiting.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg
import structlog
from psycopg.errors import QueryCanceled

from sink_worker.cassandra.cells import CellMetrics
from sink_worker.cassandra.merging import LOCK_CLASS, CellMerger
from sink_worker.cassandra.tables import CellPlan, make_plan, staged
from sink_worker.control import Connection, Control, connect
from sink_worker.errors import Kind, TableError, classify, public_message
from sink_worker.routing import Route
from sink_worker.rows import prepare_session
from sink_worker.settings import Settings
from sink_worker.tables import look_up

_log = structlog.get_logger("sink_worker.cassandra.sweeper")
STATEMENT_MS: Final = 20
"""Five statements of a step have locks: finding, staging, updating, deleting, remembering. All of them: less than 100 ms."""
SHORT_SECONDS, LONG_SECONDS = 0.0125, 0.05
"""A step that took less makes the next one twice as large, one that took more half as large."""
REFUSED_SECONDS: Final = 60
"""How long a row is let be that PostgreSQL did not let the sweeper change."""
_ELECT = "SELECT pg_try_advisory_lock(%s, 0)"
# A step that a crash of the server loses is done again, so that nobody waits for its disk. An index has the rows in the order
# that they are wanted in: nothing else may be read, whatever is guessed about tables that fill faster than they are analyzed.
_BEGIN = """
SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),
       set_config('synchronous_commit', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true), set_config('jit', 'off', true)
"""
_ENTER = "SELECT pg_try_advisory_xact_lock_shared(%s, %s)"
_TABLES = "SELECT id, table_schema, table_name, key, columns FROM {schema}.cell_tables ORDER BY id"
# Of all tables at once, the oldest first. What another session has is left to the next turn.
_PRUNE = """
WITH gone AS (
    DELETE FROM {{schema}}.{table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {{schema}}.{table} WHERE {age} < %s ORDER BY {age} LIMIT %s FOR UPDATE SKIP LOCKED))
    RETURNING table_id)
SELECT t.table_schema || '.' || t.table_name, count(*) FROM gone AS g JOIN {{schema}}.cell_tables AS t ON t.id = g.table_id
GROUP BY 1
"""
_AGES: Final = {"cell_graves": "base", "cell_tombstones": "ts"}


class Sweeper(threading.Thread):
    """Runs until :meth:`close`; a failure is logged and tried again at the next turn."""

    def __init__(self, settings: Settings, control: Control, metrics: CellMetrics) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._settings = settings
        self._cassandra = settings.cassandra
        self.metrics = metrics
        self._merger = CellMerger(control, settings.cassandra.horizon_hours)
        self._tables = control.statement(_TABLES)
        self._prune = {name: control.statement(_PRUNE.format(table=name, age=age)) for name, age in _AGES.items()}
        self._connection: Connection | None = None
        self._sizes: dict[int | str, int] = {}
        self._plans: dict[int | str, tuple[list[str], list[str], CellPlan]] = {}
        self._ending = threading.Event()

    def close(self) -> None:
        """End."""
        self._ending.set()
        if self.is_alive():
            self.join(3.0)

    def run(self) -> None:
        """The thread."""
        while not self._ending.wait(self._cassandra.sweep_seconds):
            try:
                self._turn()
            except (psycopg.Error, OSError, TableError) as error:
                _log.warning("sweep_waits", error_type=classify(error).error_type, error=public_message(error))
                self._drop()
        self._drop()

    def sweep(self, connection: Connection) -> int:
        """One turn over all tables; how many rows and deletions there were."""
        done = 0
        for found in connection.execute(self._tables).fetchall():
            done += self._sweep_or_leave(connection, *found)
        return done + sum(self._prune_one(connection, name) for name in self._prune)

    def _turn(self) -> None:
        if self._connection is None:
            self._connection = connect(self._settings.postgres, "sweeper", self._settings.kafka.group_id)
            prepare_session(self._connection)
            self._plans.clear()
        elected = self._connection.execute(_ELECT, [LOCK_CLASS]).fetchone()
        if elected is not None and elected[0]:
            self.sweep(self._connection)
            self._connection.execute("SELECT pg_advisory_unlock(%s, 0)", [LOCK_CLASS])

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _sweep_or_leave(self, connection: Connection, table_id: int, schema: str, name: str, key: list[str],
                        columns: list[str]) -> int:  # fmt: skip
        """A table's turn. What stands in its way is its own: the others are swept."""
        route = Route("", schema, name)
        try:
            return self._sweep_table(connection, route, table_id, key, columns)
        except (psycopg.Error, TableError) as error:
            if connection.closed:
                raise
            self._plans.pop(table_id, None)
            _log.warning("table_not_swept", table=route.label, error_type=classify(error).error_type,
                         error=public_message(error))  # fmt: skip
            return 0

    def _sweep_table(self, connection: Connection, route: Route, table_id: int, key: list[str], columns: list[str]) -> int:
        swept = 0
        while not self._ending.is_set() and (plan := self._plan(connection, route, table_id, key, columns)) is not None:
            rows = self._size(table_id)
            try:
                found = self._step(connection, table_id, lambda most, p=plan: self._enter_and_sweep(connection, p, most))  # type: ignore[misc]
            except psycopg.Error as error:
                if classify(error).kind is not Kind.POISON:
                    raise
                self._postpone(connection, route, plan)
                continue
            swept += found or 0
            if found is not None and found < rows:
                break
        self.metrics.swept.labels(route.label).inc(swept)
        return swept

    def _enter_and_sweep(self, connection: Connection, plan: CellPlan, rows: int) -> int:
        """Not while a deletion of a partition has the table."""
        entered = connection.execute(_ENTER, [LOCK_CLASS, plan.table_id]).fetchone()
        return self._merger.sweep(connection, plan, rows) if entered is not None and entered[0] else 0

    def _postpone(self, connection: Connection, route: Route, plan: CellPlan) -> None:
        """PostgreSQL does not let the first row be changed (a constraint, a trigger): the others do not wait for it."""
        now = int(time.time())
        connection.execute(plan.statements.postpone, [now + REFUSED_SECONDS, now])
        self.metrics.sweep_refused.labels(route.label).inc()
        _log.warning("row_not_swept", table=route.label, again_in_seconds=REFUSED_SECONDS)

    def _prune_one(self, connection: Connection, name: str) -> int:
        cutoff = time.time_ns() // 1000 - int(self._cassandra.horizon_hours * 3_600_000_000)

        def step(rows: int) -> int:
            found = connection.execute(self._prune[name], [cutoff, rows]).fetchall()
            for label, count in found:
                self.metrics.pruned.labels(label).inc(count)
            return sum(count for _, count in found)

        done = 0
        while not self._ending.is_set():
            rows = self._size(name)
            found = self._step(connection, name, step)
            done += found or 0
            if found is not None and found < rows:
                break
        return done

    def _size(self, what: int | str) -> int:
        return self._sizes.get(what, self._cassandra.sweep_rows)

    def _step(self, connection: Connection, what: int | str, step: Callable[[int], int]) -> int | None:
        """One small transaction. None when nothing came of it: it took too long, or one of its rows is refused; the next one is
        smaller. What a single row does not get over is raised."""
        rows, began = self._size(what), time.monotonic()
        limit = f"{STATEMENT_MS}ms"
        try:
            with connection.transaction():
                connection.execute(
                    _BEGIN, [limit if rows > 1 else f"{self._settings.postgres.statement_timeout_seconds}s", limit]
                )
                found = step(rows)
        except psycopg.Error as error:
            poison = classify(error).kind is Kind.POISON
            if poison:  # or a column has another type by now
                self._plans.pop(what, None)
            if rows == 1 or not (poison or isinstance(error, QueryCanceled)):
                raise
            self._sizes[what] = rows // 2
            return None
        finally:
            took = time.monotonic() - began
            self.metrics.sweep_seconds.observe(took)
        self._sizes[what] = self._next(rows, took)
        return found

    def _next(self, rows: int, took: float) -> int:
        if took > LONG_SECONDS:
            return max(1, rows // 2)
        return min(self._cassandra.sweep_rows, rows * 2) if took < SHORT_SECONDS else rows

    def _plan(self, connection: Connection, route: Route, table_id: int, key: list[str], columns: list[str]) -> CellPlan | None:
        """None where there is no such table any more."""
        known = self._plans.get(table_id)
        if known is not None and known[:2] == (key, columns):
            return known[2]
        table = look_up(connection, route)
        if table is None or not set(key) <= set(table.columns):
            return None
        plan = make_plan(route, table, table_id, (key, columns), [], table_id)
        connection.execute(plan.statements.drop_staging)
        plan = staged(connection, plan)
        self._plans[table_id] = (key, columns, plan)
        return plan
