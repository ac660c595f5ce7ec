"""One segment's columns against its table: additive changes are applied, breaking ones recorded and judged by the settings."""

import functools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final

import psycopg
import structlog

from sink_worker import faults
from sink_worker.cassandra.topics import is_taken
from sink_worker.control import Connection, Control
from sink_worker.errors import Kind as ErrorKind
from sink_worker.errors import ReviewChangedError, TableError, public_message
from sink_worker.errors import classify as judge
from sink_worker.evolution import ddl
from sink_worker.evolution.catalog import table_bytes, table_state
from sink_worker.evolution.classify import classify, is_written
from sink_worker.evolution.metrics import EvolutionMetrics
from sink_worker.evolution.model import Breaking, Difference, Kind, Rules, TableState, Wanted
from sink_worker.evolution.settings import Behaviour, EvolutionSettings
from sink_worker.evolution.store import WAITS, EvolutionStore, Seen, waiting_mark
from sink_worker.offsets import is_lock_timeout
from sink_worker.redis_hints import RedisHints
from sink_worker.routing import Route
from sink_worker.settings import Settings, TableSettings

_log = structlog.get_logger("sink_worker.evolution")
_STRICTNESS: Final[tuple[Behaviour, ...]] = ("audit", "log_and_skip", "queue", "stop")
REJECTED: Final = "schema_rejected"
"""The error class of events whose schema was reviewed and refused."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How rows of these columns are written. ``omitted`` columns stay out of the statements.

    ``refusal``: they are all refused for this; with ``skip`` they are dropped instead, with ``discard`` they stay refused, with
    ``stop`` their topic waits.
    ``review`` and ``status``: what this was decided on; it holds only while they are.
    """

    omitted: frozenset[str] = frozenset()
    refusal: TableError | None = None
    skip: bool = False
    discard: bool = False
    stop: bool = False
    review: int | None = None
    status: str = ""


FITS: Final = Verdict()
CELLS_LATE_MS: Final = 60_000
"""For how long the agent of one of Cassandra's nodes may write events without a column that those of the others have by now."""


def make_evolution(
    settings: Settings, control: Control, actor: str, metrics: EvolutionMetrics, redis: RedisHints
) -> "Evolution":
    """As the settings have it. ``actor`` is who is named in the audit."""
    store = EvolutionStore(control, settings.kafka.group_id, actor)
    seconds = settings.postgres.ddl_lock_timeout_seconds
    return Evolution(settings.evolution, settings.tables, seconds, store, metrics, redis.lock, cells_of(settings))


def cells_of(settings: Settings) -> Callable[[str], bool]:
    """Which topics' events have cells."""
    return functools.partial(is_taken, settings.cassandra.topics)


