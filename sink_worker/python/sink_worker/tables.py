"""The target tables: looked up, created with their keys, given new columns; and the statements that write them."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from psycopg import sql

from sink_worker import faults
from sink_worker._native import Column, ColumnHint, Segment, TableHint
from sink_worker.coercion import find_cast
from sink_worker.control import Connection, Control, create_schema
from sink_worker.errors import TableError
from sink_worker.redis_hints import RedisHints
from sink_worker.routing import Route, fit_identifier
from sink_worker.settings import PostgresSettings, TableSettings
from sink_worker.statements import Statements, render_statements

_log = structlog.get_logger("sink_worker.tables")
_LOOK = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef OR a.attidentity <> '',
       a.attgenerated <> ''
FROM pg_attribute AS a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_FIND = """
SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'f', 'v')
"""
_KEYS = """
SELECT array_agg(a.attname::text) FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid
"""
_REGISTER = """
INSERT INTO {schema}.tables (pipeline, table_schema, table_name, topic) VALUES (%s, %s, %s, %s)
ON CONFLICT (pipeline, table_schema, table_name) DO NOTHING
"""
_REGISTERED = "SELECT topic FROM {schema}.tables WHERE pipeline = %s AND table_schema = %s AND table_name = %s"
MOST_PLANS: Final = 64


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column as the catalog has it."""

    name: str
    pg_type: str
    required: bool  # NOT NULL, without default and not generated: an INSERT must bring it
    generated: bool
    nullable: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalog has it."""

    columns: dict[str, TableColumn]
    keys: list[frozenset[str]] = field(default_factory=list)


def look_up(connection: Connection, route: Route) -> Table | None:
    """The table of a route, or None."""
    row = connection.execute(_FIND, [route.schema, route.table]).fetchone()
    if row is None:
        return None
    found = connection.execute(_LOOK, [row[0]]).fetchall()
    columns = {
        name: TableColumn(name, kind, bool(not_null and not default and not generated), generated, not not_null)
        for name, kind, not_null, default, generated in found
    }
    return Table(columns, [frozenset(names) for (names,) in connection.execute(_KEYS, [row[0]]).fetchall()])


def hint_of(table: Table | None, route: Route) -> TableHint:
    """What the decoder is told of the target."""
    columns = [] if table is None else [
        ColumnHint(column.name, column.pg_type, nullable=column.nullable)
        for column in table.columns.values() if not column.generated
    ]  # fmt: skip
    return TableHint(columns, key=route.key, append=route.append)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of segments with one fingerprint are written. ``refusal``: they are all refused, for this reason.

    Neither statements nor refusal: there is no table, and only deletes for it.
    """

    statements: Statements | None
    refusal: TableError | None = None


NOTHING_TO_DO: Final = Plan(None)


