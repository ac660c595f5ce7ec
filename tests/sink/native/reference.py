"""The slow judge: fastavro reads a record, plain Python makes its values, and a dictionary takes one event at a time.

It shares nothing with the native decoder. Values have the forms of `copy_format.value`.
"""

from __future__ import annotations

import io
import re
import struct
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import fastavro

Row = dict[str, Any]
Key = tuple[Any, ...]


def plain(schema: Any) -> Any:
    """The schema without logical types, so that fastavro gives what was written."""
    if isinstance(schema, dict):
        return {name: plain(item) for name, item in schema.items() if name != "logicalType"}
    return [plain(item) for item in schema] if isinstance(schema, list) else schema


def read_avro(schema: Any, data: bytes) -> Any:
    """The record after the wire format's five bytes; it must be read to its end."""
    stream = io.BytesIO(data[5:])
    record = fastavro.schemaless_reader(stream, plain(schema), None)
    assert not stream.read()
    return record


def write_avro(schema_id: int, schema: Any, record: Any) -> bytes:
    stream = io.BytesIO()
    stream.write(struct.pack(">bI", 0, schema_id))
    fastavro.schemaless_writer(stream, plain(schema), record)
    return stream.getvalue()


def decimal(unscaled: bytes, scale: int) -> Decimal:
    """As PostgreSQL shows it: a negative scale ends in zeros before the point."""
    whole = int.from_bytes(unscaled, "big", signed=True)
    if scale < 0:
        whole, scale = whole * 10**-scale, 0
    return Decimal((1 if whole < 0 else 0, tuple(int(digit) for digit in str(abs(whole))), -scale))


def instant(text: str) -> int:
    """µs since 1970 of an ISO 8601 text with a zone."""
    match = re.fullmatch(r"(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    assert match is not None
    whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    return (whole - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) + int(((match[2] or "") + "000000")[:6])


def bits(little_endian: bytes, length: int) -> str:
    return f"{int.from_bytes(little_endian, 'little'):0{length}b}"[-length:]


MEANINGS: dict[str, Callable[[Any, Mapping[str, str]], Any]] = {
    "Timestamp": lambda raw, _: raw * 1000,
    "NanoTimestamp": lambda raw, _: raw // 1000,
    "ZonedTimestamp": lambda raw, _: instant(raw),
    "Time": lambda raw, _: (0, 0, raw * 1000),
    "MicroTime": lambda raw, _: (0, 0, raw),
    "NanoTime": lambda raw, _: (0, 0, raw // 1000),
    "Decimal": lambda raw, parameters: decimal(raw, int(parameters["scale"])),
    "VariableScaleDecimal": lambda raw, _: decimal(raw["value"], raw["scale"]),
    "Bits": lambda raw, parameters: bits(raw, int(parameters["length"])),
    "Uuid": lambda raw, _: uuid.UUID(raw),
    "Geometry": lambda raw, _: raw["wkb"],
    "Point": lambda raw, _: raw["wkb"],
}


def convert(name: str | None, parameters: Mapping[str, str], raw: Any) -> Any:
    """What a value of the semantic type means."""
    meaning = MEANINGS.get((name or "").rsplit(".", 1)[-1])
    return raw if raw is None or meaning is None else meaning(raw, parameters)


class Model:
    """A table under one event at a time. An upsert sets the columns that it has; others keep what they had."""

    def __init__(self) -> None:
        self.rows: dict[Key, Row] = {}

    def upsert(self, key: Key, row: Row) -> None:
        self.rows.setdefault(key, {}).update(row)

    def delete(self, key: Key) -> None:
        self.rows.pop(key, None)

    def truncate(self) -> None:
        self.rows.clear()

    def apply(self, events: Iterable[tuple[str, Key, Row | None]]) -> None:
        """Operations by Debezium's letters, and "tombstone"."""
        for op, key, row in events:
            if op == "t":
                self.truncate()
            elif op in {"d", "tombstone"}:
                self.delete(key)
            else:
                assert row is not None
                self.upsert(key, row)
