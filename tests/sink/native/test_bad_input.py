"""Records that are no rows: each is one reject that says why, and its neighbours are rows."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from sink_worker._native import ERROR_CLASSES, ColumnHint, Decoder, SchemaError, TableHint, UnknownSchema

from tests.sink.native import reference
from tests.sink.native.kinds import BY_LABEL, Kind
from tests.sink.native.records import Field, Record, Table, accounted, change, decoder, encode, rows_of, source

TABLE = Table((Field("id", BY_LABEL["bigint"]), Field("v", BY_LABEL["string"], True)), ("id",))
GOOD = change(TABLE, "avro", "c", {"id": 7, "v": "good"}, at=(0, 100))
GOOD_JSON = change(TABLE, "json", "c", {"id": 7, "v": "good"}, at=(0, 100))


def refused(key: bytes | None, value: bytes | None, *, native: Decoder | None = None, hint: TableHint | None = None) -> Any:
    """The one reject of a record between two good ones."""
    records: list[Record] = [GOOD, (0, 101, key, value), (1, 5, GOOD_JSON[2], GOOD_JSON[3])]
    batch = (native or decoder(TABLE)).decode(hint or TableHint(), records)
    accounted(batch, records)
    assert sum(segment.upserts for segment in batch.segments) == 1
    (reject,) = batch.rejects
    assert reject.error_class in ERROR_CLASSES
    return reject


def avro_value(row: bytes, op: bytes = b"\x02c") -> bytes:
    """An envelope around the bytes of `after`."""
    body = b"\x00" + row + b"\x0a3.5.0\x02\x00\x00\x00" + b"\x00" + op + b"\x00"
    return struct.pack(">bI", 0, TABLE.ids[1]) + body


KEY = GOOD[2]
LONG_MAX = b"\xff" * 9 + b"\x01"


def test_the_crafted_record_is_a_good_one() -> None:
    batch = decoder(TABLE).decode(TableHint(), [(0, 0, KEY, avro_value(b"\x02\x0e\x02\x02x"))])
    assert rows_of(batch.segments[0]) == [{"id": 7, "v": "x"}]


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (b"", "Truncated"),
        (b"\x00", "Truncated"),
        (b"\x00\x00\x00", "Truncated"),
        (b"\x01\x00\x00\x00\x03", "MagicByte"),
        (b"garbage", "MagicByte"),
        ((GOOD[3] or b"")[:5], "Truncated"),
        ((GOOD[3] or b"")[:-1], "Truncated"),
        ((GOOD[3] or b"") + b"\x00", "TrailingBytes"),
        (avro_value(b"\x04"), "InvalidUnion"),
        (avro_value(b"\x01"), "InvalidUnion"),
        (avro_value(b"\x02\x0e\x02" + LONG_MAX), "InvalidLength"),
        (avro_value(b"\x02\x0e\x02\xfe\xff\xff\xff\x0f"), "Truncated"),
        (avro_value(b"\x02" + b"\xff" * 11), "InvalidVarint"),
        (avro_value(b"\x02" + b"\xff" * 9 + b"\x02"), "InvalidVarint"),
        (avro_value(b"\x02\x0e\x02\x04\xc3\x28"), "InvalidUtf8"),
        (avro_value(b"\x02\x0e\x02\x04a\x00"), "NulInText"),
        (avro_value(b"\x02\x10\x02\x02x"), "KeyMismatch"),
        (avro_value(b"\x02\x0e\x02\x02x", op=b"\x02z"), "UnknownOp"),
        (avro_value(b"\x02\x0e\x02\x02x", op=b"\x00"), "UnknownOp"),
        (avro_value(b"\x00"), "MissingAfter"),
    ],
)
def test_broken_avro_is_one_reject(value: bytes, error_class: str) -> None:
    reject = refused(KEY, value)
    assert (reject.error_class, reject.partition, reject.offset, reject.index) == (error_class, 0, 101, 1)
    assert reject.key == struct.pack(">iq", 8, 7) or reject.stage == "decode_value"


def test_stage_and_column_are_named_and_the_value_is_not() -> None:
    reject = refused(KEY, avro_value(b"\x02\x0e\x02\x0esecret\x00"))
    assert (reject.stage, reject.column) == ("convert", "v")
    assert "secret" not in reject.message + repr(reject)


def payload(**members: Any) -> bytes:
    """The good JSON record's value with other members in its payload."""
    document = json.loads(GOOD_JSON[3] or b"")
    document["payload"] |= members
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (b"{", "Truncated"),
        (b'{"schema":', "Truncated"),
        (b'{"schema":{"type":"struct"},"payload":{}}', "UnsupportedSchema"),
        (b'{"schema":{"type":"int32"},"payload":4}', "UnsupportedSchema"),
        (b'{"schema":null,"payload":4}', "InvalidJson"),
        (b'{"schema":[],"payload":{"a":1}}', "UnsupportedSchema"),
        ((GOOD_JSON[3] or b"")[:-2], "Truncated"),
        ((GOOD_JSON[3] or b"") + b"x", "TrailingBytes"),
        (payload(op="z"), "UnknownOp"),
        (payload(op=None), "UnknownOp"),
        (payload(after=None), "MissingAfter"),
        (payload(after=[1]), "InvalidJson"),
        (payload(after={"id": "7", "v": "x"}), "TypeMismatch"),
        (payload(after={"id": 7.5, "v": "x"}), "TypeMismatch"),
        (payload(after={"id": 7, "v": 12}), "TypeMismatch"),
        (payload(after={"id": 2**63, "v": "x"}), "OutOfRange"),
        (payload(after={"id": None, "v": "x"}), "NullNotAllowed"),
        (payload(after={"v": "x"}), "MissingField"),
        (payload(after={"id": 7, "v": "x", "w": 1}), "UnknownField"),
        (payload(after={"id": 7, "v": "\0"}), "NulInText"),
        (payload(after={"id": 7, "v": "\ud800"}), "InvalidJson"),
        (payload(after={"id": 8, "v": "x"}), "KeyMismatch"),
        ((GOOD_JSON[3] or b"").replace(b'"v":"good"', b'"v":"\xff"'), "InvalidUtf8"),
        ((GOOD_JSON[3] or b"").replace(b'"v":"good"', b'"v":"\\x"'), "InvalidJson"),
        ((GOOD_JSON[3] or b"").replace(b'"v":"good"', b'"v":"a\nb"'), "InvalidJson"),
        ((GOOD_JSON[3] or b"").replace(b'"id":7', b'"id":07'), "InvalidJson"),
    ],
)
def test_broken_json_is_one_reject(value: bytes, error_class: str) -> None:
    reject = refused(GOOD_JSON[2], value)
    assert (reject.error_class, reject.partition, reject.offset) == (error_class, 0, 101)


