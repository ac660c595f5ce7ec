"""Every type that Debezium's MySQL connector (and its kin) writes: its schema in Avro and in Connect's JSON, values of
it at random, and the column it becomes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Values = st.SearchStrategy[Any]
# What PostgreSQL's text holds: any character but NUL, no half of a surrogate pair.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
# µs since 1970 that PostgreSQL's timestamp holds: 4713 BC up to the end of 294276.
MICROS = st.integers(-210_866_803_200_000_000, 9_224_318_015_999_999_999 - 946_684_800_000_000)


@dataclass(frozen=True)
class Kind:
    """A type of column. `avro` is its Avro type, `connect` its JSON type; `name` the semantic name of both."""

    label: str
    avro: Any
    connect: dict[str, Any]
    pg_type: str
    values: Values
    name: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    to_json: Callable[[Any], Any] = lambda raw: raw
    key: bool = False

    def avro_type(self, *, optional: bool) -> Any:
        kind = self.avro if isinstance(self.avro, dict) else {"type": self.avro}
        if self.name:
            kind = {**kind, "connect.version": 1, "connect.name": self.name}
        if self.parameters:
            kind = {**kind, "connect.parameters": self.parameters}
        return ["null", kind] if optional else kind

    def connect_type(self, column: str, *, optional: bool) -> dict[str, Any]:
        kind = {**self.connect, "optional": optional, "field": column}
        if self.name:
            kind |= {"name": self.name, "version": 1}
        if self.parameters:
            kind |= {"parameters": self.parameters}
        return kind


def in_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def signed(whole: int) -> bytes:
    return whole.to_bytes(whole.bit_length() // 8 + 1, "big", signed=True)


def decimal_kind(precision: int, scale: int) -> Kind:
    parameters = {"scale": str(scale), "connect.decimal.precision": str(precision)}
    limit = 10**precision - 1
    return Kind(
        f"decimal_{precision}_{scale}",
        {"type": "bytes", "scale": scale, "precision": precision, "logicalType": "decimal"},
        {"type": "bytes"},
        f"numeric({precision},{scale})",
        st.integers(-limit, limit).map(signed),
        "org.apache.kafka.connect.data.Decimal",
        parameters,
        in_base64,
        key=True,
    )


def bits_kind(length: int) -> Kind:
    size = (length + 7) // 8
    values = st.integers(0, 2**length - 1).map(lambda whole: whole.to_bytes(size, "little"))
    name = "io.debezium.data.Bits"
    pg_type = f"bit varying({length})"
    return Kind(
        f"bits_{length}", "bytes", {"type": "bytes"}, pg_type, values, name, {"length": str(length)}, in_base64, key=True
    )


def time_kind(label: str, name: str, wire: str, pg_type: str, values: Values, *, key: bool = True) -> Kind:
    avro, connect = {"int": ("int", "int32"), "long": ("long", "int64"), "string": ("string", "string")}[wire]
    return Kind(label, avro, {"type": connect}, pg_type, values, name, key=key)


GEOMETRY_FIELDS: list[dict[str, Any]] = [
    {"name": "wkb", "type": "bytes"},
    {"name": "srid", "type": ["null", "int"], "default": None},
]


def struct_kind(label: str, name: str, fields: list[dict[str, Any]], pg_type: str, values: Values, binary: str) -> Kind:
    connect_types = {"bytes": "bytes", "int": "int32", "double": "double"}
    connect_fields = [
        {"field": item["name"], "type": connect_types[item["type"] if isinstance(item["type"], str) else item["type"][1]],
         "optional": not isinstance(item["type"], str)}
        for item in fields
    ]  # fmt: skip

    def to_json(raw: dict[str, Any]) -> dict[str, Any]:
        return {**raw, binary: in_base64(raw[binary])}

    avro = {"type": "record", "name": label.title().replace("_", ""), "namespace": "io.debezium.data", "fields": fields}
    return Kind(label, avro, {"type": "struct", "fields": connect_fields}, pg_type, values, name, {}, to_json)


def zoned(parts: tuple[int, int, int, int, int, int, str, str]) -> str:
    year, month, day, hour, minute, second, fraction, zone = parts
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"


ZONED = st.tuples(
    st.integers(2, 9998), st.integers(1, 12), st.integers(1, 28), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59),
    st.sampled_from(["", ".1", ".000001", ".999999", ".120"]), st.sampled_from(["Z", "+00:00", "+05:30", "-11:00", "+14:00"]),
).map(zoned)  # fmt: skip

WKB = st.binary(min_size=0, max_size=16).map(lambda rest: b"\x01\x01\x00\x00\x00" + rest)
JSON_TEXT = st.sampled_from(['{"a": 1, "b": [true, null, "ü"]}', "[]", "12.50", '"text"', '{"nested": {"k": -1e3}}'])

KINDS: list[Kind] = [
    Kind("boolean", "boolean", {"type": "boolean"}, "boolean", st.booleans(), key=True),
    Kind("tinyint", {"type": "int", "connect.type": "int8"}, {"type": "int8"}, "smallint", st.integers(-128, 127), key=True),
    Kind(
        "smallint",
        {"type": "int", "connect.type": "int16"},
        {"type": "int16"},
        "smallint",
        st.integers(-32768, 32767),
        key=True,
    ),
    Kind("int", "int", {"type": "int32"}, "integer", INT32, key=True),
    Kind("bigint", "long", {"type": "int64"}, "bigint", INT64, key=True),
    Kind("float", "float", {"type": "float"}, "real", st.floats(width=32, allow_nan=False, allow_infinity=False)),
    Kind("double", "double", {"type": "double"}, "double precision", st.floats(allow_nan=False, allow_infinity=False)),
    Kind("string", "string", {"type": "string"}, "text", TEXT, key=True),
    Kind("bytes", "bytes", {"type": "bytes"}, "bytea", st.binary(max_size=20), to_json=in_base64, key=True),
    decimal_kind(1, 0),
    decimal_kind(5, 2),
    decimal_kind(18, 4),
    decimal_kind(20, 0),
    decimal_kind(38, 38),
    decimal_kind(65, 30),
    bits_kind(2),
    bits_kind(8),
    bits_kind(13),
    bits_kind(64),
    time_kind("date", "io.debezium.time.Date", "int", "date", st.integers(-2_440_588, 2_145_042_905 - 1)),
    time_kind("connect_date", "org.apache.kafka.connect.data.Date", "int", "date", st.integers(-100_000, 100_000)),
    time_kind("timestamp", "io.debezium.time.Timestamp", "long", "timestamp(3)", MICROS.map(lambda micros: micros // 1000 + 1)),
    time_kind("micro_timestamp", "io.debezium.time.MicroTimestamp", "long", "timestamp(6)", MICROS),
    time_kind("nano_timestamp", "io.debezium.time.NanoTimestamp", "long", "timestamp(6)", INT64),
    time_kind("zoned_timestamp", "io.debezium.time.ZonedTimestamp", "string", "timestamptz", ZONED),
    time_kind("time", "io.debezium.time.Time", "int", "interval", st.integers(-3_020_399_000 // 2, 2**31 - 1)),
    time_kind(
        "micro_time", "io.debezium.time.MicroTime", "long", "interval", st.integers(-3_020_399_000_000, 3_020_399_000_000)
    ),
    time_kind("nano_time", "io.debezium.time.NanoTime", "long", "interval", INT64),
    time_kind("year", "io.debezium.time.Year", "int", "integer", st.integers(0, 2155)),
    Kind(
        "enum",
        "string",
        {"type": "string"},
        "text",
        st.sampled_from(["red", "größer"]),
        "io.debezium.data.Enum",
        {"allowed": "red,größer"},
        key=True,
    ),
    Kind(
        "set",
        "string",
        {"type": "string"},
        "text",
        st.sampled_from(["", "a", "a,b"]),
        "io.debezium.data.EnumSet",
        {"allowed": "a,b"},
    ),
    Kind("json", "string", {"type": "string"}, "jsonb", JSON_TEXT, "io.debezium.data.Json"),
    Kind("uuid", "string", {"type": "string"}, "uuid", st.uuids().map(str), "io.debezium.data.Uuid", key=True),
    struct_kind(
        "variable_scale",
        "io.debezium.data.VariableScaleDecimal",
        [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
        "numeric",
        st.fixed_dictionaries({"scale": st.integers(-40, 60), "value": st.integers(-(10**70), 10**70).map(signed)}),
        "value",
    ),
    struct_kind(
        "geometry",
        "io.debezium.data.geometry.Geometry",
        GEOMETRY_FIELDS,
        "bytea",
        st.fixed_dictionaries({"wkb": WKB, "srid": st.none() | st.integers(0, 10_000)}),
        "wkb",
    ),
    struct_kind(
        "point",
        "io.debezium.data.geometry.Point",
        [{"name": "x", "type": "double"}, {"name": "y", "type": "double"}, *GEOMETRY_FIELDS],
        "bytea",
        st.fixed_dictionaries({"x": st.just(1.5), "y": st.just(-2.0), "wkb": WKB, "srid": st.none()}),
        "wkb",
    ),
]
BY_LABEL = {kind.label: kind for kind in KINDS}
KEY_KINDS = [kind for kind in KINDS if kind.key]
