"""Random histories, cut into batches anywhere, leave what one event at a time leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_worker._native import TableHint

from tests.sink.native.kinds import BY_LABEL, KEY_KINDS, KINDS
from tests.sink.native.records import Field, Form, Format, Record, Table, accounted, apply, change, decoder
from tests.sink.native.reference import Model

PARTITIONS = 3


@dataclass(frozen=True)
class History:
    tables: list[Table]
    records: list[Record]
    events: list[tuple[str, Any, Any]]
    bad: int
    cuts: list[int]


@st.composite
def versions(draw: st.DrawFn, form: Form) -> list[Table]:
    """Versions of a table: columns come and go, the key stays."""
    key = [
        Field(f"k{number}", kind)
        for number, kind in enumerate(draw(st.lists(st.sampled_from(KEY_KINDS), min_size=1, max_size=2)))
    ]
    pool = [
        Field(f"c{number}", kind, draw(st.booleans()))
        for number, kind in enumerate(draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4)))
    ]
    tables = []
    for number in range(draw(st.integers(1, 3))):
        columns = draw(st.lists(st.sampled_from(pool), unique_by=lambda field: field.name, max_size=len(pool)))
        fields = draw(st.permutations(key)) + columns
        tables.append(Table(tuple(fields), tuple(field.name for field in key), number + 1, form))
    return tables


@st.composite
def histories(draw: st.DrawFn, format_: Format, form: Form) -> History:
    tables = draw(versions(form))
    key_row = st.fixed_dictionaries({field.name: field.kind.values for field in tables[0].key_fields})
    keys = draw(st.lists(key_row, min_size=1, max_size=4))
    records: list[Record] = []
    events: list[tuple[str, Any, Any]] = []
    offsets, bad = [0] * PARTITIONS, 0
    ops = ["c", "u", "u", "r", "d", "tombstone", "bad"] + (["t"] if form == "envelope" else [])
    for op in draw(st.lists(st.sampled_from(ops), min_size=1, max_size=25)):
        table = draw(st.sampled_from(tables))
        which = draw(st.integers(0, len(keys) - 1))
        partition = which % PARTITIONS
        at = (partition, offsets[partition])
        offsets[partition] += 1
        if op == "bad":
            bad += 1
            records.append((*at, b"\x07 no key", b"\x07 no value"))
            continue
        row = {**keys[which]}
        for field in table.fields:
            if field.name not in row:
                row[field.name] = draw(st.none() | field.kind.values if field.optional else field.kind.values)
        records.append(change(table, format_, op, row, at=at))
        events.append((op, table.key_of(row), table.converted(row)))
    cuts = sorted(draw(st.lists(st.integers(0, len(records)), max_size=4)))
    return History(tables, records, events, bad, [0, *cuts, len(records)])


def judge(history: History, hint: TableHint) -> None:
    expected, actual = Model(), Model()
    expected.apply(history.events)
    native = decoder(*history.tables)
    bad = 0
    for low, high in zip(history.cuts, history.cuts[1:], strict=False):
        batch = native.decode(hint, history.records[low:high])
        accounted(batch, history.records[low:high])
        bad += len(batch.rejects)
        apply(actual, batch)
        for segment in batch.segments:
            assert_sorted(segment)
    assert bad == history.bad
    assert actual.rows == expected.rows


def assert_sorted(segment: Any) -> None:
    for kind in ("upsert", "delete"):
        keys = segment.key_bytes(kind)
        assert keys == sorted(keys, key=lambda key: (key[4:12].ljust(8, b"\0"), key))
        assert segment.find(keys) == [(kind, place) for place in range(len(keys))]


@pytest.mark.parametrize(("format_", "form"), [("avro", "envelope"), ("avro", "flat"), ("json", "envelope"), ("json", "flat")])
@given(data=st.data())
def test_batches_cut_anywhere_leave_the_same_state(format_: Format, form: Form, data: st.DataObject) -> None:
    judge(data.draw(histories(format_, form)), TableHint())


@pytest.mark.parametrize("form", ["envelope", "flat"])
@given(data=st.data())
def test_histories_without_schema_leave_the_same_state(form: Form, data: st.DataObject) -> None:
    history = data.draw(histories("bare", form))
    fields = {field.name: field for table in history.tables for field in table.fields}
    whole = Table(tuple(fields.values()), history.tables[0].key, form=form)
    judge(history, whole.hint())


@given(data=st.data())
def test_formats_may_change_in_the_middle(data: st.DataObject) -> None:
    """A topic whose converter was changed: the decoder tells the formats apart record by record."""
    table = Table((Field("id", BY_LABEL["bigint"]), Field("v", BY_LABEL["string"], True)), ("id",))
    expected, actual = Model(), Model()
    records = []
    steps = st.tuples(
        st.sampled_from(["avro", "json", "bare"]), st.sampled_from("cud"), st.integers(0, 2), st.none() | st.text("ab")
    )
    for offset, (format_, op, number, text) in enumerate(data.draw(st.lists(steps, max_size=20))):
        row = {"id": number, "v": text}
        records.append(change(table, format_, op, row, at=(0, offset)))  # type: ignore[arg-type]
        expected.apply([(op, (number,), row)])
    apply(actual, decoder(table).decode(table.hint(), records))
    assert actual.rows == expected.rows
