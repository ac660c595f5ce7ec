"""Every type of the requirements' table B5, in each form that the connector's converters give it, becomes PostgreSQL's."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import fastavro
import pytest
from sink_worker._native import CellHint, Decoder, MaskKey
from sink_worker.cassandra.source import cell_hint

from tests.harness.postgres_server import PostgresServer
from tests.sink.native.cell_postgres import Merging

pytestmark = pytest.mark.integration
TS = time.time_ns() // 1000 - 60_000_000
BIG = 123456789012345678901234567890
STAMP = datetime(2026, 11, 22, 10, 30, 0, 123000, tzinfo=UTC)
NAMES = {"debezium": "io.debezium.time", "connect": "org.apache.kafka.connect.data"}


def named(kind: str, name: str) -> dict[str, Any]:
    return {"type": kind, "name": name}


@dataclass(frozen=True)
class Case:
    """A column: its CQL type, a value as Connect's JSON has it with the schema of it, and what PostgreSQL shows."""

    cql: str
    pg_type: str
    value: Any
    schema: dict[str, Any]
    shown: Any
    avro: Any = None


INT, TEXT = {"type": "int32"}, {"type": "string"}
CASES = {
    "tiny": Case("tinyint", "smallint", -3, {"type": "int8"}, -3),
    "small": Case("smallint", "smallint", -300, {"type": "int16"}, -300),
    "plain": Case("int", "integer", -70_000, INT, -70_000),
    "large": Case("bigint", "bigint", 2**62, {"type": "int64"}, 2**62),
    "single": Case("float", "real", 1.5, {"type": "float"}, 1.5),
    "twofold": Case("double", "double precision", 1e300, {"type": "double"}, 1e300),
    "truth": Case("boolean", "boolean", True, {"type": "boolean"}, True),
    "ascii_": Case("ascii", "text", "a\"b", TEXT, "a\"b"),
    "varchar_": Case("varchar", "text", "ü\n", TEXT, "ü\n"),
    "blob_": Case("blob", "bytea", base64.b64encode(b"\x00\xff").decode(), {"type": "bytes"}, b"\x00\xff", avro=b"\x00\xff"),
    "decimal_": Case("decimal", "numeric", "12345678901234567890.1234567890", TEXT, Decimal("12345678901234567890.1234567890")),
    "exponent": Case("decimal", "numeric", "1E+5", TEXT, Decimal(100000)),
    "varint_": Case("varint", "numeric", str(BIG), TEXT, Decimal(BIG)),
    "uuid_": Case("uuid", "uuid", "00112233-4455-4677-8899-aabbccddeeff", named("string", "io.debezium.data.Uuid"),
                  UUID("00112233-4455-4677-8899-aabbccddeeff")),
    "timeuuid_": Case("timeuuid", "uuid", "d2177dd0-eaa2-11de-a572-001b779c76e3", named("string", "io.debezium.data.Uuid"),
                      UUID("d2177dd0-eaa2-11de-a572-001b779c76e3")),
    "stamp": Case("timestamp", "timestamp with time zone", int(STAMP.timestamp() * 1000),
                  named("int64", "io.debezium.time.Timestamp"), STAMP),
    "day": Case("date", "date", 20445, named("int32", "io.debezium.time.Date"), date(2025, 12, 23)),
    "hour": Case("time", "time without time zone", 45296123456789, {"type": "int64"}, clock(12, 34, 56, 123456)),
    "span": Case("duration", "interval", 90_000_000_000, named("int64", "io.debezium.time.NanoDuration"),
                 timedelta(seconds=90)),
    "four": Case("inet", "inet", "/10.0.0.1", TEXT, ip_address("10.0.0.1")),
    "six": Case("inet", "inet", "host/2001:db8:0:0:0:0:0:1", TEXT, ip_address("2001:db8::1")),
    "ints": Case("frozen<list<int>>", "integer[]", [3, None, 1], {"type": "array", "items": INT}, [3, None, 1]),
    "texts": Case("frozen<set<text>>", "text[]", ["a", ""], {"type": "array", "items": TEXT}, ["a", ""]),
    "inets": Case("frozen<list<inet>>", "inet[]", ["/10.0.0.1"], {"type": "array", "items": TEXT}, [ip_address("10.0.0.1")]),
    "stamps": Case("frozen<list<timestamp>>", "timestamp with time zone[]", [int(STAMP.timestamp() * 1000)],
                   {"type": "array", "items": named("int64", "io.debezium.time.Timestamp")}, [STAMP]),
    "none": Case("frozen<list<uuid>>", "uuid[]", [], {"type": "array", "items": named("string", "io.debezium.data.Uuid")}, []),
    "nested": Case("frozen<list<frozen<list<int>>>>", "jsonb", [[1], [], [2, 3]],
                   {"type": "array", "items": {"type": "array", "items": INT}}, [[1], [], [2, 3]]),
    "named_": Case("frozen<map<text,int>>", "jsonb", {"b": 1, "a": None}, {"type": "map", "keys": TEXT, "values": INT},
                   {"b": 1, "a": None}),
    "numbered": Case("frozen<map<int,text>>", "jsonb", [[1, "x"], [2, None]], {"type": "map", "keys": INT, "values": TEXT},
                     {"1": "x", "2": None}, avro=[{"key": 1, "value": "x"}, {"key": 2, "value": None}]),
    "pair": Case("frozen<tuple<int,text,timestamp>>", "jsonb", {"field1": 1, "field2": None, "field3": 0},
                 {"type": "struct", "name": "Int32UTF8TimestampTuple", "fields": [
                     {"field": "field1", **INT}, {"field": "field2", **TEXT},
                     {"field": "field3", **named("int64", "io.debezium.time.Timestamp")}]},
                 [1, None, "1970-01-01T00:00:00.000Z"]),
    "address": Case("frozen<address>", "jsonb", {"street": "1 \"A\" St", "zip": 5, "lines": ["x", None]},
                    {"type": "struct", "name": "inv.address", "fields": [
                        {"field": "street", **TEXT}, {"field": "zip", **INT},
                        {"field": "lines", "type": "array", "items": TEXT}]},
                    {"street": "1 \"A\" St", "zip": 5, "lines": ["x", None]}),
}  # fmt: skip
TYPES = {"id": "int", **{name: case.cql for name, case in CASES.items()}}


