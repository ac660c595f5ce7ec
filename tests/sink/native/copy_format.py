"""A strict reader of PostgreSQL's binary COPY and array formats, written from PostgreSQL's documentation alone."""

from __future__ import annotations

import json
import struct
import uuid
from decimal import Decimal
from typing import Any

HEADER = b"PGCOPY\n\xff\r\n\0"
EPOCH_DAYS = 10_957
EPOCH_MICROS = EPOCH_DAYS * 86_400_000_000


def read_copy(payload: bytes) -> list[list[bytes | None]]:
    """The stream's tuples. Anything but a whole, well-formed stream fails an assertion."""
    assert payload[:11] == HEADER
    flags, extension = struct.unpack_from(">ii", payload, 11)
    assert (flags, extension) == (0, 0)
    at = 19
    rows: list[list[bytes | None]] = []
    while True:
        (count,) = struct.unpack_from(">h", payload, at)
        at += 2
        if count == -1:
            assert at == len(payload)
            return rows
        fields: list[bytes | None] = []
        for _ in range(count):
            field, at = read_field(payload, at)
            fields.append(field)
        rows.append(fields)


def read_field(data: bytes, at: int) -> tuple[bytes | None, int]:
    """A field and where the next one begins."""
    (length,) = struct.unpack_from(">i", data, at)
    at += 4
    if length == -1:
        return None, at
    assert 0 <= length <= len(data) - at
    return data[at : at + length], at + length


def read_fields(data: bytes) -> list[bytes | None]:
    """Fields one after another up to the end: a canonical key."""
    at, fields = 0, []
    while at < len(data):
        field, at = read_field(data, at)
        fields.append(field)
    return fields


def read_array(data: bytes) -> tuple[int, list[bytes | None]]:
    """The element type and the elements of a one-dimensional array."""
    dimensions, nulls, oid = struct.unpack_from(">iii", data, 0)
    assert nulls == 0
    if dimensions == 0:
        assert len(data) == 12
        return oid, []
    assert dimensions == 1
    count, low = struct.unpack_from(">ii", data, 12)
    assert low == 1
    at, elements = 20, []
    for _ in range(count):
        element, at = read_field(data, at)
        elements.append(element)
    assert at == len(data)
    return oid, elements


def numeric(data: bytes) -> Decimal:
    """Exactly, with as many digits after the point as its display scale."""
    count, weight, sign, scale = struct.unpack_from(">hhHH", data)
    groups = struct.unpack_from(f">{count}h", data, 8)
    assert len(data) == 8 + 2 * count
    if sign in {0xC000, 0xD000, 0xF000}:
        return Decimal({0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}[sign])
    assert sign in {0, 0x4000}
    assert all(0 <= group < 10_000 for group in groups)
    assert not groups or (groups[0] != 0 and groups[-1] != 0), "groups of zeros are stripped"
    whole = 0
    for group in groups:
        whole = whole * 10_000 + group
    exponent = (weight - count + 1) * 4 if groups else 0
    # whole × 10^exponent, shown with `scale` digits: no digit may be lost.
    shift = exponent + scale
    if shift >= 0:
        unscaled = whole * 10**shift
    else:
        unscaled, rest = divmod(whole, 10**-shift)
        assert rest == 0, "the display scale hides digits"
    digits = tuple(int(digit) for digit in str(unscaled))
    return Decimal((1 if sign else 0, digits, -scale))


def varbit(data: bytes) -> str:
    (count,) = struct.unpack_from(">i", data)
    assert len(data) == 4 + (count + 7) // 8
    bits = "".join(f"{byte:08b}" for byte in data[4:])
    assert set(bits[count:]) <= {"0"}, "padding is zero"
    return bits[:count]


def interval(data: bytes) -> tuple[int, int, int]:
    """(months, days, µs)."""
    micros, days, months = struct.unpack(">qii", data)
    return months, days, micros


def jsonb(data: bytes) -> str:
    assert data[0] == 1
    text = data[1:].decode()
    json.loads(text)
    return text


def value(pg_type: str, data: bytes | None) -> Any:
    """A field as Python: dates are days and timestamps µs since 1970, an interval is (months, days, µs), bits a text."""
    if data is None:
        return None
    base = pg_type.split("(", maxsplit=1)[0]
    simple: dict[str, str] = {
        "smallint": ">h", "integer": ">i", "bigint": ">q", "real": ">f", "double precision": ">d", "time": ">q",
    }  # fmt: skip
    if base in simple:
        return struct.unpack(simple[base], data)[0]
    if base == "date":
        return struct.unpack(">i", data)[0] + EPOCH_DAYS
    if base in {"timestamp", "timestamptz"}:
        return struct.unpack(">q", data)[0] + EPOCH_MICROS
    if base == "timetz":
        micros, west = struct.unpack(">qi", data)
        return micros, -west
    readers: dict[str, Any] = {
        "boolean": lambda raw: {b"\0": False, b"\1": True}[raw],
        "text": lambda raw: raw.decode(),
        "bytea": bytes,
        "geometry": bytes,
        "numeric": numeric,
        "bit varying": varbit,
        "interval": interval,
        "jsonb": jsonb,
        "json": lambda raw: raw.decode(),
        "uuid": lambda raw: uuid.UUID(bytes=raw),
    }
    return readers[base](data)
