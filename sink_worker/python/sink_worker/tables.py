"""The target tables: looked up, created with their keys, given new columns; and the statements that write them."""

import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from psycopg import sql

from sink_worker import faults
from sink_worker._native import Column, ColumnHint, Segment, TableHint
from sink_worker.coercion import find_cast
from sink_worker.control import Connection, Control, create_schema
from sink_worker.errors import TableError
from sink_worker.evolution.catalog import table_state
from sink_worker.evolution.fitting import FITS, Evolution, Verdict
from sink_worker.evolution.model import TableState, Wanted
from sink_worker.redis_hints import RedisHints
from sink_worker.routing import Route, fit_identifier
from sink_worker.settings import PostgresSettings, TableSettings
from sink_worker.statements import Statements, render_statements

_log = structlog.get_logger("sink_worker.tables")
_REGISTER = """
INSERT INTO {schema}.tables (pipeline, table_schema, table_name, topic) VALUES (%s, %s, %s, %s)
ON CONFLICT (pipeline, table_schema, table_name) DO NOTHING
"""
_REGISTERED = "SELECT topic FROM {schema}.tables WHERE pipeline = %s AND table_schema = %s AND table_name = %s"
MOST_PLANS: Final = 64
Table = TableState
"""A table as the catalog has it."""


def look_up(connection: Connection, route: Route) -> TableState | None:
    """The table of a route, or None."""
    return table_state(connection, route.schema, route.table)


