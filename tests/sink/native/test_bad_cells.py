"""Bad events of Cassandra's: each is one refusal that says why, its neighbours are merged, and it has no effect."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sink_worker._native import Batch, CellHint, Decoder

from tests.sink.native.fake_cell_store import FakeCellStore
from tests.sink.workload.cassandra_events import MARSHAL, Envelope, Table
from tests.sink.workload.cassandra_histories import Delivery, deliveries
from tests.sink.workload.cassandra_model import Bound, Cassandra, Cell, Erase, Put, Write

NOW = int(time.time())
T = (NOW - 3600) * 1_000_000
TABLE = Table()
REPORT, REFUSE = 5, 3600
GOOD = Put((9, 9), T, (("a", Cell(1)),), marks=True)
SPAN = Erase((1,), T, Bound((1,), inclusive=True), Bound((9,), inclusive=True))


def decoded(*records: tuple[bytes, bytes], table: Table = TABLE) -> Batch:
    """Against a clock that stands still."""
    hint = CellHint(table.types, {}, report_us=REPORT * 1_000_000, refuse_us=REFUSE * 1_000_000)
    messages = [(0, number, key, value) for number, (key, value) in enumerate(records)]
    return Decoder().decode_cells(hint, messages, NOW * 1_000_000)


def refused_between_good_ones(record: tuple[bytes, bytes]) -> str:
    """The error class of a record whose neighbours go in."""
    good = TABLE.event(GOOD)
    batch = decoded(good, record, good)
    (reject,) = batch.rejects
    assert (reject.index, sum(len(writes) for writes in batch.cells)) == (1, 1)
    assert [writes.tombstones for writes in batch.cells] == [[]]
    return reject.error_class


def edited(write: Write, **parts: Any) -> tuple[bytes, bytes]:
    """A write's event, with parts of ``source`` and ``after`` replaced."""
    key, value = TABLE.event(write)
    document = json.loads(value)
    for name, changed in parts.items():
        document[name] |= changed
    return key, json.dumps(document).encode()


def bound_of(kind: str) -> tuple[bytes, bytes]:
    """A range whose start is of another class."""
    start = {"method": "INCL_START_BOUND", "values": [{"name": "ck", "value": "1", "type": kind}]}
    return edited(SPAN, after={"_range_start": start})


@pytest.mark.parametrize(
    "kind",
    [
        "", "Int32Type", f"{MARSHAL}.Int32", f"{MARSHAL}.VectorType({MARSHAL}.FloatType , 3)", f"{MARSHAL}.EmptyType",
        f"{MARSHAL}.CompositeType({MARSHAL}.Int32Type,{MARSHAL}.Int32Type)", f"{MARSHAL}.FrozenType({MARSHAL}.Int32Type)",
        f"{MARSHAL}.ReversedType({MARSHAL}.ReversedType({MARSHAL}.Int32Type))", f"{MARSHAL}.ReversedType({MARSHAL}.Int32Type",
        f"{MARSHAL}.ReversedType(Int32Type)", "com.acme.db.marshal.Int32Type", f"{MARSHAL}.DynamicCompositeType(\u00e9)",
        f"{MARSHAL}.ReversedType(" * 50_000 + f"{MARSHAL}.Int32Type" + ")" * 50_000,
    ],
    ids=lambda kind: str(kind)[-40:],
)  # fmt: skip
def test_a_range_of_an_unknown_marshal_class_is_refused_and_deletes_nothing(kind: str) -> None:
    """However deep it is nested: the worker does not end over it."""
    assert refused_between_good_ones(bound_of(kind)) == "UnknownMarshal"


@pytest.mark.parametrize("kind", [f"{MARSHAL}.LongType", f"{MARSHAL}.ReversedType({MARSHAL}.ByteType)"])
def test_a_range_of_a_known_marshal_class_is_a_deletion(kind: str) -> None:
    (writes,) = decoded(bound_of(kind)).cells
    assert len(writes.tombstones) == 1


@pytest.mark.parametrize("write", [Erase((1, 1), T), Erase((1,), T), SPAN], ids=["row", "partition", "range"])
def test_a_deletion_that_names_no_partition_is_refused(write: Erase) -> None:
    """It would be one of everything; and the table would be taken for one without a partition key."""
    _, value = TABLE.event(write)
    assert refused_between_good_ones((b'{"id":null,"ck":null}', value)) == "MissingKey"