@pytest.mark.parametrize(
    ("key", "stage", "error_class"),
    [
        (None, "convert", "MissingKey"),
        (b"plain text", "decode_key", "MagicByte"),
        ((KEY or b"")[:-1], "decode_key", "Truncated"),
        ((KEY or b"") + b"\x00", "decode_key", "TrailingBytes"),
        (b'{"schema":{"type":"string","optional":false},"payload":"7"}', "decode_key", "UnsupportedSchema"),
        (b'{"id":7}', "convert", "NoColumnTypes"),
    ],
)
def test_a_broken_or_missing_key_is_a_reject(key: bytes | None, stage: str, error_class: str) -> None:
    reject = refused(key, GOOD[3])
    assert (reject.stage, reject.error_class) == (stage, error_class)


def test_unknown_schemas_are_asked_for_before_anything_is_decoded() -> None:
    with pytest.raises(UnknownSchema) as caught:
        Decoder().decode(TableHint(), [GOOD])
    assert caught.value.ids == list(TABLE.ids)
    assert Decoder().schema_ids([GOOD, GOOD_JSON]) == set(TABLE.ids)
    assert decoder(TABLE).schema_ids([GOOD]) == set()


def test_a_schema_that_the_registry_lacks_makes_rejects_until_it_is_registered() -> None:
    native = decoder(TABLE)
    stray = b"\x00" + struct.pack(">I", 404) + b"\x02"
    native.register_missing(404, "the registry answered 404")
    assert native.known(404)
    reject = refused(KEY, stray, native=native)
    assert (reject.error_class, "404" in reject.message) == ("UnknownSchema", True)
    assert refused(stray, GOOD[3], native=native).stage == "decode_key"
    native.register_schema(404, json.dumps(TABLE.avro[1]))
    again = native.decode(TableHint(), [(0, 0, KEY, b"\x00" + struct.pack(">I", 404) + (GOOD[3] or b"")[5:])])
    assert rows_of(again.segments[0]) == [{"id": 7, "v": "good"}]


