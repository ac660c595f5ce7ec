"""The statements that merge one table's rows, rendered once per plan."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from sink_worker.routing import Route

BASE, STATE, EXPIRES = "_cdc_ts", "_cdc_cells", "_cdc_expires"
STATE_COLUMNS: Final = {BASE: "bigint", STATE: "bytea", EXPIRES: "bigint"}
"""Beside the data: the row's base timestamp (µs), what deviates from it, and when (s) the next of its cells ends."""


@dataclass(frozen=True, slots=True)
class CellStatements:
    """``read`` takes an array for each key column; ``touched``, for each of a partition's, and a timestamp."""

    create_staging: bytes
    types: bytes
    """The types of the staging table's key and cells, as the table had them when it was made."""
    drop_staging: bytes
    empty_staging: bytes
    copy: bytes
    update: bytes
    insert: bytes
    delete: bytes
    read: bytes
    expired: bytes
    """Takes a moment (s) and a count."""
    postpone: bytes
    """Takes a later moment (s) and a moment: what would be the first of ``expired`` is none until then."""
    touched: tuple[bytes, ...]
    """By the count of a partition's columns, from 1 on."""


def render_cell_statements(
    route: Route, key: Sequence[tuple[str, str]], cells: Sequence[tuple[str, str | None]], number: int
) -> CellStatements:
    """``key`` and ``cells`` are columns with their types, in the order of merge states; a cell without one is not there."""
    target = sql.Identifier(route.schema, route.table)
    staging_name = f"sink_cells_{number}"
    staging = sql.Identifier("pg_temp", staging_name)
    fixed = [("seen", "xid"), ("base", "bigint"), ("state", "bytea"), ("expires", "bigint")]
    staged_key = [(f"k{index}", kind) for index, (_, kind) in enumerate(key)]
    staged = [(f"c{index}", kind or "bytea") for index, (_, kind) in enumerate(cells)]
    everything = [*fixed, *staged_key, *staged]
    declared = _list(sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in everything)
    names = [BASE, STATE, EXPIRES, *(name for name, _ in key), *(name for name, kind in cells if kind)]
    values = ["base", "state", "expires", *(name for name, _ in staged_key),
              *(place for (place, _), (_, kind) in zip(staged, cells, strict=True) if kind)]  # fmt: skip
    changed = [(name, value) for name, value in zip(names, values, strict=True) if name not in dict(key)]
    record = _record(key, cells)
    same = _match(key, "s", [name for name, _ in staged_key])
    same_key = _match(key, "k", [name for name, _ in staged_key])
    arrays = _list(sql.SQL("%b") for _ in key)
    aliases = _list(sql.Identifier(name) for name, _ in staged_key)
    return CellStatements(
        create_staging=_bytes(sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DELETE ROWS").format(
            sql.Identifier(staging_name), declared)),
        types=_bytes(sql.SQL(
            "SELECT array_agg(atttypid::bigint ORDER BY attnum) FROM pg_attribute "
            "WHERE attrelid = {}::regclass AND attnum > {} AND NOT attisdropped"
            ).format(sql.Literal(f"pg_temp.{staging_name}"), sql.Literal(len(fixed)))),
        drop_staging=_bytes(sql.SQL("DROP TABLE IF EXISTS {}").format(staging)),
        empty_staging=_bytes(sql.SQL("TRUNCATE {}").format(staging)),
        copy=_bytes(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(staging)),
        update=_bytes(sql.SQL("UPDATE {} AS t SET {} FROM {} AS s WHERE s.seen IS NOT NULL AND {} AND t.xmin = s.seen").format(
            target, _list(sql.SQL("{} = s.{}").format(sql.Identifier(name), sql.Identifier(value)) for name, value in changed),
            staging, same)),
        insert=_bytes(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} WHERE seen IS NULL ON CONFLICT DO NOTHING").format(
            target, _list(map(sql.Identifier, names)), _list(map(sql.Identifier, values)), staging)),
        delete=_bytes(sql.SQL("DELETE FROM {} AS t USING unnest(%b, {}) AS k (seen, {}) WHERE {} AND t.xmin = k.seen").format(
            target, arrays, aliases, same_key)),
        read=_bytes(sql.SQL("SELECT record_send({}) FROM unnest({}) AS k ({}) JOIN {} AS t ON {}").format(
            record, arrays, aliases, target, same_key)),
        expired=_bytes(sql.SQL("SELECT record_send({}) FROM {} AS t {}").format(record, target, _expired(sql.SQL("%s")))),
        postpone=_bytes(sql.SQL("UPDATE {} SET {} = %s WHERE ctid = (SELECT ctid FROM {} AS t {})").format(
            target, sql.Identifier(EXPIRES), target, _expired(sql.SQL("1")))),
        touched=tuple(_touched(record, target, key[:width]) for width in range(1, len(key) + 1)),
    )  # fmt: skip


def _record(key: Sequence[tuple[str, str]], cells: Sequence[tuple[str, str | None]]) -> sql.Composed:
    """A row as the merge reads it: version, base, state, expiry, key, cells."""
    parts: list[sql.Composable] = [sql.SQL("t.xmin")]
    parts += [sql.SQL("t.{}").format(sql.Identifier(name)) for name in (BASE, STATE, EXPIRES, *(name for name, _ in key))]
    parts += [sql.SQL("t.{}").format(sql.Identifier(name)) if kind else sql.SQL("NULL::bytea") for name, kind in cells]
    return sql.SQL("ROW({})").format(_list(parts))


def _expired(count: sql.SQL) -> sql.Composed:
    """The first rows with a cell that has ended, but for those that another session has."""
    return sql.SQL("WHERE t.{expires} <= %s ORDER BY t.{expires} LIMIT {count} FOR UPDATE SKIP LOCKED").format(
        expires=sql.Identifier(EXPIRES), count=count)  # fmt: skip


def _touched(record: sql.Composed, target: sql.Identifier, partition: Sequence[tuple[str, str]]) -> bytes:
    """Rows of partitions that a deletion may have an effect on: those with a cell that is not later than it."""
    names = [f"k{index}" for index in range(len(partition))]
    return _bytes(sql.SQL(
        "SELECT record_send({}) FROM unnest({}) AS k ({}) JOIN {} AS t ON {} WHERE t.{base} <= %s OR t.{state} IS NOT NULL"
    ).format(
        record, _list(sql.SQL("%b") for _ in names), _list(map(sql.Identifier, names)), target, _match(partition, "k", names),
        base=sql.Identifier(BASE), state=sql.Identifier(STATE),
    ))  # fmt: skip


def _match(key: Sequence[tuple[str, str]], alias: str, names: Sequence[str]) -> sql.Composed:
    other = sql.Identifier(alias)
    pairs = (
        sql.SQL("t.{} = {}.{}").format(sql.Identifier(column), other, sql.Identifier(name))
        for (column, _), name in zip(key, names, strict=True)
    )
    return sql.SQL(" AND ").join(pairs)


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _bytes(composed: sql.Composable) -> bytes:
    return composed.as_bytes(None)
