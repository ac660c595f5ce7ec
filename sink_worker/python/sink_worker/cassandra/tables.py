"""The target tables of Cassandra's: made with their merge state, changed as events change, and the numbers of their columns."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog
from psycopg import sql

from sink_worker import faults
from sink_worker._native import CellColumn, CellWrites
from sink_worker.cassandra.numbering import Numbering
from sink_worker.cassandra.settings import CassandraSettings
from sink_worker.cassandra.statements import BASE, EXPIRES, STATE_COLUMNS, CellStatements, render_cell_statements
from sink_worker.control import Connection, Control, create_schema
from sink_worker.errors import TableError
from sink_worker.evolution.fitting import FITS, Evolution, Verdict
from sink_worker.evolution.model import TableState, Wanted
from sink_worker.evolution.types import is_same
from sink_worker.routing import Route, fit_identifier
from sink_worker.settings import PostgresSettings, TableSettings
from sink_worker.tables import look_up

_log = structlog.get_logger("sink_worker.cassandra.tables")
MOST_PLANS: Final = 64
OLDEST: Final = -(2**63) + 1
"""The base of rows that were there before the worker was: every write wins over them."""
Pair = tuple["CellPlan", CellWrites]


@dataclass(frozen=True, slots=True)
class CellPlan:
    """How writes with one fingerprint are merged. ``numbers``: of the columns of the writes that have cells; ``types``: the
    PostgreSQL types (oids) of the table's key and of all its numbered columns. ``omitted`` columns of the events stay out."""

    table_id: int
    route: Route
    keys: int
    width: int
    numbers: list[int]
    statements: CellStatements
    types: tuple[int, ...] = ()
    omitted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Held:
    """What was decided for a fingerprint, and when. No plan: its events are refused."""

    plan: CellPlan | None
    verdict: Verdict
    since: float


class CellTables:
    """Plans for one connection, remembered for a time. ``forget`` after anything unexpected."""

    def __init__(self, tables: TableSettings, postgres: PostgresSettings, cassandra: CassandraSettings, control: Control,
                 evolution: Evolution) -> None:  # fmt: skip
        self._settings = tables
        self._lock_ms = int(postgres.ddl_lock_timeout_seconds * 1000)
        self._numbering = Numbering(control, self._lock_ms, gin=cassandra.gin_indexes)
        self._evolution = evolution
        self._held: OrderedDict[tuple[str, str, bool], _Held] = OrderedDict()
        self._numbers = 0
        self._now = time.monotonic()

    def begin(self) -> None:
        """A unit of work begins: no plan that it uses grows too old in its midst."""
        self._now = time.monotonic()

    def forget(self, topic: str | None = None) -> None:
        """Look again at one topic's table, or at all."""
        for key in [key for key in self._held if topic is None or key[0] == topic]:
            del self._held[key]

    def pair(self, connection: Connection, route: Route, writes: CellWrites, *, whole: bool = True) -> Pair | None:
        """The plan of some writes, and what of them it takes; None where the events of such columns are refused
        (:meth:`verdict` says why). Not ``whole``: rows that were read again, which have some of the columns only, and say
        nothing of the others; None where the table is not as they are.

        Creates and alters what may be. :class:`TableError` when the topic has to halt.
        """
        plan = self._remembered(connection, route, writes, whole=whole).plan
        if plan is None:
            return None
        return plan, (writes.without(plan.omitted) if plan.omitted else writes)

    def taken(self, connection: Connection, route: Route, writes: CellWrites) -> Pair:
        """The same; :class:`TableError` also where the events of such columns are refused."""
        pair = self.pair(connection, route, writes)
        if pair is None:
            raise self.verdict(route, writes).refusal or _mismatch(route, "it does not take their columns")
        return pair

    def plan(self, connection: Connection, route: Route, writes: CellWrites) -> CellPlan:
        """The plan alone."""
        return self.taken(connection, route, writes)[0]

    def verdict(self, route: Route, writes: CellWrites) -> Verdict:
        """What was decided about writes that were just planned."""
        held = self._held.get((route.topic, writes.fingerprint, True))
        return FITS if held is None else held.verdict

    def _remembered(self, connection: Connection, route: Route, writes: CellWrites, *, whole: bool) -> _Held:
        known = (route.topic, writes.fingerprint, whole)
        if (held := self._held.get(known)) is not None:
            if self._now - held.since < self._evolution.cache_seconds:
                self._held.move_to_end(known)
                return held
            _drop_staging(connection, self._held.pop(known))
        held = self._held[known] = self._made(connection, route, writes, whole=whole)
        if len(self._held) > MOST_PLANS:
            _drop_staging(connection, self._held.popitem(last=False)[1])
        return held

    def _made(self, connection: Connection, route: Route, writes: CellWrites, *, whole: bool) -> _Held:
        wanted = _wanted(route, writes.columns)
        verdict = FITS
        if whole:
            self._present(connection, route, wanted)
            moment = None if writes.latest is None else min(writes.latest // 1000, time.time_ns() // 1_000_000)
            verdict = self._evolution.fit(connection, route, wanted, moment)
            if verdict.stop and verdict.refusal is not None:
                raise verdict.refusal
            if verdict.refusal is not None:
                return _Held(None, verdict, self._now)
        table = look_up(connection, route)
        if table is None:
            raise TableError(route.topic, "no_table", f"table {route.label} was dropped while it was being looked at")
        kept = [(column, source) for column, source in zip(wanted, writes.columns, strict=True)
                if column.name not in verdict.omitted]  # fmt: skip
        types = {name: present.pg_type for name, present in table.columns.items()}
        other = [column.name for column, _ in kept
                 if column.name not in types or not is_same(types[column.name], column.pg_type)]  # fmt: skip
        if other and not whole:
            return _Held(None, verdict, self._now)
        if other:
            # Another worker changed the table after these events were decoded, or this one just did: they are read again.
            what = f"column {', '.join(other)} of table {route.label} is of another type than when its events were read"
            raise TableError(route.topic, "changed", what)
        omitted = [source.name for column, source in zip(wanted, writes.columns, strict=True) if column.name in verdict.omitted]
        return _Held(self._planned(connection, route, table, kept, omitted), verdict, self._now)

    def _planned(self, connection: Connection, route: Route, table: TableState, columns: Sequence[tuple[Wanted, CellColumn]],
                 omitted: Sequence[str]) -> CellPlan:  # fmt: skip
        key = [column.name for column, _ in columns if column.key]
        cells = [column.name for column, _ in columns if not column.key]
        maps = [column.name for column, source in columns if source.map]
        table_id, numbered = self._numbering.of(connection, route, key, cells, maps)
        self._numbers += 1
        numbers = [numbered.index(name) for name in cells]
        plan = make_plan(route, table, table_id, (key, numbered), numbers, self._numbers)
        return staged(connection, replace(plan, omitted=tuple(omitted)))

    def _present(self, connection: Connection, route: Route, wanted: Sequence[Wanted]) -> None:
        """The table with its state's columns, made as far as they may be."""
        table = look_up(connection, route)
        if table is not None and set(STATE_COLUMNS) <= set(table.columns):
            return
        if table is None and not self._settings.create:
            raise TableError(route.topic, "no_table", f"table {route.label} does not exist, and tables.create is off")
        if table is None and self._settings.on_dropped == "halt" and self._numbering.knows(connection, route):
            raise TableError(route.topic, "dropped", f"table {route.label} was dropped; a new one would miss the rows that it "
                             "had: restore it, or set tables.on_dropped to recreate")  # fmt: skip
        if table is not None and self._settings.evolve == "none":
            raise _mismatch(route, "it lacks the columns of the merge state, and tables.evolve is none")
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{self._lock_ms}ms"])
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [route.schema])
            if look_up(connection, route) is None:
                create_schema(connection, route.schema)
                connection.execute(self._create(route, wanted))
            else:
                connection.execute(_add_state(route))
            index = sql.Identifier(fit_identifier(f"{route.table}{EXPIRES}"))
            connection.execute(sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({expires}) WHERE {expires} IS NOT NULL").format(
                index, sql.Identifier(route.schema, route.table), expires=sql.Identifier(EXPIRES)))  # fmt: skip
            faults.reach(faults.DDL)
        _log.info("table_created" if table is None else "state_added", table=route.label)

    def _create(self, route: Route, wanted: Sequence[Wanted]) -> sql.Composed:
        lines: list[sql.Composable] = [
            sql.SQL("{} {}{}").format(sql.Identifier(column.name), sql.SQL(column.pg_type),
                                      sql.SQL(" NOT NULL" if column.key else ""))
            for column in wanted
        ]  # fmt: skip
        lines += _state_columns()
        key = [sql.Identifier(column.name) for column in wanted if column.key]
        lines.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(key)))
        where, fillfactor = sql.Identifier(route.schema, route.table), sql.Literal(self._settings.fillfactor)
        return sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}) WITH (fillfactor = {})").format(
            where, sql.SQL(", ").join(lines), fillfactor)  # fmt: skip