def envelope(cells: dict[str, Any]) -> dict[str, Any]:
    source = {"ts_us": TS, "ts_ms": TS // 1000, "snapshot": "false"}
    return {
        "ts_ms": TS // 1000,
        "op": "i",
        "source": source,
        "after": {"id": cell(1), **cells, "_range_start": None, "_range_end": None},
    }


def cell(value: Any) -> dict[str, Any]:
    return {"value": value, "deletion_ts": None, "set": True}


def optional(schema: dict[str, Any]) -> dict[str, Any]:
    """Nulls are allowed everywhere, as the connector allows them."""
    out = {**schema, "optional": True}
    for part in ("items", "keys", "values"):
        if part in out:
            out[part] = optional(out[part])
    if "fields" in out:
        out["fields"] = [optional(field) for field in out["fields"]]
    return out


def connect_schema() -> dict[str, Any]:
    def one(name: str, schema: dict[str, Any]) -> dict[str, Any]:
        fields = [{"field": "value", **optional(schema)}, {"field": "deletion_ts", "type": "int64", "optional": True},
                  {"field": "set", "type": "boolean"}]  # fmt: skip
        return {"field": name, "type": "struct", "name": "cell_value", "optional": True, "fields": fields}

    fields = [one("id", INT), *(one(name, case.schema) for name, case in CASES.items())]
    fields += [{"field": name, "type": "struct", "optional": True, "fields": []} for name in ("_range_start", "_range_end")]
    return {
        "type": "struct",
        "fields": [{"field": "op", "type": "string"}, {"field": "after", "type": "struct", "fields": fields}],
    }


def avro_type(schema: dict[str, Any], path: str) -> Any:
    """As Confluent's converter maps Connect's schemas."""
    plain = {"int8": "int", "int16": "int", "int32": "int", "int64": "long", "float": "float", "double": "double",
             "boolean": "boolean", "string": "string", "bytes": "bytes"}  # fmt: skip
    kind = schema["type"]
    if kind in plain:
        extra: dict[str, Any] = {"connect.type": kind} if kind in {"int8", "int16"} else {}
        if "name" in schema:
            extra["connect.name"] = schema["name"]
        found: Any = {"type": plain[kind], **extra} if extra else plain[kind]
    elif kind == "array":
        found = {"type": "array", "items": avro_type(schema["items"], f"{path}_item")}
    elif kind == "map" and schema["keys"]["type"] == "string":
        found = {"type": "map", "values": avro_type(schema["values"], f"{path}_value")}
    elif kind == "map":
        entry = {
            "type": "record",
            "name": f"{path}_MapEntry",
            "fields": [
                {"name": "key", "type": avro_type(schema["keys"], f"{path}_k")},
                {"name": "value", "type": avro_type(schema["values"], f"{path}_v")},
            ],
            "connect.name": "io.confluent.connect.avro.MapEntry",
        }
        found = {"type": "array", "items": entry}
    else:
        fields = [{"name": field["field"], "type": avro_type(field, f"{path}_{field['field']}")} for field in schema["fields"]]
        found = {"type": "record", "name": f"{path}_r", "fields": fields, "connect.name": schema.get("name", path)}
    return ["null", found]


def avro_schema() -> dict[str, Any]:
    def one(name: str, schema: dict[str, Any]) -> dict[str, Any]:
        fields = [{"name": "value", "type": avro_type(schema, name)}, {"name": "deletion_ts", "type": ["null", "long"]},
                  {"name": "set", "type": "boolean"}]  # fmt: skip
        return {"name": name, "type": ["null", {"type": "record", "name": f"cell_{name}", "fields": fields}]}

    source = {"type": "record", "name": "Source", "fields": [
        {"name": "ts_ms", "type": "long"}, {"name": "snapshot", "type": ["string", "null"]},
        {"name": "ts_us", "type": ["null", "long"]}]}  # fmt: skip
    bound = {"type": "record", "name": "start", "fields": [{"name": "method", "type": "string"}]}
    after = {"type": "record", "name": "after", "fields": [
        one("id", INT), *(one(name, case.schema) for name, case in CASES.items()),
        {"name": "_range_start", "type": ["null", bound]}, {"name": "_range_end", "type": ["null", "start"]}]}  # fmt: skip
    return {"type": "record", "name": "Envelope", "fields": [
        {"name": "ts_ms", "type": "long"}, {"name": "op", "type": "string"}, {"name": "source", "type": source},
        {"name": "after", "type": after}]}  # fmt: skip


def records(kind: str, cells: dict[str, Any], decoder: Decoder) -> tuple[bytes, bytes]:
    value = envelope({name: cells.get(name) for name in CASES})
    if kind == "bare":
        return json.dumps({"id": 1}).encode(), json.dumps(value).encode()
    if kind == "json":
        key = {"schema": {"type": "struct", "fields": [{"field": "id", **INT}]}, "payload": {"id": 1}}
        return json.dumps(key).encode(), json.dumps({"schema": connect_schema(), "payload": value}).encode()
    key_schema = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "int"}]}
    schemas = {1: key_schema, 2: avro_schema()}
    for number, schema in schemas.items():
        decoder.register_schema(number, json.dumps(schema))
    for name, found in value["after"].items():
        if name in CASES and found is not None and found["value"] is not None and CASES[name].avro is not None:
            found["value"] = CASES[name].avro
    return written(1, key_schema, {"id": 1}), written(2, schemas[2], value)


