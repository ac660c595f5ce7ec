"""Whatever the bytes: no crash, no hang, and every record is accounted for. What is taken for a row is one by fastavro."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_worker._native import Batch, SchemaError, TableHint

from tests.sink.native import reference
from tests.sink.native.kinds import KINDS
from tests.sink.native.records import Field, Form, Format, Record, Table, accounted, change, decoder, deleted_keys, rows_of

# Every type in one table: a mutation hits any of them.
TABLE = Table((Field("k", KINDS[4]), *(Field(kind.label, kind, True) for kind in KINDS)), ("k",))
FLAT = Table(TABLE.fields, TABLE.key, number=2, form="flat")
TIME_LIMIT_SECONDS = 5.0


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with a few of them cut, changed, doubled or moved."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(out) - 1, 0)))
        match draw(st.sampled_from(["flip", "cut", "insert", "remove", "repeat", "huge", "digit"])):
            case "flip" if out:
                out[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del out[at:]
            case "insert":
                out[at:at] = draw(st.binary(min_size=1, max_size=6))
            case "remove":
                del out[at : at + draw(st.integers(1, 9))]
            case "repeat":
                out[at:at] = out[at : at + draw(st.integers(1, 20))]
            case "huge":
                out[at:at] = draw(
                    st.sampled_from([b"\xff" * 9 + b"\x01", b"\xfe\xff\xff\xff\x0f", b"[" * 3000, b'{"a":' * 2000])
                )
            case "digit" if out:
                out[at] = ord(draw(st.sampled_from('0"{}[],:\\-ent')))
    return bytes(out)


def row(data: st.DataObject) -> dict[str, Any]:
    return {
        field.name: data.draw(st.none() | field.kind.values if field.optional else field.kind.values) for field in TABLE.fields
    }


def decode_all(batch: Batch) -> int:
    """Reads every row back; how many changes there are."""
    return sum(len(rows_of(segment)) + len(deleted_keys(segment)) for segment in batch.segments)


@pytest.mark.parametrize("table", [TABLE, FLAT], ids=["envelope", "flat"])
@pytest.mark.parametrize("format_", ["avro", "json", "bare"])
@given(data=st.data())
def test_mutated_records_are_rows_or_rejects(format_: Format, table: Table, data: st.DataObject) -> None:
    good = [change(table, format_, op, row(data), at=(0, number)) for number, op in enumerate("cud")]
    records: list[Record] = []
    for number, (_, _, key, value) in enumerate(good):
        part = data.draw(st.sampled_from(["key", "value", "both"]))
        broken_key = data.draw(mutated(key or b"")) if part != "value" else key
        broken_value = data.draw(mutated(value or b"")) if part != "key" else value
        records += [(0, 2 * number, broken_key, broken_value), (1, 2 * number + 1, key, value)]
    native = decoder(table)
    ids = native.schema_ids(records)
    for schema_id in ids:
        native.register_missing(schema_id, "fuzzed")
    start = time.thread_time()
    batch = native.decode(table.hint(), records)
    assert time.thread_time() - start < TIME_LIMIT_SECONDS
    accounted(batch, records)
    assert all(reject.error_class != "InternalError" for reject in batch.rejects)
    assert {reject.index for reject in batch.rejects} <= {0, 2, 4}, "good records are never refused"
    decode_all(batch)


@given(data=st.data())
def test_mutated_avro_that_is_taken_is_what_fastavro_reads(data: st.DataObject) -> None:
    _, _, key, value = change(TABLE, "avro", "c", row(data), at=(0, 0))
    broken = data.draw(mutated(value or b""))
    native = decoder(TABLE)
    for schema_id in native.schema_ids([(0, 0, key, broken)]):
        native.register_missing(schema_id, "fuzzed")
    batch = native.decode(TableHint(), [(0, 0, key, broken)])
    rows = [made for segment in batch.segments for made in rows_of(segment)]
    if rows:
        judged = reference.read_avro(TABLE.avro[1], broken)
        assert repr(rows[0]) == repr(TABLE.converted(judged["after"]))


@pytest.mark.parametrize("format_", ["auto", "avro", "json"])
@given(parts=st.lists(st.tuples(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=200)), max_size=8))
def test_bytes_at_random_are_accounted_for(format_: str, parts: list[tuple[bytes | None, bytes | None]]) -> None:
    native = decoder(TABLE, config=json.dumps({"format": format_}))
    records = [(0, number, key, value) for number, (key, value) in enumerate(parts)]
    for schema_id in native.schema_ids(records):
        native.register_missing(schema_id, "fuzzed")
    accounted(native.decode(TABLE.hint(), records), records)


@pytest.mark.parametrize("form", ["envelope", "flat"])
@pytest.mark.parametrize("format_", ["avro", "json", "bare"])
def test_a_record_cut_short_anywhere_is_a_reject(format_: Format, form: Form) -> None:
    table = Table((Field("k", KINDS[4]), Field("s", KINDS[7], True), Field("b", KINDS[8], True)), ("k",), form=form)
    _, _, key, value = change(table, format_, "c", {"k": 4, "s": "text", "b": b"bytes"}, at=(0, 0))
    native = decoder(table)
    records = [(0, cut, key, (value or b"")[:cut]) for cut in range(len(value or b""))]
    batch = native.decode(table.hint(), records)
    accounted(batch, records)
    assert len(batch.rejects) == len(records)


@given(data=st.data())
def test_mutated_schemas_are_refused_or_read(data: st.DataObject) -> None:
    text = json.dumps(TABLE.avro[1]).encode()
    broken = data.draw(mutated(text)).decode(errors="replace")
    native = decoder(TABLE)
    try:
        native.register_schema(77, broken)
    except SchemaError:
        return
    _, _, key, value = change(TABLE, "avro", "c", row(data), at=(0, 0))
    record: Record = (0, 0, key, b"\0\0\0\0\x4d" + (value or b"")[5:])
    batch = native.decode(TableHint(), [record])
    accounted(batch, [record])
    decode_all(batch)


@given(data=st.data())
def test_mutated_embedded_schemas_are_refused_or_read(data: st.DataObject) -> None:
    _, _, key, value = change(TABLE, "json", "c", row(data), at=(0, 0))
    schema, payload = (value or b"").split(b',"payload":', 1)
    record: Record = (0, 0, key, data.draw(mutated(schema)) + b',"payload":' + payload)
    native = decoder(TABLE)
    for schema_id in native.schema_ids([record]):
        native.register_missing(schema_id, "fuzzed")
    batch = native.decode(TableHint(), [record])
    accounted(batch, [record])
    assert all(reject.error_class != "InternalError" for reject in batch.rejects)
    decode_all(batch)