class Tables:
    """Plans for one connection, remembered by route and fingerprint. ``forget`` after anything unexpected."""

    def __init__(self, settings: TableSettings, postgres: PostgresSettings, control: Control, pipeline: str,
                 shared_tables: bool, redis: RedisHints) -> None:  # fmt: skip
        self._settings = settings
        self._lock_ms = int(postgres.ddl_lock_timeout_seconds * 1000)
        self._pipeline = pipeline
        self._shared = shared_tables
        self._redis = redis
        self._register, self._registered = control.statement(_REGISTER), control.statement(_REGISTERED)
        self._plans: OrderedDict[tuple[str, str, tuple[str, ...]], Plan] = OrderedDict()
        self._numbers = 0

    def forget(self, topic: str | None = None) -> None:
        """Look again at the next use: at one topic's table, or at all (a new connection has no staging tables)."""
        for key in [key for key in self._plans if topic is None or key[0] == topic]:
            del self._plans[key]

    def plan(self, connection: Connection, route: Route, segment: Segment) -> Plan:
        """The plan of a segment; creates and alters what may be. :class:`TableError` when the topic has to halt."""
        known = (route.topic, segment.fingerprint, tuple(segment.key))
        if (plan := self._plans.get(known)) is not None:
            self._plans.move_to_end(known)
            return plan
        try:
            plan = self._make(connection, route, segment)
        except TableError as error:
            if error.reason != "mismatch" or self._settings.on_mismatch != "reject":
                raise
            plan = Plan(None, error)
        if plan == NOTHING_TO_DO:
            return plan
        self._plans[known] = plan
        if len(self._plans) > MOST_PLANS and (oldest := self._plans.popitem(last=False)[1]).statements:
            connection.execute(oldest.statements.drop_staging)
        return plan

    def _make(self, connection: Connection, route: Route, segment: Segment) -> Plan:
        names = _column_names(route, segment.columns)
        if segment.upserts:
            table = self._present(connection, route, segment, names)
        else:
            # Deletes tell the key only: no reason to make or change a table, and nothing to do where there never was one.
            found = look_up(connection, route)
            self._check_registered(connection, route, missing=found is None)
            if found is None:
                return NOTHING_TO_DO
            table = found
        casts = self._casts(route, table, segment, names)
        self._numbers += 1
        statements = render_statements(route, segment, names, casts, self._numbers)
        connection.execute(statements.create_staging)
        described = [
            {"name": name, "type": column.pg_type, "key": column.key}
            for name, column in zip(names, segment.columns, strict=True)
        ]
        self._redis.schema(route.schema, route.table, segment.fingerprint, described)
        return Plan(statements)

    def _present(self, connection: Connection, route: Route, segment: Segment, names: Sequence[str]) -> Table:
        table = look_up(connection, route)
        self._check_registered(connection, route, missing=table is None)
        if table is None and not self._settings.create:
            raise TableError(route.topic, "no_table", f"table {route.label} does not exist, and tables.create is off")
        missing = [(name, column) for name, column in zip(names, segment.columns, strict=True)
                   if table is None or name not in table.columns]  # fmt: skip
        if not missing:
            return self._keyed(route, table, segment, names)
        if table is not None and (self._settings.evolve == "none" or any(column.key for _, column in missing)):
            raise _mismatch(route, f"it has no column {', '.join(name for name, _ in missing)}")
        self._change(connection, route, segment, missing, create=table is None)
        return self._keyed(route, look_up(connection, route), segment, names)

    def _check_registered(self, connection: Connection, route: Route, *, missing: bool) -> None:
        """Refuse a second topic on one table, and a table that was dropped."""
        where = (self._pipeline, route.schema, route.table)
        row = connection.execute(self._registered, where).fetchone()
        if row is not None and row[0] != route.topic and not self._shared:
            raise TableError(route.topic, "shared_table", f"table {route.label} is already written by topic {row[0]}; give one "
                             "of them another table, or allow routing.shared_tables")  # fmt: skip
        if missing and row is not None and self._settings.on_dropped == "halt":
            raise TableError(route.topic, "dropped", f"table {route.label} was dropped; a new one would miss the rows that it "
                             "had: restore it, or set tables.on_dropped to recreate")  # fmt: skip
        if not missing and row is None:
            connection.execute(self._register, [*where, route.topic])

    def _change(self, connection: Connection, route: Route, segment: Segment, missing: Sequence[tuple[str, Column]], *,
                create: bool) -> None:  # fmt: skip
        """Create the table or add its new columns: one worker at a time, and never waiting long for a lock."""
        where = sql.Identifier(route.schema, route.table)
        with self._redis.lock(route.label), connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{self._lock_ms}ms"])
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [route.schema])
            if create:
                create_schema(connection, route.schema)
                connection.execute(self._create_table(where, segment, dict(missing)))
                connection.execute(self._register, [self._pipeline, route.schema, route.table, route.topic])
            else:
                added = [sql.SQL("ADD COLUMN IF NOT EXISTS {} {}").format(sql.Identifier(name), _type(column))
                         for name, column in missing]  # fmt: skip
                connection.execute(sql.SQL("ALTER TABLE {} {}").format(where, sql.SQL(", ").join(added)))
            faults.reach(faults.DDL)
        _log.info("table_created" if create else "columns_added", table=route.label, columns=[name for name, _ in missing])

    def _create_table(self, where: sql.Identifier, segment: Segment, columns: dict[str, Column]) -> sql.Composed:
        lines: list[sql.Composable] = [
            sql.SQL("{} {}{}").format(sql.Identifier(name), _type(column), sql.SQL(" NOT NULL" if column.key else ""))
            for name, column in columns.items()
        ]
        if segment.key:
            key = sql.SQL(", ").join(sql.Identifier(fit_identifier(name)) for name in segment.key)
            lines.append(sql.SQL("PRIMARY KEY ({})").format(key))
        return sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}) WITH (fillfactor = {})").format(
            where, sql.SQL(", ").join(lines), sql.Literal(self._settings.fillfactor))  # fmt: skip

    def _keyed(self, route: Route, table: Table | None, segment: Segment, names: Sequence[str]) -> Table:
        if table is None:
            raise TableError(route.topic, "no_table", f"table {route.label} was dropped while it was being made")
        key = frozenset(fit_identifier(name) for name in segment.key)
        if key and key not in table.keys:
            raise _mismatch(route, f"it has no unique index on exactly ({', '.join(sorted(key))}), the key of the events")
        if unfilled := [c.name for c in table.columns.values() if c.required and c.name not in names]:
            raise _mismatch(
                route, f"its column {', '.join(unfilled)} is NOT NULL without default, and the events do not have it"
            )
        return table

    def _casts(self, route: Route, table: Table, segment: Segment, names: Sequence[str]) -> list[str]:
        casts = []
        for name, column in zip(names, segment.columns, strict=True):
            target = table.columns.get(name)
            if target is None or target.generated:
                raise _mismatch(route, f"its column {name} {'is missing' if target is None else 'is generated'}")
            cast = find_cast(column.pg_type, target.pg_type)
            if cast is None or not (cast.exact or self._settings.on_mismatch == "coerce"):
                raise _mismatch(
                    route, f"its column {name} is {target.pg_type}, which does not take {column.pg_type} without loss"
                )
            casts.append(cast.expression)
        return casts


def _column_names(route: Route, columns: Sequence[Column]) -> list[str]:
    names = [fit_identifier(column.name) for column in columns]
    if len(set(names)) != len(names):
        raise _mismatch(route, "two of its columns have one name within 63 bytes")
    return names


def _mismatch(route: Route, what: str) -> TableError:
    return TableError(route.topic, "mismatch", f"table {route.label} does not fit the events of {route.topic}: {what}")


def _type(column: Column) -> sql.SQL:
    return sql.SQL(column.pg_type)  # the decoder's own spelling of a type, from a closed list
