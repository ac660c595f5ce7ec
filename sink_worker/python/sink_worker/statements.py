"""The statements that write one table's rows from its staging table, rendered once per plan."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from sink_worker._native import Segment
from sink_worker.routing import Route, fit_identifier


@dataclass(frozen=True, slots=True)
class Statements:
    """``copy`` is None where the segment has no key columns to stage. ``delete`` takes one array for each key column."""

    create_staging: bytes
    drop_staging: bytes
    empty_staging: bytes
    copy: bytes
    copy_text: bytes
    upsert: bytes
    delete: bytes | None
    truncate: bytes


def render_statements(
    route: Route, segment: Segment, names: Sequence[str], casts: Sequence[str | None], number: int
) -> Statements:
    """``names`` are the target's columns and ``casts`` the expressions that fill them, both in the segment's order.

    A column without an expression is staged and not written; a key has one.
    """
    target = sql.Identifier(route.schema, route.table)
    staging = sql.Identifier("pg_temp", f"sink_staging_{number}")
    staged = [sql.Identifier(f"c{index}") for index in range(len(names))]
    columns = _list(sql.Identifier(name) for name, cast in zip(names, casts, strict=True) if cast is not None)
    types = [sql.SQL(column.pg_type) for column in segment.columns]  # names of types, from the decoder's closed list
    declared = _list(sql.SQL("{} {}").format(name, kind) for name, kind in zip(staged, types, strict=True))
    values = _list(_filled(cast, name) for cast, name in zip(casts, staged, strict=True) if cast is not None)
    upsert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(target, columns, values, staging)
    return Statements(
        create_staging=_bytes(sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DELETE ROWS").format(
            sql.Identifier(f"sink_staging_{number}"), declared)),
        drop_staging=_bytes(sql.SQL("DROP TABLE IF EXISTS {}").format(staging)),
        empty_staging=_bytes(sql.SQL("TRUNCATE {}").format(staging)),
        copy=_bytes(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(staging, _list(staged))),
        copy_text=_bytes(sql.SQL("COPY {} ({}) FROM STDIN").format(staging, _list(staged))),
        upsert=_bytes(sql.SQL("{}{}").format(upsert, _on_conflict(segment, names, casts))),
        delete=_delete(target, segment, casts) if segment.key else None,
        truncate=_bytes(sql.SQL("TRUNCATE TABLE {}").format(target)),
    )  # fmt: skip


def _on_conflict(segment: Segment, names: Sequence[str], casts: Sequence[str | None]) -> sql.Composable:
    if not segment.key:
        return sql.SQL("")
    key = _list(sql.Identifier(fit_identifier(name)) for name in segment.key)
    columns = zip(names, segment.columns, casts, strict=True)
    rest = [name for name, column, cast in columns if not column.key and cast is not None]
    if not rest:
        return sql.SQL(" ON CONFLICT ({}) DO NOTHING").format(key)
    # An unchanged indexed column costs nothing here: PostgreSQL compares values before it gives a HOT update up.
    changes = _list(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in rest)
    return sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(key, changes)


def _delete(target: sql.Identifier, segment: Segment, casts: Sequence[str | None]) -> bytes:
    cast_of = {column.name: cast or "{}" for column, cast in zip(segment.columns, casts, strict=True)}
    keys = [sql.Identifier(f"k{index}") for index in range(len(segment.key))]
    matches = [
        sql.SQL("t.{} = {}").format(sql.Identifier(fit_identifier(name)), _filled(cast_of[name], sql.SQL("k.{}").format(key)))
        for name, key in zip(segment.key, keys, strict=True)
    ]
    arrays = _list(sql.SQL("%b") for _ in keys)
    return _bytes(sql.SQL("DELETE FROM {} AS t USING unnest({}) AS k ({}) WHERE {}").format(
        target, arrays, _list(keys), sql.SQL(" AND ").join(matches)))  # fmt: skip


def _filled(cast: str, value: sql.Composable) -> sql.Composed:
    return sql.SQL(cast).format(value)


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _bytes(composed: sql.Composable) -> bytes:
    return composed.as_bytes(None)