class Evolution:
    """Decides for one connection at a time. ``lock`` is a hint around changes; PostgreSQL's own lock decides."""

    def __init__(self, settings: EvolutionSettings, tables: TableSettings, lock_seconds: float, store: EvolutionStore,
                 metrics: EvolutionMetrics, lock: Callable[[str], AbstractContextManager[None]],
                 cells: Callable[[str], bool] = lambda _: False) -> None:  # fmt: skip
        """``cells`` tells the topics whose events have cells."""
        self._cells = cells
        self._settings, self._tables = settings, tables
        self._lock_ms = int(lock_seconds * 1000)
        self.store, self.metrics = store, metrics
        self.cache_seconds = settings.cache_seconds
        self._lock = lock

    def created(self, connection: Connection, route: Route, wanted: Sequence[Wanted], moment: int | None) -> None:
        """The table was made for these columns, in the caller's transaction."""
        own = {column.name for column in wanted}
        self.store.remember(connection, route, _seen_now(wanted, None, _moment(moment), (), own))

    def fit(self, connection: Connection, route: Route, wanted: Sequence[Wanted], moment: int | None) -> Verdict:
        """What of the table has to change for the columns ``wanted``, of events up to ``moment`` (ms), and how to go on.

        Applies what is additive. The table must exist.
        """
        at = _moment(moment)
        found = self._look(connection, route, wanted, at)
        if found.difference.additive:
            found = self._applied(connection, route, wanted, at)
        news = _seen_now(wanted, found.seen, at, {change.column for change in found.difference.breaking})
        if news:
            self.store.remember(connection, route, news)
        if not found.difference.breaking:
            self.store.resolve_fitting(connection, route, wanted)
            return FITS
        return self._breaking(connection, route, wanted, at, found)

    def skipped(self, route: Route, rows: int, why: TableError) -> None:
        """Rows are dropped, as the settings have it."""
        self.metrics.skipped.labels(route.label).inc(rows)
        _log.error("rows_skipped", table=route.label, topic=route.topic, rows=rows, why=str(why))

    def confirm(self, connection: Connection, decided: Mapping[int, str]) -> bool:
        """Whether the reviews still have the status that was decided on. Held until the transaction ends."""
        return not decided or self.store.states(connection, decided) == dict(decided)

    def hold(self, connection: Connection, verdicts: Iterable[Verdict]) -> None:
        """Hold what was decided until the transaction ends. :class:`ReviewChangedError` where it is another by now."""
        if not self.confirm(connection, {verdict.review: verdict.status for verdict in verdicts if verdict.review is not None}):
            raise ReviewChangedError("a schema review was decided meanwhile")

    def _look(self, connection: Connection, route: Route, wanted: Sequence[Wanted], at: int, *, refused: str = "") -> "_Found":
        state = table_state(connection, route.schema, route.table)
        if state is None:
            raise TableError(route.topic, "no_table", f"table {route.label} was dropped while it was being looked at")
        seen = self.store.seen(connection, route)
        most = self._of(route).rewrite_max_bytes
        rules = self._rules(route, refused)
        return look(state, seen, wanted, at, rules, lambda: table_bytes(connection, route.schema, route.table) <= most,
                    CELLS_LATE_MS if rules.cells else 0)  # fmt: skip

    def _of(self, route: Route) -> EvolutionSettings:
        return self._settings.of_table(route.label)

    def _rules(self, route: Route, refused: str) -> Rules:
        add = self._tables.evolve == "additive"
        widen = add and self._of(route).widen and not refused
        return Rules(add, widen, coerce=self._tables.on_mismatch == "coerce", cells=self._cells(route.topic))

    def _applied(self, connection: Connection, route: Route, wanted: Sequence[Wanted], at: int) -> "_Found":
        """Apply what is additive, once nobody else does; then look again. What a table refuses to widen has to be reviewed."""
        try:
            return self._apply(connection, route, wanted, at)
        except psycopg.Error as error:
            if is_lock_timeout(error) or judge(error).kind is not ErrorKind.TABLE:
                raise
            _log.warning("widening_refused", table=route.label, error=public_message(error))
            return self._apply(connection, route, wanted, at, refused=public_message(error))

    def _apply(self, connection: Connection, route: Route, wanted: Sequence[Wanted], at: int, *, refused: str = "") -> "_Found":
        with self._lock(route.label), connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{self._lock_ms}ms"])
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [route.schema])
            found = self._look(connection, route, wanted, at, refused=refused)  # another worker may have been here meanwhile
            statements = ddl.additive(route.schema, route.table, found.difference)
            for statement in statements:
                connection.execute(statement)
            if statements:
                breaking = {change.column for change in found.difference.breaking}
                own = {column.name for column in found.difference.adds}
                self.store.remember(connection, route, _seen_now(wanted, found.seen, at, breaking, own))
                self.store.audit(connection, route, "applied", {"ddl": ddl.statements_text(statements)})
            faults.reach(faults.DDL)
            found = self._look(connection, route, wanted, at, refused=refused)
        faults.reach(faults.SCHEMA_DDL)
        if statements:
            self.metrics.changes.labels(route.label, "applied").inc()
            _log.info("columns_added", table=route.label, ddl=ddl.statements_text(statements))
        if refused:
            changes = tuple(replace(change, detail=f"{change.detail} ({refused})") if change.kind is Kind.REFUSED else change
                            for change in found.difference.breaking)  # fmt: skip
            found = replace(found, difference=replace(found.difference, breaking=changes))
        return found

    def _breaking(self, connection: Connection, route: Route, wanted: Sequence[Wanted], at: int, found: "_Found") -> Verdict:
        changes = found.difference.breaking
        behaviour = self._behaviour(route, changes)
        statements = ddl.reviewed(route.schema, route.table, found.state, wanted, changes)
        with connection.transaction():
            review, status, reason, news = self.store.record(
                connection, route, behaviour, changes, wanted, found.gone, statements, at
            )
        what = f"table {route.label} does not fit the events of {route.topic}: {_told(changes)}"
        if news:
            self.metrics.changes.labels(route.label, "breaking").inc()
            _log.error("schema_change_breaks", table=route.label, topic=route.topic, review=review, behaviour=behaviour,
                       changes=[change.as_json() for change in changes])  # fmt: skip
        if behaviour == "audit":
            return Verdict(_omitted(found.state, wanted, changes, self._rules(route, "")), review=review, status=status)
        if behaviour == "log_and_skip":
            return Verdict(refusal=TableError(route.topic, WAITS, what), skip=True, review=review, status=status)
        if status == "rejected":
            refusal = TableError(route.topic, REJECTED, f"{what}; schema review {review} refused it: {reason}")
            return Verdict(refusal=refusal, discard=True, review=review, status=status)
        refusal = TableError(route.topic, WAITS, f"{what}{waiting_mark(review)}")
        return Verdict(refusal=refusal, stop=behaviour == "stop", review=review, status=status)

    def _behaviour(self, route: Route, changes: Sequence[Breaking]) -> Behaviour:
        """The strictest of those that the changes ask for. What cannot be written even in part waits."""
        settings = self._of(route)
        general = settings.breaking or ("queue" if self._tables.on_mismatch == "reject" else "stop")
        asked = {settings.dropped if change.kind is Kind.DROPPED else general for change in changes}
        strictest = max(asked, key=_STRICTNESS.index)
        return "queue" if strictest == "audit" and any(change.blocks for change in changes) else strictest


