"""What a reader passes over, and what it keeps of a record until it is read."""

import json
from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st
from sink_worker._native import Batch, ColumnHint, Decoder, Slim, TableHint

TABLE = TableHint([ColumnHint("id", "bigint"), ColumnHint("note", "text")], key=["id"])
TRICKY = st.text(alphabet='{}[]"\\,: aé\n\t', max_size=90)
NESTED: st.SearchStrategy[Any] = st.recursive(
    TRICKY | st.none() | st.integers(), lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TRICKY, inner, max_size=5)
)
FIELDS = [{"field": "id", "type": "int64", "optional": False}, {"field": "note", "type": "string", "optional": True}]
SCHEMA = {
    "type": "struct",
    "name": "orders.Envelope",
    "optional": False,
    "fields": [
        {"type": "struct", "name": "orders.Value", "optional": True, "field": "before", "fields": FIELDS},
        {"type": "struct", "name": "orders.Value", "optional": True, "field": "after", "fields": FIELDS},
        {"type": "struct", "name": "Source", "field": "source", "fields": [{"field": "ts_ms", "type": "int64"}]},
        {"type": "string", "optional": False, "field": "op"},
    ],
}


def dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def envelope(before: Any, number: int = 7) -> dict[str, Any]:
    return {"before": before, "after": {"id": number, "note": "n"}, "source": {"ts_ms": 5}, "op": "u"}


@given(other=NESTED)
def test_brackets_quotes_and_backslashes_are_passed_over_wherever_they_stand(other: Any) -> None:
    value = {"transaction": {"x": other}, **envelope(None), "source": {"x": other, "ts_ms": 5}}
    batch = Decoder().decode(TABLE, [(0, 0, b'{"id":7}', dumped(value))])
    assert (batch.events, batch.rejects, batch.source_ts_ms) == (1, [], (5, 5))


@given(other=NESTED, data=st.data())
def test_a_value_that_does_not_end_is_refused(other: Any, data: st.DataObject) -> None:
    whole = dumped({**envelope(None), "transaction": {"x": other}})
    cut = data.draw(st.integers(1, len(whole) - 1))
    batch = Decoder().decode(TABLE, [(0, 0, b'{"id":7}', whole[:cut])])
    assert (batch.events, len(batch.rejects)) == (0, 1)


def message(number: int, value: bytes | None) -> Message:
    return Message(topic="orders", partition=0, offset=number, key=None, value=value)


def _value(one: Message) -> Any:
    return one.value()


def rows(batch: Batch) -> list[tuple[int, int, bytes]]:
    return [(segment.upserts, segment.deletes, b"".join(segment.key_bytes("upsert"))) for segment in batch.segments]


def test_messages_without_their_schema_read_the_same_and_give_it_back() -> None:
    values = [dumped({"schema": SCHEMA, "payload": envelope(None, number)}) for number in range(1, 4)]
    values.append(dumped({"schema": SCHEMA, "payload": None}))
    plain = Decoder().decode(TABLE, [message(number, value) for number, value in enumerate(values)])
    decoder = Decoder()
    decoder.decode(TABLE, [message(0, values[0])])
    slimmed = [message(number, value) for number, value in enumerate(values)]
    decoder.slim(slimmed)
    assert all(isinstance(value, Slim) for value in map(_value, slimmed))
    assert [bytes(_value(one)) for one in slimmed] == values
    assert [len(one) for one in slimmed] == [len(dumped(envelope(None, number))) for number in range(1, 4)] + [len(b"null")]
    again = Decoder().decode(TABLE, slimmed)
    assert (again.events, again.positions, again.rejects) == (plain.events, plain.positions, plain.rejects)
    assert rows(again) == rows(plain)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\0\0\0\0\1x", b"{}", dumped({"schema": SCHEMA, "payload": 1})[:-1], dumped({"schema": None, "payload": 1})],
)
def test_what_does_not_begin_with_a_known_schema_is_left_alone(value: bytes | None) -> None:
    decoder = Decoder()
    decoder.decode(TABLE, [message(0, dumped({"schema": SCHEMA, "payload": envelope(None)}))])
    one = message(1, value)
    decoder.slim([one])
    assert one.value() == value
