"""The target tables of Cassandra's: made with their merge state, given new columns, and the numbers of their columns."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from psycopg import sql

from sink_worker import faults
from sink_worker._native import CellColumn, CellWrites
from sink_worker.cassandra.settings import CassandraSettings
from sink_worker.cassandra.statements import BASE, EXPIRES, STATE_COLUMNS, CellStatements, render_cell_statements
from sink_worker.control import Connection, Control, create_schema
from sink_worker.errors import TableError
from sink_worker.evolution.model import TableState
from sink_worker.routing import Route, fit_identifier
from sink_worker.settings import PostgresSettings, TableSettings
from sink_worker.tables import look_up

_log = structlog.get_logger("sink_worker.cassandra.tables")
MOST_PLANS: Final = 64
OLDEST: Final = -(2**63) + 1
"""The base of rows that were there before the worker was: every write wins over them."""
_KNOWN = "SELECT id, columns FROM {schema}.cell_tables WHERE table_schema = %s AND table_name = %s"
_REGISTER = """
INSERT INTO {schema}.cell_tables AS t (table_schema, table_name, key, columns) VALUES (%s, %s, %s, %s)
ON CONFLICT (table_schema, table_name) DO UPDATE SET columns = t.columns || ARRAY(
    SELECT n.name FROM unnest(excluded.columns) WITH ORDINALITY AS n (name, place)
    WHERE n.name <> ALL (t.columns) ORDER BY n.place)
RETURNING id, columns
"""


@dataclass(frozen=True, slots=True)
class CellPlan:
    """How writes with one fingerprint are merged. ``numbers``: of the columns of the writes that have cells."""

    table_id: int
    route: Route
    keys: int
    width: int
    numbers: list[int]
    statements: CellStatements


class CellTables:
    """Plans for one connection. ``forget`` after anything unexpected."""

    def __init__(
        self, tables: TableSettings, postgres: PostgresSettings, cassandra: CassandraSettings, control: Control
    ) -> None:
        self._settings = tables
        self._cassandra = cassandra
        self._lock_ms = int(postgres.ddl_lock_timeout_seconds * 1000)
        self._known, self._register = control.statement(_KNOWN), control.statement(_REGISTER)
        self._plans: OrderedDict[tuple[str, str], CellPlan] = OrderedDict()
        self._numbers = 0

    def forget(self, topic: str | None = None) -> None:
        """Look again at one topic's table, or at all."""
        for key in [key for key in self._plans if topic is None or key[0] == topic]:
            del self._plans[key]

    def plan(self, connection: Connection, route: Route, writes: CellWrites) -> CellPlan:
        """The plan of some writes; creates and alters what may be. :class:`TableError` when the topic has to halt."""
        known = (route.topic, writes.fingerprint)
        if (plan := self._plans.get(known)) is not None:
            self._plans.move_to_end(known)
            return plan
        columns = writes.columns
        names = _names(route, columns)
        table_id, numbered = self._present(connection, route, columns, names)
        table = look_up(connection, route)
        if table is None:
            raise TableError(route.topic, "no_table", f"table {route.label} was dropped while it was being made")
        self._fitting(route, table, columns, names)
        plan = self._planned(route, table, columns, names, table_id, numbered)
        connection.execute(plan.statements.create_staging)
        self._plans[known] = plan
        if len(self._plans) > MOST_PLANS:
            connection.execute(self._plans.popitem(last=False)[1].statements.drop_staging)
        return plan

    def _planned(self, route: Route, table: TableState, columns: Sequence[CellColumn], names: Sequence[str], table_id: int,
                 numbered: Sequence[str]) -> CellPlan:  # fmt: skip
        key = [name for name, column in zip(names, columns, strict=True) if column.key]
        numbers = [list(numbered).index(name) for name, column in zip(names, columns, strict=True) if not column.key]
        self._numbers += 1
        return make_plan(route, table, table_id, (key, numbered), numbers, self._numbers)

    def _present(self, connection: Connection, route: Route, columns: Sequence[CellColumn],
                 names: Sequence[str]) -> tuple[int, list[str]]:  # fmt: skip
        """The table's id and its columns in the order of their numbers, made as far as they may be."""
        table = look_up(connection, route)
        found = connection.execute(self._known, [route.schema, route.table]).fetchone()
        cells = [name for name, column in zip(names, columns, strict=True) if not column.key]
        whole = table is not None and {*names, *STATE_COLUMNS} <= set(table.columns)
        if whole and found is not None and set(cells) <= set(found[1]):
            return found[0], found[1]
        if table is None and not self._settings.create:
            raise TableError(route.topic, "no_table", f"table {route.label} does not exist, and tables.create is off")
        if table is None and found is not None and self._settings.on_dropped == "halt":
            raise TableError(route.topic, "dropped", f"table {route.label} was dropped; a new one would miss the rows that it "
                             "had: restore it, or set tables.on_dropped to recreate")  # fmt: skip
        if table is not None and self._settings.evolve == "none" and not whole:
            raise _mismatch(route, "it lacks columns, and tables.evolve is none")
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{self._lock_ms}ms"])
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [route.schema])
            key = [name for name, column in zip(names, columns, strict=True) if column.key]
            row = connection.execute(self._register, [route.schema, route.table, key, cells]).fetchone()
            assert row is not None, "an INSERT … RETURNING without a row"
            if table is None:
                self._create(connection, route, columns, names)
            else:
                self._alter(connection, route, table, columns, names)
            faults.reach(faults.DDL)
        _log.info("table_created" if table is None else "columns_added", table=route.label, columns=list(names))
        return row[0], row[1]

    def _create(self, connection: Connection, route: Route, columns: Sequence[CellColumn], names: Sequence[str]) -> None:
        create_schema(connection, route.schema)
        where = sql.Identifier(route.schema, route.table)
        lines: list[sql.Composable] = [
            sql.SQL("{} {}{}").format(sql.Identifier(name), sql.SQL(column.pg_type), sql.SQL(" NOT NULL" if column.key else ""))
            for name, column in zip(names, columns, strict=True)
        ]
        lines += _state_columns()
        key = [sql.Identifier(name) for name, column in zip(names, columns, strict=True) if column.key]
        lines.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(key)))
        connection.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}) WITH (fillfactor = {})").format(
            where, sql.SQL(", ").join(lines), sql.Literal(self._settings.fillfactor)))  # fmt: skip
        self._index(connection, route, [name for name, column in zip(names, columns, strict=True) if column.map])

    def _alter(self, connection: Connection, route: Route, table: TableState, columns: Sequence[CellColumn],
               names: Sequence[str]) -> None:  # fmt: skip
        missing = [(name, column) for name, column in zip(names, columns, strict=True) if name not in table.columns]
        if any(column.key for _, column in missing):
            raise _mismatch(route, f"it has no column {', '.join(name for name, column in missing if column.key)}")
        added: list[sql.Composable] = [
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(column.pg_type)) for name, column in missing
        ]
        lacks_state = BASE not in table.columns
        added += _state_columns() if lacks_state else []
        if added:
            connection.execute(sql.SQL("ALTER TABLE {} {}").format(
                sql.Identifier(route.schema, route.table),
                sql.SQL(", ").join(sql.SQL("ADD COLUMN IF NOT EXISTS {}").format(column) for column in added)))  # fmt: skip
        if lacks_state:
            self._index(connection, route, [])

    def _index(self, connection: Connection, route: Route, maps: Sequence[str]) -> None:
        where, expires = sql.Identifier(route.schema, route.table), sql.Identifier(EXPIRES)
        name = sql.Identifier(fit_identifier(f"{route.table}{EXPIRES}"))
        connection.execute(sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({}) WHERE {} IS NOT NULL").format(
            name, where, expires, expires))  # fmt: skip
        for column in maps if self._cassandra.gin_indexes else []:
            name = sql.Identifier(fit_identifier(f"{route.table}_{column}_gin"))
            connection.execute(
                sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING gin ({})").format(name, where, sql.Identifier(column))
            )

    def _fitting(self, route: Route, table: TableState, columns: Sequence[CellColumn], names: Sequence[str]) -> None:
        """Whether the table takes exactly what is merged: values are read back and compared, so nothing may be cast."""
        key = frozenset(name for name, column in zip(names, columns, strict=True) if column.key)
        if key not in table.keys:
            raise _mismatch(route, f"it has no unique index on exactly ({', '.join(sorted(key))}), the key of the events")
        for name, column in zip(names, columns, strict=True):
            found = table.columns[name]
            if _bare(found.pg_type) != _bare(column.pg_type):
                raise _mismatch(route, f"its column {name} is {found.pg_type}, and the events' is {column.pg_type}")
        required = [column.name for column in table.columns.values() if column.required and column.name not in {*names, BASE}]
        if required:
            raise _mismatch(route, f"its column {', '.join(required)} is NOT NULL without default; a cell can always be null")