@dataclass(frozen=True, slots=True)
class _Found:
    """A table, what its topic had before, and what is different."""

    state: TableState
    seen: Seen | None
    gone: frozenset[str]
    difference: Difference


def look(state: TableState, seen: Seen | None, wanted: Sequence[Wanted], at: int, rules: Rules,
         small_enough: Callable[[], bool], late_ms: int = 0) -> _Found:  # fmt: skip
    """Pure but for ``small_enough``, which is asked only where it matters.

    A column is gone when events that are newer than its first ones, by more than ``late_ms``, lack it: a replay of older ones
    never had it.
    """
    names = {column.name for column in wanted}
    known = seen or {}
    gone = frozenset(name for name, was in known.items() if name not in names and at - late_ms > was["since"])
    before = {name: str(was["type"]) for name, was in known.items()} if seen else {c.name: c.pg_type for c in wanted}
    difference = classify(wanted, state, before=before, gone=gone, rules=rules)
    if any(found.rewrites for found in difference.widenings) and not small_enough():
        difference = classify(wanted, state, before=before, gone=gone, rules=replace(rules, rewrite=False))
    return _Found(state, seen, gone, difference)


def _seen_now(wanted: Sequence[Wanted], seen: Seen | None, at: int, but: Collection[str], own: Collection[str] = ()) -> Seen:
    """What is new to remember; types of events older than the known ones are not. ``own`` are made for these events."""
    news: Seen = {}
    for column in wanted:
        was = (seen or {}).get(column.name)
        if column.name in but or (was is not None and (was["type"] == column.pg_type or was["at"] > at)):
            continue
        since, mine = (at, column.name in own) if was is None else (was["since"], was.get("own", False))
        news[column.name] = {"type": column.pg_type, "since": since, "at": at, "own": mine, "key": column.key}
    return news


def _omitted(state: TableState, wanted: Sequence[Wanted], changes: Sequence[Breaking], rules: Rules) -> frozenset[str]:
    broken = {change.column for change in changes} & {column.name for column in wanted}
    omitted = set()
    for column in wanted:
        present = state.columns.get(column.name)
        taken = present is not None and not present.generated and is_written(column, present, rules)
        omitted |= {column.name} if column.name in broken and not taken else set()
    return frozenset(omitted)


def _told(changes: Sequence[Breaking]) -> str:
    return "; ".join(f"its column {change.column}: {change.detail}" if change.column else change.detail for change in changes)


def _moment(source_ms: int | None) -> int:
    return time.time_ns() // 1_000_000 if source_ms is None else source_ms