@pytest.mark.parametrize(
    "schema",
    ["", "{", "[]", "{}", '"Missing"', '{"type": "record", "name": "R"}', '{"type": "enum", "name": "E"}', "[" * 200,
     '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "Other"}]}', '{"type":"fixed","name":"F","size":-1}',
     '{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"R","fields":[]}}]}', "42"],
)  # fmt: skip
def test_text_that_is_no_schema_is_refused(schema: str) -> None:
    with pytest.raises(SchemaError, match="schema 5"):
        Decoder().register_schema(5, schema)


@pytest.mark.parametrize("config", ["", "[]", '{"format": "xml"}', '{"unheard_of": "x"}', '{"geometry": 4}'])
def test_a_configuration_that_is_not_known_is_refused(config: str) -> None:
    with pytest.raises(ValueError, match=r"option|configuration"):
        Decoder(config)


def recursive(depth: int) -> bytes:
    return b"\x02" * depth


def test_recursive_schemas_are_read_and_endless_ones_end() -> None:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    schema = {"type": "record", "name": "V", "fields": [{"name": "id", "type": "long"}, {"name": "tree", "type": node}]}
    native = decoder(TABLE)
    native.register_schema(50, json.dumps(schema))
    head = b"\x00" + struct.pack(">I", 50) + b"\x0e"
    batch = native.decode(TableHint(), [(0, 0, KEY, head + recursive(3) + b"\x00")])
    assert rows_of(batch.segments[0])[0]["tree"] == '{"next":{"next":{"next":{"next":null}}}}'
    assert refused(KEY, head + recursive(100_000) + b"\x00", native=native).error_class == "TooDeep"
    endless = {"type": "record", "name": "E", "fields": [{"name": "a", "type": "E"}]}
    native.register_schema(51, json.dumps({**schema, "fields": [schema["fields"][0], {"name": "e", "type": endless}]}))
    assert refused(KEY, b"\x00" + struct.pack(">I", 51) + b"\x0e", native=native).error_class == "TooDeep"


def test_records_that_multiply_without_bytes_end() -> None:
    kind: Any = {"type": "record", "name": "R0", "fields": []}
    for level in range(1, 40):
        name = f"R{level}"
        kind = {"type": "record", "name": name, "fields": [{"name": "a", "type": kind}, {"name": "b", "type": f"R{level - 1}"}]}
    native = decoder(TABLE)
    native.register_schema(
        60, json.dumps({"type": "record", "name": "V", "fields": [{"name": "id", "type": "long"}, {"name": "x", "type": kind}]})
    )
    assert refused(KEY, b"\x00" + struct.pack(">I", 60) + b"\x0e", native=native).error_class == "TooDeep"


