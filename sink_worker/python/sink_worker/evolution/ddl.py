"""The statements of a difference. Pure: what is shown to a person is what is run."""

from collections.abc import Iterable, Sequence

from psycopg import sql

from sink_worker.evolution.model import Breaking, Difference, Kind, TableState, Wanted
from sink_worker.evolution.types import conversion


def additive(schema: str, table: str, difference: Difference) -> list[sql.Composed]:
    """ALTER TABLE for what may be applied unasked: at most two, since ADD COLUMN alone never rewrites a table."""
    where = sql.Identifier(schema, table)
    added = [sql.SQL("ADD COLUMN IF NOT EXISTS {} {}").format(sql.Identifier(column.name), sql.SQL(column.pg_type))
             for column in difference.adds]  # fmt: skip
    grown = [_retyped(found.column, found.old, found.new) for found in difference.widenings]
    return [_alter(where, actions) for actions in (added, grown) if actions]


def reviewed(schema: str, table: str, state: TableState, wanted: Sequence[Wanted], breaking: Iterable[Breaking]) -> list[str]:
    """The statements that make ``table`` take the events, once a person approves. Nothing in them deletes a column."""
    where = sql.Identifier(schema, table)
    found = list(breaking)
    missing = [column for column in wanted if column.name not in state.columns]
    actions: list[sql.Composable] = [
        sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(column.name), sql.SQL(column.pg_type))
        for column in missing if any(change.column == column.name for change in found)
    ]  # fmt: skip
    for change in found:
        actions += _actions(change, {column.name for column in missing})
    if any(change.kind is Kind.KEY and not change.column for change in found):
        actions += _new_key(state, [column.name for column in wanted if column.key])
    return [_alter(where, actions).as_string(None)] if actions else []


def statements_text(statements: Iterable[sql.Composable]) -> list[str]:
    """For logs and the audit."""
    return [statement.as_string(None) for statement in statements]


def _actions(change: Breaking, missing: set[str]) -> list[sql.Composable]:
    column = sql.Identifier(change.column)
    if change.kind is Kind.GENERATED:
        return [sql.SQL("ALTER COLUMN {} DROP EXPRESSION").format(column)]
    if change.kind is Kind.NOT_NULL:
        verb = "DROP" if change.blocks else "SET"
        return [sql.SQL("ALTER COLUMN {} " + verb + " NOT NULL").format(column)]
    if change.kind is Kind.DROPPED:
        return [sql.SQL("ALTER COLUMN {} DROP NOT NULL").format(column)] if change.blocks else []
    if change.kind in {Kind.TYPE, Kind.REWRITE, Kind.REFUSED} and change.column not in missing:
        return [_retyped(change.column, change.old, change.new)]
    return []


def _new_key(state: TableState, key: Sequence[str]) -> list[sql.Composable]:
    dropped = [] if state.primary_key is None else [sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(state.primary_key))]
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in key)
    return [*dropped, sql.SQL("ADD PRIMARY KEY ({})").format(columns)]


def _retyped(column: str, old: str, new: str) -> sql.Composed:
    """USING is always said: without it PostgreSQL refuses whatever it has no assignment cast for."""
    name, kind = sql.Identifier(column), sql.SQL(new)
    way = conversion(old, new)
    value = sql.SQL("{}::{}").format(name, kind) if way is None else sql.SQL(way).format(name)
    return sql.SQL("ALTER COLUMN {} TYPE {} USING {}").format(name, kind, value)


def _alter(where: sql.Identifier, actions: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} {}").format(where, sql.SQL(", ").join(actions))
