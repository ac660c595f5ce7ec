"""What no event tells: cells whose time has run out are taken away, and deletions beyond the horizon are forgotten.

One worker does it, whoever holds the advisory lock. Every transaction is short and takes few rows, none that another one has: a
step that took long is followed by a smaller one.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg
import structlog

from sink_worker.cassandra.cells import CellMetrics
from sink_worker.cassandra.merging import LOCK_CLASS, CellMerger
from sink_worker.cassandra.tables import CellPlan, make_plan
from sink_worker.control import Connection, Control, connect
from sink_worker.errors import TableError, classify, public_message
from sink_worker.routing import Route
from sink_worker.rows import prepare_session
from sink_worker.settings import Settings
from sink_worker.tables import look_up

_log = structlog.get_logger("sink_worker.cassandra.sweeper")
LONGEST_SECONDS: Final = 0.05
"""Half of what a lock may be held: a step beyond it makes the next one half as large."""
LEAST_ROWS: Final = 5
_ELECT = "SELECT pg_try_advisory_lock(%s, 0)"
_ENTER = "SELECT pg_try_advisory_xact_lock_shared(%s, %s)"
_TABLES = "SELECT id, table_schema, table_name, key, columns FROM {schema}.cell_tables ORDER BY id"
_PRUNE_GRAVES = """
DELETE FROM {schema}.cell_graves WHERE (table_id, key) IN (
    SELECT table_id, key FROM {schema}.cell_graves WHERE table_id = %s AND base < %s ORDER BY base LIMIT %s
    FOR UPDATE SKIP LOCKED)
"""
_PRUNE_TOMBSTONES = """
DELETE FROM {schema}.cell_tombstones WHERE (table_id, "partition", "range") IN (
    SELECT table_id, "partition", "range" FROM {schema}.cell_tombstones WHERE table_id = %s AND ts < %s ORDER BY ts LIMIT %s
    FOR UPDATE SKIP LOCKED)
"""


class Sweeper(threading.Thread):
    """Runs until :meth:`close`; a failure is logged and tried again at the next turn."""

    def __init__(self, settings: Settings, control: Control, metrics: CellMetrics) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._settings = settings
        self._cassandra = settings.cassandra
        self._metrics = metrics
        self._merger = CellMerger(control, settings.cassandra.horizon_hours)
        self._tables = control.statement(_TABLES)
        self._prune = (control.statement(_PRUNE_GRAVES), control.statement(_PRUNE_TOMBSTONES))
        self._connection: Connection | None = None
        self._rows = settings.cassandra.sweep_rows
        self._plans: dict[int, tuple[list[str], list[str], CellPlan]] = {}
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
        return sum(self._sweep_table(connection, *found) for found in connection.execute(self._tables).fetchall())

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

    def _sweep_table(self, connection: Connection, table_id: int, schema: str, name: str, key: list[str],
                     columns: list[str]) -> int:  # fmt: skip
        route = Route("", schema, name)
        plan = self._plan(connection, route, table_id, key, columns)
        if plan is None:
            return 0
        cutoff = time.time_ns() // 1000 - int(self._cassandra.horizon_hours * 3_600_000_000)
        swept = self._steps(connection, plan, lambda rows: self._merger.sweep(connection, plan, rows))
        pruned = sum(
            self._steps(connection, plan, lambda rows, s=statement: connection.execute(s, [table_id, cutoff, rows]).rowcount)  # type: ignore[misc]
            for statement in self._prune
        )
        self._metrics.swept.labels(route.label).inc(swept)
        self._metrics.pruned.labels(route.label).inc(pruned)
        return swept + pruned

    def _steps(self, connection: Connection, plan: CellPlan, step: Callable[[int], int]) -> int:
        """Small transactions until there is nothing left to do; none while a deletion of a partition has the table."""
        done = 0
        while not self._ending.is_set():
            began, rows = time.monotonic(), self._rows
            with connection.transaction():
                entered = connection.execute(_ENTER, [LOCK_CLASS, plan.table_id]).fetchone()
                found = step(rows) if entered is not None and entered[0] else 0
            done += found
            took = time.monotonic() - began
            grown = min(self._cassandra.sweep_rows, rows * 2)
            self._rows = max(LEAST_ROWS, rows // 2) if took > LONGEST_SECONDS else grown
            if found < rows:
                return done
        return done

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
        connection.execute(plan.statements.create_staging)
        self._plans[table_id] = (key, columns, plan)
        return plan
