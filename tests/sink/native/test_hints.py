"""What is known of the target table chooses the type wherever the value stays exact."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from sink_worker._native import ColumnHint, Decoder, TableHint

from tests.sink.native import reference
from tests.sink.native.kinds import BY_LABEL
from tests.sink.native.records import Field, Form, Table, change, decoder, rows_of


def one(label: str, pg_type: str, raw: Any) -> tuple[str, Any]:
    """The type and value of a column of the kind in a table that has the type; a reject is its class."""
    table = Table((Field("id", BY_LABEL["int"]), Field("v", BY_LABEL[label], True)), ("id",))
    hint = TableHint([ColumnHint("v", pg_type)])
    batch = decoder(table).decode(hint, [change(table, "avro", "c", {"id": 1, "v": raw}, at=(0, 0))])
    if batch.rejects:
        return "reject", batch.rejects[0].error_class
    (segment,) = batch.segments
    return segment.columns[1].pg_type, rows_of(segment)[0]["v"]


@pytest.mark.parametrize(
    ("label", "pg_type", "raw", "expected"),
    [
        ("boolean", "smallint", True, ("smallint", 1)),
        ("smallint", "boolean", 1, ("boolean", True)),
        ("smallint", "boolean", 2, ("reject", "OutOfRange")),
        ("int", "bigint", -5, ("bigint", -5)),
        ("bigint", "integer", 2**31, ("reject", "OutOfRange")),
        ("bigint", "numeric(20,0)", 2**62, ("numeric(20,0)", Decimal(2**62))),
        ("bigint", "double precision", 2**53 + 1, ("reject", "OutOfRange")),
        ("float", "double precision", 0.5, ("double precision", 0.5)),
        ("double", "real", 0.1, ("double precision", 0.1)),
        ("string", "character varying(20)", "x", ("text", "x")),
        ("string", "uuid", "123e4567-e89b-12d3-a456-426614174000", ("uuid", uuid.UUID("123e4567-e89b-12d3-a456-426614174000"))),
        ("string", "numeric(30,10)", "-0012.3400", ("numeric(30,10)", Decimal("-12.3400"))),
        ("string", "numeric", "1e-7", ("numeric", Decimal("0.0000001"))),
        ("string", "numeric", "1.2.3", ("reject", "TypeMismatch")),
        ("string", "jsonb", '{"a":1}', ("jsonb", '{"a":1}')),
        ("json", "json", '{"a": 1}', ("json", '{"a": 1}')),
        ("json", "text", "not json", ("text", "not json")),
        ("date", "timestamp without time zone", 1, ("timestamp", 86_400_000_000)),
        ("timestamp", "timestamp with time zone", 1, ("timestamptz", 1000)),
        ("zoned_timestamp", "timestamp", "1970-01-01T01:00:00+01:00", ("timestamp", 0)),
        ("micro_time", "time without time zone", 5, ("time", 5)),
        ("micro_time", "time", -5, ("reject", "OutOfRange")),
        ("boolean", "bit varying(1)", True, ("bit varying(1)", "1")),
        ("int", "inet", 4, ("integer", 4)),
        ("bytes", "uuid", b"x" * 16, ("bytea", b"x" * 16)),
    ],
)
def test_a_hint_is_taken_where_the_value_stays_exact(label: str, pg_type: str, raw: Any, expected: tuple[str, Any]) -> None:
    assert one(label, pg_type, raw) == expected


def bare(pg_type: str, token: Any, *, source: str | None = None, config: str = "{}") -> tuple[str, Any]:
    """The same for a value of JSON without schema."""
    hint = TableHint([ColumnHint("id", "integer", nullable=False), ColumnHint("v", pg_type, source=source)], key=["id"])
    value = json.dumps({"id": 1, "v": token}).encode()
    batch = Decoder(config).decode(hint, [(0, 0, b'{"id":1}', value)])
    if batch.rejects:
        return "reject", batch.rejects[0].error_class
    return batch.segments[0].columns[1].pg_type, rows_of(batch.segments[0])[0]["v"]


@pytest.mark.parametrize(
    ("pg_type", "token", "expected"),
    [
        ("integer", 5, ("integer", 5)),
        ("integer", "5", ("integer", 5)),
        ("integer", 5.5, ("reject", "TypeMismatch")),
        ("smallint", 40_000, ("reject", "OutOfRange")),
        ("boolean", 1, ("boolean", True)),
        ("boolean", False, ("boolean", False)),
        ("numeric(10,2)", 12.5, ("numeric(10,2)", Decimal("12.5"))),
        ("numeric(10,2)", "12.50", ("numeric(10,2)", Decimal("12.50"))),
        ("double precision", "NaN", ("double precision", float("nan"))),
        ("double precision", 1e999, ("reject", "InvalidJson")),
        ("date", 1, ("date", 1)),
        ("date", "1970-01-02", ("date", 1)),
        ("timestamp(3)", 1, ("timestamp(3)", 1000)),
        ("timestamp(6)", 1, ("timestamp(6)", 1)),
        ("timestamp without time zone", "1970-01-01 00:00:01.5", ("timestamp", 1_500_000)),
        ("timestamptz", "1970-01-01T00:00:01Z", ("timestamptz", 1_000_000)),
        ("interval", 3, ("interval", (0, 0, 3))),
        ("interval", "P1Y2M3DT4H5M6.5S", ("interval", (14, 3, 14_706_500_000))),
        ("bytea", "AP8=", ("bytea", b"\x00\xff")),
        ("bytea", "*", ("reject", "TypeMismatch")),
        ("bit varying(4)", "BQ==", ("bit varying(4)", "0101")),
        ("jsonb", {"a": [1, "x"]}, ("jsonb", '{"a": [1, "x"]}')),
        ("jsonb", '{"a":1}', ("jsonb", '{"a":1}')),
        ("text", {"a": 1}, ("text", '{"a": 1}')),
        ("text", 12.5, ("text", "12.5")),
        ("uuid", "123e4567e89b12d3a456426614174000", ("uuid", uuid.UUID("123e4567e89b12d3a456426614174000"))),
        ("timestamp", "0000-00-00 00:00:00", ("timestamp", None)),
    ],
)
def test_schemaless_json_takes_the_tables_types(pg_type: str, token: Any, expected: tuple[str, Any]) -> None:
    assert repr(bare(pg_type, token)) == repr(expected)


def test_settings_change_what_ambiguous_values_mean() -> None:
    assert bare("numeric(10,2)", "BNI=", config='{"schemaless_decimal": "base64"}') == ("numeric(10,2)", Decimal("12.34"))
    assert bare("timestamp", 5, source="io.debezium.time.Timestamp") == ("timestamp", 5000)
    assert bare("timestamp(6)", "0000-00-00", config='{"zero_dates": "epoch"}') == ("timestamp(6)", 0)
    assert bare("bytea", "00ff", config='{"binary": "hex"}') == ("bytea", b"\x00\xff")
    assert bare("bytea", "AP-_", config='{"binary": "base64-url-safe"}') == ("bytea", b"\x00\xff\xbf")


def typed(kind: dict[str, Any], raw: Any, config: str = "{}") -> tuple[str, Any]:
    """A column of an Avro type written out by hand."""
    schema = {"type": "record", "name": "V", "fields": [{"name": "id", "type": "int"}, {"name": "v", "type": kind}]}
    key = {"type": "record", "name": "K", "fields": [{"name": "id", "type": "int"}]}
    native = Decoder(config)
    native.register_schema(1, json.dumps(key))
    native.register_schema(2, json.dumps(schema))
    record = (0, 0, reference.write_avro(1, key, {"id": 1}), reference.write_avro(2, schema, {"id": 1, "v": raw}))
    batch = native.decode(TableHint(), [record])
    assert batch.rejects == []
    return batch.segments[0].columns[1].pg_type, rows_of(batch.segments[0])[0]["v"]


def test_an_unsigned_bigint_that_was_written_as_a_long_is_what_it_was() -> None:
    kind = {"type": "long", "connect.parameters": {"__debezium.source.column.type": "BIGINT UNSIGNED"}}
    assert typed(kind, -1) == ("numeric(20,0)", Decimal(2**64 - 1))


def test_binary_columns_that_were_written_as_text_are_bytes_again() -> None:
    kind = {"type": "string", "connect.parameters": {"__debezium.source.column.type": "VARBINARY"}}
    assert typed(kind, "AAH/", '{"binary": "base64"}') == ("bytea", b"\x00\x01\xff")
    assert typed(kind, "AAH/") == ("text", "AAH/")


def test_a_geometry_for_postgis_carries_its_srid() -> None:
    kind = BY_LABEL["geometry"].avro_type(optional=False)
    point = b"\x01\x01\x00\x00\x00" + b"\x00" * 16
    made = typed(kind, {"wkb": point, "srid": 4326}, '{"geometry": "postgis"}')
    assert made == ("geometry", b"\x01\x01\x00\x00\x20\xe6\x10\x00\x00" + b"\x00" * 16)
    assert typed(kind, {"wkb": point, "srid": None}, '{"geometry": "postgis"}') == ("geometry", point)


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        ({"type": "array", "items": "string"}, ["a", 'b"'], ("jsonb", '["a","b\\""]')),
        ({"type": "map", "values": "double"}, {"x": 0.5}, ("jsonb", '{"x":0.5}')),
        ({"type": "array", "items": "float"}, [0.1], ("jsonb", "[0.1]")),
        ({"type": "record", "name": "In", "fields": [{"name": "b", "type": "bytes"}]}, {"b": b"\x01"},
         ("jsonb", '{"b":"AQ=="}')),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", ("text", "B")),
        ({"type": "fixed", "name": "F", "size": 3}, b"abc", ("bytea", b"abc")),
        ({"type": "fixed", "name": "D", "size": 2, "logicalType": "decimal", "precision": 4, "scale": 2}, b"\xff\x9c",
         ("numeric(4,2)", Decimal("-1.00"))),
        ({"type": "int", "logicalType": "date"}, 3, ("date", 3)),
        ({"type": "long", "logicalType": "timestamp-micros"}, 3, ("timestamp(6)", 3)),
        ({"type": "bytes", "connect.name": "org.apache.kafka.connect.data.Decimal", "precision": 64, "scale": 3,
          "logicalType": "decimal"}, b"\x05", ("numeric", Decimal("0.005"))),
    ],
)  # fmt: skip
def test_other_avro_types_have_columns_too(kind: dict[str, Any], raw: Any, expected: tuple[str, Any]) -> None:
    assert typed(kind, raw) == expected


def test_a_union_of_several_types_is_json() -> None:
    schema: Any = ["null", "string", "int"]
    assert typed(schema, 5) == ("jsonb", "5")
    assert typed(schema, "x") == ("jsonb", '"x"')
    assert typed(schema, None) == ("jsonb", None)


@pytest.mark.parametrize("form", ["envelope", "flat"])
def test_defaults_fill_absent_fields_of_json(form: Form) -> None:
    table = Table((Field("id", BY_LABEL["int"]), Field("v", BY_LABEL["int"])), ("id",), form=form)
    _, _, key, value = change(table, "json", "c", {"id": 1, "v": 2}, at=(0, 0))
    document = json.loads(value or b"")
    row = document["payload"]["after"] if form == "envelope" else document["payload"]
    del row["v"]
    fields = document["schema"]["fields"][1]["fields"] if form == "envelope" else document["schema"]["fields"]
    next(field for field in fields if field["field"] == "v")["default"] = 42
    batch = Decoder().decode(TableHint(), [(0, 0, key, json.dumps(document).encode())])
    assert rows_of(batch.segments[0]) == [{"id": 1, "v": 42}]


def test_members_in_another_order_and_with_spaces_are_the_same_row() -> None:
    table = Table((Field("id", BY_LABEL["int"]), Field("v", BY_LABEL["string"], True)), ("id",))
    _, _, key, value = change(table, "json", "c", {"id": 1, "v": "x"}, at=(0, 0))
    document = json.loads(value or b"")
    document["payload"] = {name: document["payload"][name] for name in reversed(document["payload"])}
    document["payload"]["after"] = {"v": "x", "id": 1}
    turned = {"payload": document["payload"], "schema": document["schema"]}
    batch = Decoder().decode(TableHint(), [(0, 0, key, json.dumps(turned, indent=2).encode())])
    assert rows_of(batch.segments[0]) == [{"id": 1, "v": "x"}]


def test_the_key_schema_of_one_field_may_come_in_another_integer_type_than_the_rows() -> None:
    key = {"type": "record", "name": "K", "fields": [{"name": "id", "type": "int"}]}
    value = {"type": "record", "name": "V", "fields": [{"name": "id", "type": "long"}]}
    native = Decoder()
    native.register_schema(1, json.dumps(key))
    native.register_schema(2, json.dumps(value))
    record = (0, 0, reference.write_avro(1, key, {"id": 1}), reference.write_avro(2, value, {"id": 1}))
    assert rows_of(native.decode(TableHint(), [record]).segments[0]) == [{"id": 1}]