@pytest.mark.parametrize("count", [b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", LONG_MAX, b"\xff\xff\xff\xff\x0f"])
@pytest.mark.parametrize("item", ["null", "string"])
def test_arrays_of_absurd_length_end(item: str, count: bytes) -> None:
    schema = {"type": "record", "name": "V", "fields": [
        {"name": "id", "type": "long"}, {"name": "list", "type": {"type": "array", "items": item}}]}  # fmt: skip
    native = decoder(TABLE)
    native.register_schema(70, json.dumps(schema))
    reject = refused(KEY, b"\x00" + struct.pack(">I", 70) + b"\x0e" + count + b"\x00" * 4, native=native)
    assert reject.error_class in {"Truncated", "InvalidLength", "InvalidVarint"}


@pytest.mark.parametrize(
    ("label", "value", "error_class"),
    [
        ("date", 2**31 - 1, "OutOfRange"),
        ("date", -2_440_589, "OutOfRange"),
        ("micro_timestamp", -(2**63), "OutOfRange"),
        ("timestamp", 2**63 - 1, "OutOfRange"),
        ("zoned_timestamp", "yesterday", "TypeMismatch"),
        ("zoned_timestamp", "2026-02-30T00:00:00Z", "TypeMismatch"),
        ("zoned_timestamp", "2026-02-03T25:00:00Z", "TypeMismatch"),
        ("zoned_timestamp", "2026-02-03T00:00:00+1:00", "TypeMismatch"),
        ("zoned_timestamp", "999999-01-01T00:00:00Z", "OutOfRange"),
        ("uuid", "not-a-uuid", "TypeMismatch"),
        ("json", "{", "InvalidJson"),
        ("json", '"\\u0000"', "NulInText"),
        ("json", '"\\ud800"', "InvalidJson"),
        ("json", "01", "InvalidJson"),
        ("json", "[1,]", "InvalidJson"),
        ("json", "[" * 5000, "TooDeep"),
        ("bits_2", b"\x04", "OutOfRange"),
        ("variable_scale", {"scale": 20_000, "value": b"\x01"}, "OutOfRange"),
        ("variable_scale", {"scale": -(2**31), "value": b"\x01"}, "OutOfRange"),
        ("variable_scale", {"scale": 0, "value": b"\x7f" * 70_000}, "OutOfRange"),
    ],
)
def test_a_value_that_the_column_cannot_hold_is_a_reject(label: str, value: Any, error_class: str) -> None:
    kind: Kind = BY_LABEL[label]
    table = Table((Field("id", BY_LABEL["bigint"]), Field("bad", kind, True)), ("id",), number=9)
    record = change(table, "avro", "c", {"id": 1, "bad": value}, at=(0, 0))
    reject = refused(record[2], record[3], native=decoder(TABLE, table))
    assert (reject.stage, reject.error_class, reject.column) == ("convert", error_class, "bad")


def test_bookkeeping_is_skipped_and_counted() -> None:
    names = [
        "io.debezium.connector.common.Heartbeat",
        "io.debezium.connector.common.TransactionMetadataValue",
        "io.debezium.connector.mysql.SchemaChangeValue",
    ]
    native = Decoder()
    records: list[Record] = []
    for number, name in enumerate(names):
        space, short = name.rsplit(".", 1)
        schema = {"type": "record", "name": short, "namespace": space, "fields": [{"name": "ts_ms", "type": "long"}]}
        native.register_schema(number, json.dumps(schema))
        records.append((0, number, b"\x00\x00", reference.write_avro(number, schema, {"ts_ms": 4})))
        connect = {"type": "struct", "name": name, "fields": [{"type": "int64", "field": "ts_ms"}]}
        records.append((0, 10 + number, None, json.dumps({"schema": connect, "payload": {"ts_ms": 4}}).encode()))
    records += [
        (0, 20, b'{"serverName":"x"}', b'{"ts_ms":4}'),
        (0, 21, None, b'{"status":"BEGIN","id":"1","event_count":null,"ts_ms":4}'),
    ]
    records += [(0, 22, None, None)]
    batch = native.decode(TableHint(), records)
    assert (batch.skipped, batch.rejects, batch.segments) == (len(records), [], [])


def test_a_logical_message_is_skipped() -> None:
    value = {"before": None, "after": None, "source": source(1), "transaction": None, "op": "m", "ts_ms": 1}
    batch = decoder(TABLE).decode(TableHint(), [(0, 0, *encode(TABLE, "avro", key={"id": 1}, value=value))])
    assert (batch.skipped, batch.events, batch.segments) == (1, 0, [])


@pytest.mark.parametrize("messages", [[4], [(0, 0, "text", None)], [(0, 0)], 7, [(0, 0, bytearray(b"x"), None)]])
def test_what_is_no_message_is_a_type_error(messages: Any) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)):
        Decoder().decode(TableHint(), messages)


def test_the_format_can_be_fixed() -> None:
    for config, record in [('{"format": "avro"}', GOOD_JSON), ('{"format": "json"}', GOOD)]:
        native = Decoder(config)
        if "avro" in config:
            assert native.decode(TableHint(), [record]).rejects[0].error_class == "MagicByte"
        else:
            assert native.decode(TableHint(), [record]).rejects[0].error_class == "InvalidJson"


def test_a_hint_without_the_column_refuses_the_schemaless_record_or_ignores_the_field() -> None:
    hint = TableHint([ColumnHint("id", "bigint", nullable=False)], key=["id"])
    bare = change(TABLE, "bare", "c", {"id": 7, "v": "x"}, at=(0, 0))
    (reject,) = Decoder().decode(hint, [bare]).rejects
    assert (reject.error_class, reject.column) == ("UnknownField", "v")
    ignoring = Decoder('{"unknown_fields": "ignore"}').decode(hint, [bare])
    assert rows_of(ignoring.segments[0]) == [{"id": 7}]