@pytest.mark.parametrize(
    ("ahead", "reported", "taken"),
    [(-60, False, True), (0, False, True), (REPORT, False, True), (REPORT + 1, True, True), (REFUSE, True, True),
     (REFUSE + 1, True, False), (10 * 365 * 86_400, True, False)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["row", "deletion of a row", "deletion of a partition", "range"])
def test_timestamps_ahead_of_the_clock_are_taken_reported_or_refused(
    kind: str, ahead: int, reported: bool, taken: bool
) -> None:
    ts = (NOW + ahead) * 1_000_000
    writes: dict[str, Write] = {
        "row": Put((1, 1), ts, (("a", Cell(1)),), marks=True), "deletion of a row": Erase((1, 1), ts),
        "deletion of a partition": Erase((1,), ts), "range": Erase((1,), ts, SPAN.start, SPAN.end),
    }  # fmt: skip
    batch = decoded(TABLE.event(writes[kind]))
    assert batch.future == ([(0, ts)] if reported else [])
    assert [reject.error_class for reject in batch.rejects] == ([] if taken else ["FutureTimestamp"])
    assert bool(batch.cells) is taken


@pytest.mark.parametrize("write", [Erase((1, 1), T), Erase((1,), T)], ids=["row", "partition"])
def test_a_deletion_whose_own_time_is_too_far_ahead_is_refused_whatever_its_events_is(write: Erase) -> None:
    """Deletions tell their time in their cells: that is the one that would hide every write until then."""
    far = (NOW + REFUSE + 10) * 1_000_000
    record = edited(write, after={"b": {"value": None, "deletion_ts": far, "set": True}})
    assert refused_between_good_ones(record) == "FutureTimestamp"
    assert decoded(record).future == [(0, far)]


@settings(max_examples=60, deadline=None)
@given(deliveries(NOW), st.lists(st.integers(-2 * REFUSE, 2 * REFUSE), min_size=3, max_size=3))
def test_clocks_that_differ_decide_as_they_do_in_cassandra_and_only_what_is_too_far_ahead_is_missing(
    delivery: Delivery, skews: list[int]
) -> None:
    """Each write has the clock of one coordinator; its copies from all replicas have the same."""
    store = FakeCellStore(delivery.table)
    store.hint = CellHint(delivery.table.types, {}, report_us=REPORT * 1_000_000, refuse_us=REFUSE * 1_000_000)
    taken: set[Write] = set()
    for batch in delivery.batches:
        skewed = [(_skewed(write, skews), form, schema) for write, form, schema in batch]
        good = [one for one in skewed if one[0].ts <= (NOW + REFUSE) * 1_000_000]
        records = [_record(delivery.table, one) for one in skewed]
        messages = [(0, number, key, value) for number, (key, value) in enumerate(records)]
        found = store.decoder.decode_cells(store.hint, messages, NOW * 1_000_000)
        assert [skewed[reject.index][0].ts for reject in found.rejects] == [
            one[0].ts for one in skewed if one not in good
        ]  # fmt: skip
        for writes in found.cells:
            store.merge(writes, NOW)
        taken |= {write for write, *_ in good}
    assert store.shown() == Cassandra(delivery.table.descending, taken).rows(NOW)


def _skewed(write: Write, skews: list[int]) -> Write:
    skew = (3600 + skews[(write.row[0] + write.ts) % len(skews)]) * 1_000_000
    if isinstance(write, Put):
        return Put(write.row, write.ts + skew, write.cells, write.marks, write.expires)
    return Erase(write.row, write.ts + skew, write.start, write.end)


def _record(table: Table, one: tuple[Write, Envelope, bool]) -> tuple[bytes, bytes]:
    return table.event(one[0], one[1], schema=one[2])


EXTREMES = st.sampled_from([-(2**63) + 1, -(2**63) + 2, -(2**62), -1, 0, 1, T, 2**62, 2**63 - 1])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(EXTREMES, st.sampled_from(["put", "null", "row", "partition"])), min_size=1, max_size=8), st.randoms()
)
def test_timestamps_at_the_ends_of_what_cassandra_has_are_merged_like_any_other(
    made: list[tuple[int, str]], chance: Any
) -> None:
    """``USING TIMESTAMP`` takes any number but the least."""
    writes: list[Write] = []
    for number, (ts, kind) in enumerate(made):
        row = (1, number % 2)
        if kind in {"put", "null"}:
            writes.append(Put(row, ts, (("a", Cell(number if kind == "put" else None)), ("b", Cell("x"))), marks=True))
        else:
            writes.append(Erase(row if kind == "row" else row[:1], ts))
    store = FakeCellStore(TABLE)
    store.hint = CellHint(TABLE.types, {}, report_us=2**63 - 1, refuse_us=2**63 - 1)
    order = [*writes, *writes]
    chance.shuffle(order)
    for write in order:
        store.apply([TABLE.event(write)], NOW)
    assert store.shown() == Cassandra(TABLE.descending, set(writes)).rows(NOW)