def hint_of(table: TableState | None, route: Route, without: Collection[str] = ()) -> TableHint:
    """What the decoder is told of the target, but for the columns ``without``."""
    columns = [] if table is None else [
        ColumnHint(column.name, column.pg_type, nullable=column.nullable)
        for column in table.columns.values() if not column.generated and column.name not in without
    ]  # fmt: skip
    return TableHint(columns, key=route.key, append=route.append)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of segments with one fingerprint are written. ``refusal``: they are all refused, for this reason.

    Neither statements nor refusal: there is no table, and only deletes for it. ``verdict`` is the evolution's.
    """

    statements: Statements | None
    refusal: TableError | None = None
    verdict: Verdict = FITS


NOTHING_TO_DO: Final = Plan(None)


class Tables:
    """Plans for one connection, remembered by route and fingerprint for a time. ``forget`` after anything unexpected."""

    def __init__(self, settings: TableSettings, postgres: PostgresSettings, control: Control, pipeline: str,
                 shared_tables: bool, redis: RedisHints, evolution: Evolution) -> None:  # fmt: skip
        self._settings = settings
        self._lock_ms = int(postgres.ddl_lock_timeout_seconds * 1000)
        self._pipeline = pipeline
        self._shared = shared_tables
        self._redis = redis
        self._evolution = evolution
        self._register, self._registered = control.statement(_REGISTER), control.statement(_REGISTERED)
        self._plans: OrderedDict[tuple[Any, ...], tuple[Plan, float]] = OrderedDict()
        self._numbers = 0
        self._now = 0.0

    def begin(self) -> None:
        """A unit of work begins: no plan that it uses grows too old in its midst."""
        self._now = time.monotonic()

    def confirm(self, connection: Connection, plans: Sequence[Sequence[Plan]]) -> None:
        """Hold what the plans were decided on until the transaction ends. :class:`ReviewChangedError`: plan anew."""
        self._evolution.hold(connection, [plan.verdict for of_part in plans for plan in of_part])

    def skipped(self, route: Route, rows: int, why: TableError) -> None:
        """Rows are dropped, as the settings have it."""
        self._evolution.skipped(route, rows, why)

    def forget(self, topic: str | None = None) -> None:
        """Look again at the next use: at one topic's table, or at all (a new connection has no staging tables)."""
        for key in [key for key in self._plans if topic is None or key[0] == topic]:
            del self._plans[key]

    def plan(self, connection: Connection, route: Route, segment: Segment) -> Plan:
        """The plan of a segment; creates and alters what may be. :class:`TableError` when the topic has to halt."""
        # The fingerprint leaves the source's declared lengths out.
        known = (route.topic, segment.fingerprint, *segment.key, *(column.source_length for column in segment.columns))
        if (held := self._plans.get(known)) is not None:
            if self._now - held[1] < self._evolution.cache_seconds:
                self._plans.move_to_end(known)
                return held[0]
            _drop_staging(connection, self._plans.pop(known)[0])
        try:
            plan = self._make(connection, route, segment)
        except TableError as error:
            if error.reason != "mismatch" or self._settings.on_mismatch != "reject":
                raise
            plan = Plan(None, error)
        if plan.verdict.stop and plan.refusal is not None:
            raise plan.refusal
        if plan == NOTHING_TO_DO:
            return plan
        self._plans[known] = plan, self._now
        if len(self._plans) > MOST_PLANS:
            _drop_staging(connection, self._plans.popitem(last=False)[1][0])
        return plan

    def _make(self, connection: Connection, route: Route, segment: Segment) -> Plan:
        names = _column_names(route, segment.columns)
        verdict, missing = FITS, look_up(connection, route) is None
        self._check_registered(connection, route, missing=missing)
        if segment.upserts:
            wanted = _wanted(segment, names)
            if missing:
                self._create(connection, route, segment, wanted)
            verdict = self._evolution.fit(connection, route, wanted, _newest(segment))
            if verdict.refusal is not None:
                return Plan(None, verdict.refusal, verdict)
        elif missing:
            # Deletes tell the key only: no reason to make or change a table, and nothing to do where there never was one.
            return NOTHING_TO_DO
        casts = self._casts(connection, route, segment, names, verdict)
        self._numbers += 1
        statements = render_statements(route, segment, names, casts, self._numbers)
        connection.execute(statements.create_staging)
        described = [
            {"name": name, "type": column.pg_type, "key": column.key}
            for name, column in zip(names, segment.columns, strict=True)
        ]
        self._redis.schema(route.schema, route.table, segment.fingerprint, described)
        return Plan(statements, verdict=verdict)

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

    def _create(self, connection: Connection, route: Route, segment: Segment, wanted: Sequence[Wanted]) -> None:
        """Create the table: one worker at a time, and never waiting long for a lock."""
        if not self._settings.create:
            raise TableError(route.topic, "no_table", f"table {route.label} does not exist, and tables.create is off")
        with self._redis.lock(route.label), connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{self._lock_ms}ms"])
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [route.schema])
            if look_up(connection, route) is not None:
                return  # another worker's, who had the lock before
            create_schema(connection, route.schema)
            columns = dict(zip((column.name for column in wanted), segment.columns, strict=True))
            connection.execute(self._create_table(sql.Identifier(route.schema, route.table), segment, columns))
            connection.execute(self._register, [self._pipeline, route.schema, route.table, route.topic])
            self._evolution.created(connection, route, wanted, _newest(segment))
            faults.reach(faults.DDL)
        _log.info("table_created", table=route.label, columns=[column.name for column in wanted])

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

    def _casts(self, connection: Connection, route: Route, segment: Segment, names: Sequence[str],
               verdict: Verdict) -> list[str | None]:  # fmt: skip
        """The expressions; None for what is not written. What upserts bring was judged, deletes bring keys only."""
        table = look_up(connection, route)
        if table is None:
            raise TableError(route.topic, "no_table", f"table {route.label} was dropped while it was being looked at")
        casts: list[str | None] = []
        for name, column in zip(names, segment.columns, strict=True):
            if name in verdict.omitted or not (segment.upserts or column.key):
                casts.append(None)
                continue
            target = table.columns.get(name)
            if target is None or target.generated:
                raise _mismatch(route, f"its column {name} {'is missing' if target is None else 'is generated'}")
            cast = find_cast(column.pg_type, target.pg_type)
            if cast is None or not (segment.upserts or cast.exact or self._settings.on_mismatch == "coerce"):
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


def _wanted(segment: Segment, names: Sequence[str]) -> list[Wanted]:
    return [Wanted(name, declared_type(column), column.key) for name, column in zip(names, segment.columns, strict=True)]


def declared_type(column: Column) -> str:
    """A column's type, with the length that the source declares for a text where the connector tells it."""
    if column.pg_type == "text" and column.source_length and (column.source_type or "").upper() in {"VARCHAR", "CHAR"}:
        return f"character varying({column.source_length})"
    return column.pg_type


def _newest(segment: Segment) -> int | None:
    return segment.source_ts_ms[1] if segment.source_ts_ms else None


def _drop_staging(connection: Connection, plan: Plan) -> None:
    if plan.statements is not None:
        connection.execute(plan.statements.drop_staging)


def _mismatch(route: Route, what: str) -> TableError:
    return TableError(route.topic, "mismatch", f"table {route.label} does not fit the events of {route.topic}: {what}")


def _type(column: Column) -> sql.SQL:
    return sql.SQL(column.pg_type)  # the decoder's own spelling of a type, from a closed list