def make_plan(route: Route, table: TableState, table_id: int, columns: tuple[Sequence[str], Sequence[str]],
              numbers: list[int], number: int) -> CellPlan:  # fmt: skip
    """``columns``: of the key, and those that have cells in the order of their numbers; ``number`` names the staging table."""
    key = [(name, table.columns[name].pg_type) for name in columns[0]]
    there = {name: column.pg_type for name, column in table.columns.items() if name not in columns[0]}
    cells = [(name, there.get(name)) for name in columns[1]]
    return CellPlan(table_id, route, len(key), len(cells), numbers, render_cell_statements(route, key, cells, number))


def staged(connection: Connection, plan: CellPlan) -> CellPlan:
    """The plan with its staging table made."""
    connection.execute(plan.statements.create_staging)
    row = connection.execute(plan.statements.types).fetchone()
    return replace(plan, types=() if row is None else tuple(row[0]))


def _drop_staging(connection: Connection, held: _Held) -> None:
    if held.plan is not None:
        connection.execute(held.plan.statements.drop_staging)


def _add_state(route: Route) -> sql.Composed:
    added = (sql.SQL("ADD COLUMN IF NOT EXISTS {}").format(column) for column in _state_columns())
    return sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(route.schema, route.table), sql.SQL(", ").join(added))


def _state_columns() -> list[sql.Composable]:
    found: list[sql.Composable] = []
    for name, kind in STATE_COLUMNS.items():
        end = sql.SQL(" NOT NULL DEFAULT {}").format(sql.Literal(OLDEST)) if name == BASE else sql.SQL("")
        found.append(sql.SQL("{} {}{}").format(sql.Identifier(name), sql.SQL(kind), end))
    return found


def _wanted(route: Route, columns: Sequence[CellColumn]) -> list[Wanted]:
    names = [fit_identifier(column.name) for column in columns]
    if len(set(names)) != len(names):
        raise _mismatch(route, "two of its columns have one name within 63 bytes")
    if taken := sorted(set(names) & set(STATE_COLUMNS)):
        raise _mismatch(route, f"{', '.join(taken)} holds the merge state, and is a column of the source too")
    return [Wanted(name, column.pg_type, column.key) for name, column in zip(names, columns, strict=True)]


def _mismatch(route: Route, what: str) -> TableError:
    return TableError(route.topic, "mismatch", f"table {route.label} does not fit the events of {route.topic}: {what}")
