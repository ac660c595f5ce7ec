"""Cells are merged as Cassandra merges them: the model says what comes out, whatever came in which order, and how often."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sink.native.fake_cell_store import FakeCellStore
from tests.sink.workload.cassandra_events import Table
from tests.sink.workload.cassandra_histories import Delivery, deliveries
from tests.sink.workload.cassandra_model import Bound, Cassandra, Cell, Erase, Put, Write

NOW = int(time.time())
T = (NOW - 3600) * 1_000_000
TABLE = Table()


def applied(writes: list[Write], *, store: FakeCellStore | None = None) -> FakeCellStore:
    store = store or FakeCellStore(TABLE)
    for write in writes:
        store.apply([TABLE.event(write)], NOW)
    return store


@settings(max_examples=300, deadline=None)
@given(deliveries(NOW))
def test_any_order_any_batches_and_any_duplicates_end_as_the_model_says(delivery: Delivery) -> None:
    store = FakeCellStore(delivery.table)
    for batch in delivery.batches:
        store.apply([delivery.table.event(write, form, schema=schema) for write, form, schema in batch], NOW)
    model = Cassandra(delivery.table.descending, delivery.writes)
    assert store.shown() == model.rows(NOW)


@settings(max_examples=100, deadline=None)
@given(deliveries(NOW), st.lists(st.sampled_from([NOW - 150, NOW, NOW + 15_000, NOW + 30_000]), max_size=3))
def test_sweeps_at_any_time_change_nothing_but_what_has_ended(delivery: Delivery, sweeps: list[int]) -> None:
    store = FakeCellStore(delivery.table)
    moments = sorted(sweeps)
    for number, batch in enumerate(delivery.batches):
        moment = moments[number] if number < len(moments) else NOW + 30_000
        store.apply([delivery.table.event(write) for write, *_ in batch], moment)
        store.merge(None, moment)
    store.merge(None, NOW + 30_000)
    assert store.shown() == Cassandra(delivery.table.descending, delivery.writes).rows(NOW + 30_000)


@settings(max_examples=100, deadline=None)
@given(deliveries(NOW))
def test_what_came_before_writes_nothing(delivery: Delivery) -> None:
    store = FakeCellStore(delivery.table)
    events = [delivery.table.event(write) for write in delivery.writes]
    store.apply(events, NOW)
    written = store.written
    for event in [*events, *events]:
        store.apply([event], NOW)
    assert store.written == written


def test_a_row_that_only_updates_made_goes_with_its_last_cell_and_an_inserted_one_stays() -> None:
    updated = Put((1, 1), T, (("a", Cell(1)),), marks=False)
    inserted = Put((1, 2), T, (("a", Cell(1)),), marks=True)
    nulls: list[Write] = [Put((1, row), T + 1, (("a", Cell(None)),), marks=False) for row in (1, 2)]
    assert applied([updated, inserted, *nulls]).shown() == {(1, 2): {}}


def test_an_untouched_cell_takes_an_older_write_and_a_null_one_does_not() -> None:
    late: Write = Put((1, 1), T, (("b", Cell("old")), ("c", Cell(3))), marks=False)
    assert applied([Put((1, 1), T + 1, (("a", Cell(1)), ("b", Cell(None))), marks=True), late]).shown() == {
        (1, 1): {"a": 1, "c": 3}
    }


def test_a_row_older_than_a_deletion_of_its_partition_or_range_stays_away_whenever_it_comes() -> None:
    old: list[Write] = [Put((1, row), T, (("a", Cell(row)),), marks=True) for row in range(4)]
    middle = Erase((1,), T, Bound((0,), inclusive=False), Bound((2,), inclusive=True))
    assert applied([middle, *old]).shown() == applied([*old, middle]).shown() == {(1, 0): {"a": 0}, (1, 3): {"a": 3}}
    assert applied([Erase((1,), T), *old]).shown() == {}
    assert not applied([Erase((1,), T), *old]).graves, "the partition's deletion remembers for all its rows"


def test_a_deleted_row_is_remembered_until_the_horizon_and_no_longer() -> None:
    late: Write = Put((1, 1), T, (("a", Cell(1)),), marks=True)
    store = applied([Erase((1, 1), T + 5)])
    assert store.graves
    assert applied([late], store=store).shown() == {}
    writes = store.decode([TABLE.event(Put((1, 1), T + 6, (("a", Cell(2)),), marks=True))])[0]
    store.merge(writes, NOW, cutoff_us=T + 6)
    assert store.shown() == {(1, 1): {"a": 2}}
    assert not store.graves
    assert [fields[1] for _, fields in store.rows.values()] == [None], "beyond the horizon nothing is kept beside a row"


def test_the_state_of_a_row_is_small() -> None:
    table = Table(cells=tuple((f"c{number}", "int") for number in range(10)))
    store = FakeCellStore(table)
    cells = tuple((name, Cell(1)) for name, _ in table.cells)
    day = 86_400_000_000
    store.apply([table.event(Put((1, 1), T - 3 * day, cells, marks=True))], NOW)
    assert [fields[1] for _, fields in store.rows.values()] == [None]
    store.apply([table.event(Put((1, 1), T - 2 * day, cells[:3], marks=False))], NOW)
    store.apply([table.event(Put((1, 1), T - day, (("c4", Cell(None)),), marks=False))], NOW)
    (state,) = [fields[1] for _, fields in store.rows.values()]
    assert state is not None
    assert len(state) <= 24
