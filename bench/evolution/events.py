"""Both kinds of source: their columns over time, and their records, as Debezium writes them before and after a change."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LONG, INT, TEXT, DOUBLE = ({"type": kind} for kind in ("int64", "int32", "string", "double"))
Columns = Mapping[str, Mapping[str, str]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """What becomes of the table, and the columns that it has from then on."""

    what: str
    columns: Columns


def _changes(grows: bool) -> list[Change]:
    columns: dict[str, Mapping[str, str]] = {"id": LONG, "v": INT, "note": TEXT}
    changes = [Change("as it begins", dict(columns))]

    def change(what: str, **more: Mapping[str, str]) -> None:
        columns.update(more)
        changes.append(Change(what, dict(columns)))

    change("a column", extra=TEXT)
    change("two columns at once", score=DOUBLE, count=INT)
    if grows:
        change("int becomes bigint: the table is rewritten", v=LONG)
    change("a column with an index", code=LONG)
    return changes


@dataclass(frozen=True)
class Source:
    """A kind of source: its columns over time, its record of a row, and the worker's settings for its topic."""

    name: str
    changes: list[Change]
    record: Callable[[Columns, Row, int], tuple[bytes, bytes]]
    settings: Callable[[str], dict[str, Any]]


def _plain(columns: Columns, row: Row, ts: int) -> tuple[bytes, bytes]:
    payload = {"before": None, "after": row, "source": {"ts_ms": ts // 1000}, "op": "u", "ts_ms": ts // 1000}
    return _key(row), _record(_envelope_of_rows(columns), payload)


def _cells(columns: Columns, row: Row, ts: int) -> tuple[bytes, bytes]:
    after: dict[str, Any] = {name: {"value": value, "deletion_ts": None, "set": True} for name, value in row.items()}
    payload = {"ts_ms": ts // 1000, "op": "i", "source": {"ts_ms": ts // 1000, "ts_us": ts, "snapshot": "false"},
               "after": {**after, "_range_start": None, "_range_end": None}}  # fmt: skip
    return _key(row), _record(_envelope_of_cells(columns), payload)


_known: dict[tuple[str, ...], str] = {}


def _once(kind: str, columns: Columns, make: Callable[[], Any]) -> str:
    place = (kind, *(f"{name}:{column['type']}" for name, column in columns.items()))
    if place not in _known:
        _known[place] = json.dumps(make(), separators=(",", ":"))
    return _known[place]


def _struct(name: str, fields: list[Any], **more: Any) -> dict[str, Any]:
    return {"type": "struct", "name": name, "fields": fields, **more}


def _envelope_of_rows(columns: Columns) -> str:
    def make() -> dict[str, Any]:
        fields = [{"optional": name != "id", **column, "field": name} for name, column in columns.items()]
        before = _struct("shop.Value", fields, optional=True)
        source = _struct("Source", [{**LONG, "field": "ts_ms"}], field="source")
        rest = [source, {**TEXT, "field": "op"}, {**LONG, "field": "ts_ms"}]
        return _struct("shop.Envelope", [{**before, "field": "before"}, {**before, "field": "after"}, *rest])

    return _once("rows", columns, make)


def _envelope_of_cells(columns: Columns) -> str:
    def cell(name: str, column: Mapping[str, str]) -> dict[str, Any]:
        inner = [{**column, "field": "value", "optional": True}, {**LONG, "field": "deletion_ts", "optional": True},
                 {"type": "boolean", "field": "set"}]  # fmt: skip
        return _struct("cell_value", inner, field=name, optional=True)

    def make() -> dict[str, Any]:
        ranges = [_struct(name, [], field=name, optional=True) for name in ("_range_start", "_range_end")]
        after = _struct("after", [*(cell(name, column) for name, column in columns.items()), *ranges], field="after")
        source = _struct("source", [{**LONG, "field": "ts_ms"}, {**LONG, "field": "ts_us"}, {**TEXT, "field": "snapshot"}])
        return _struct("Envelope", [{**LONG, "field": "ts_ms"}, {**TEXT, "field": "op"}, {**source, "field": "source"}, after])

    return _once("cells", columns, make)


def _key(row: Row) -> bytes:
    return b'{"schema":{"type":"struct","fields":[{"field":"id","type":"int64"}]},"payload":{"id":%d}}' % row["id"]


def _record(schema: str, payload: Any) -> bytes:
    return f'{{"schema":{schema},"payload":{json.dumps(payload, separators=(",", ":"))}}}'.encode()


SOURCES = (
    Source("MySQL", _changes(grows=True), _plain, lambda _: {}),
    Source("Cassandra", _changes(grows=False), _cells, lambda topic: {"cassandra": {"topics": [topic]}}),
)