def make_plan(route: Route, table: TableState, table_id: int, columns: tuple[Sequence[str], Sequence[str]],
              numbers: list[int], number: int) -> CellPlan:  # fmt: skip
    """``columns``: of the key, and those that have cells in the order of their numbers; ``number`` names the staging table."""
    key = [(name, table.columns[name].pg_type) for name in columns[0]]
    cells = [(name, table.columns[name].pg_type if name in table.columns else None) for name in columns[1]]
    return CellPlan(table_id, route, len(key), len(cells), numbers, render_cell_statements(route, key, cells, number))


def _state_columns() -> list[sql.Composable]:
    found: list[sql.Composable] = []
    for name, kind in STATE_COLUMNS.items():
        end = sql.SQL(" NOT NULL DEFAULT {}").format(sql.Literal(OLDEST)) if name == BASE else sql.SQL("")
        found.append(sql.SQL("{} {}{}").format(sql.Identifier(name), sql.SQL(kind), end))
    return found


_ALIASES: Final = {"timestamp with time zone": "timestamptz", "time without time zone": "time", "character varying": "text"}


def _bare(pg_type: str) -> str:
    """One spelling of a type, or of an array's element with its brackets."""
    element = pg_type.removesuffix("[]")
    return _ALIASES.get(element, element) + pg_type[len(element) :]


def _names(route: Route, columns: Sequence[CellColumn]) -> list[str]:
    names = [fit_identifier(column.name) for column in columns]
    if len(set(names)) != len(names):
        raise _mismatch(route, "two of its columns have one name within 63 bytes")
    if taken := sorted(set(names) & set(STATE_COLUMNS)):
        raise _mismatch(route, f"{', '.join(taken)} holds the merge state, and is a column of the source too")
    return names


def _mismatch(route: Route, what: str) -> TableError:
    return TableError(route.topic, "mismatch", f"table {route.label} does not fit the events of {route.topic}: {what}")