def written(number: int, schema: dict[str, Any], datum: Any) -> bytes:
    out = io.BytesIO(b"\0" + number.to_bytes(4, "big"))
    out.seek(5)
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), datum)
    return out.getvalue()


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server.dsn()


@pytest.mark.parametrize("kind", ["bare", "json", "avro"])
def test_every_type_becomes_its_own_with_and_without_values(dsn: str, kind: str) -> None:
    merging = Merging(dsn, f"types_{kind}", TYPES)
    filled = records(kind, {name: cell(case.value) for name, case in CASES.items()}, merging.decoder)
    merging.apply([filled])
    types: dict[str, str] = dict(merging.connection.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
        [f"public.types_{kind}"]).fetchall())  # fmt: skip
    assert {name: types[name] for name in CASES} == {name: case.pg_type for name, case in CASES.items()}
    names = ", ".join(f'"{name}"' for name in CASES)
    row = merging.connection.execute(f"SELECT {names} FROM public.types_{kind}".encode()).fetchone()
    assert row is not None
    assert dict(zip(CASES, row, strict=True)) == {name: case.shown for name, case in CASES.items()}
    before = merging.connection.execute(f"SELECT xmin::text FROM public.types_{kind}".encode()).fetchone()
    merging.apply([filled])
    after = merging.connection.execute(f"SELECT xmin::text FROM public.types_{kind}".encode()).fetchone()
    assert before == after, "what PostgreSQL gives back is what was written: a duplicate changes nothing"
    merging.apply([records(kind, {name: cell(None) for name in CASES}, merging.decoder)])
    row = merging.connection.execute(f"SELECT num_nonnulls({names}) FROM public.types_{kind}".encode()).fetchone()
    assert row == (0,), "at the same time a null wins"
    gin = merging.connection.execute("SELECT gin FROM cdc_sink.cell_tables WHERE table_name = %s", [f"types_{kind}"]).fetchone()
    assert gin == (["named_", "numbered"],)
    merging.close()


