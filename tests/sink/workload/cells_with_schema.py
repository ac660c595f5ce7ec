"""Cassandra's events with Connect's schema in each, as its connector makes them for a table of any columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

Envelope = Literal["raw", "transformed"]
OPS: dict[Envelope, dict[str, str]] = {"raw": {"i": "i", "u": "u", "d": "d"}, "transformed": {"i": "c", "u": "u", "d": "d"}}
TEXT: dict[str, Any] = {"type": "string"}
INT: dict[str, Any] = {"type": "int32"}
BIGINT: dict[str, Any] = {"type": "int64"}
FLOAT: dict[str, Any] = {"type": "float"}
DOUBLE: dict[str, Any] = {"type": "double"}
MAP: dict[str, Any] = {"type": "map", "keys": TEXT, "values": TEXT}
SET: dict[str, Any] = {"type": "array", "items": TEXT}
Columns = Mapping[str, Mapping[str, Any]]


def udt(**fields: Mapping[str, Any]) -> dict[str, Any]:
    """A user-defined type."""
    members = [{"field": name, "optional": True, **kind} for name, kind in fields.items()]
    return {"type": "struct", "name": "shop.address", "fields": members}


def event(columns: Columns, op: str, ts: int, row: Mapping[str, Any], *, key: tuple[str, ...] = ("id",),
          envelope: Envelope = "raw", ends: int | None = None, snapshot: bool = False) -> tuple[bytes, bytes]:  # fmt: skip
    """A record: ``columns`` are what the agent knows of the table; ``row`` what was written; ``ends`` (s) of a TTL."""
    places = {name: row[name] for name in key}
    after: dict[str, Any] = dict.fromkeys(columns) | {"_range_start": None, "_range_end": None}
    for name, value in row.items():
        deletion = ts if op == "d" and name not in key else None
        if ends is not None and name not in key:
            deletion = ends * 1_000_000
        after[name] = {"value": value, "deletion_ts": deletion, "set": True}
    source = {"ts_us": ts, "ts_ms": ts // 1000, "snapshot": str(snapshot).lower()}
    value = {"op": OPS[envelope][op], "source": source, "after": after, "ts_ms": ts // 1000}
    fields = [{"field": name, "type": "struct", "optional": True, "name": "cell_value", "fields": [
        {"field": "value", "optional": True, **kind}, {"field": "deletion_ts", "type": "int64", "optional": True},
        {"field": "set", "type": "boolean"}]} for name, kind in columns.items()]  # fmt: skip
    fields += [{"field": name, "type": "struct", "optional": True, "fields": []} for name in ("_range_start", "_range_end")]
    envelope_schema = {"type": "struct", "fields": [
        {"field": "ts_ms", "type": "int64"}, {"field": "op", "type": "string"}, {"field": "source", "type": "struct",
         "fields": []}, {"field": "after", "type": "struct", "fields": fields}]}  # fmt: skip
    key_schema = {"type": "struct", "fields": [{"field": name, "optional": True, **columns[name]} for name in key]}
    return _json({"schema": key_schema, "payload": places}), _json({"schema": envelope_schema, "payload": value})


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