WIDER = {"tiny": "bigint", "small": "integer", "plain": "numeric(12,2)", "single": "double precision", "ints": "bigint[]"}
REDACTED = ("large", "stamp", "four", "texts", "nested", "named_", "numbered", "pair", "address")


@pytest.mark.parametrize("kind", ["bare", "json", "avro"])
def test_numbers_are_as_wide_as_their_column_and_what_is_redacted_is_null(dsn: str, kind: str) -> None:
    merging = Merging(dsn, f"wide_{kind}", TYPES)
    masks = {name: MaskKey(b"a key of masks that has at least 32 bytes").mask("redact") for name in REDACTED}
    merging.hint = cell_hint(merging.settings.cassandra, merging.route.topic, WIDER, masks)
    merging.apply([records(kind, {name: cell(case.value) for name, case in CASES.items()}, merging.decoder)])
    wanted = {name: case.pg_type for name, case in CASES.items()} | WIDER | {"plain": "numeric"}
    types: dict[str, str] = dict(merging.connection.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
        [f"public.wide_{kind}"]).fetchall())  # fmt: skip
    assert {name: types[name] for name in CASES} == wanted
    names = ", ".join(f'"{name}"' for name in CASES)
    row = merging.connection.execute(f"SELECT {names} FROM public.wide_{kind}".encode()).fetchone() or ()
    shown = {name: case.shown for name, case in CASES.items()} | dict.fromkeys(REDACTED)
    assert dict(zip(CASES, row, strict=True)) == shown
    merging.close()


def rejected(types: dict[str, str], value: Any, **hints: Any) -> tuple[str, str | None]:
    cells = {"v": None if value is None else cell(value)}
    hint = CellHint(types, {}, **hints)
    batch = Decoder().decode_cells(hint, [(0, 0, b'{"id":1}', json.dumps(envelope(cells)).encode())], TS)
    (reject,) = batch.rejects
    return reject.error_class, reject.column


@pytest.mark.parametrize(("cql", "value", "error"), [
    ("decimal", 1.1, "LossyMode"), ("varint", 5, "LossyMode"), ("list<decimal>", [1.1], "LossyMode"),
    ("inet", "/not an address", "TypeMismatch"), ("uuid", "x", "TypeMismatch"), ("int", "x", "TypeMismatch"),
    ("int", 2**40, "OutOfRange"), ("text", "a\0b", "NulInText"), ("frozen<map<text,text>>", {"a": "\0"}, "NulInText"),
    ("decimal", "ten", "TypeMismatch"), ("blob", "!", "TypeMismatch"),
])  # fmt: skip
def test_what_a_type_cannot_hold_is_refused(cql: str, value: Any, error: str) -> None:
    types = {"id": "int", "v": cql.replace("frozen<map<text,text>>", "map<text,text>")}
    assert rejected(types, value) == (error, "v")


def test_a_varint_may_come_as_a_number_where_the_mode_is_precise() -> None:
    hint = CellHint({"id": "int", "v": "varint"}, {}, precise=True)
    records_ = [(0, 0, b'{"id":1}', json.dumps(envelope({"v": cell(value)})).encode()) for value in (BIG, "AQ==")]
    assert Decoder().decode_cells(hint, records_, TS).rejects == []
