"""Events that PostgreSQL refuses: found among their neighbours, kept, and merged later as if they had never been missing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sink_worker.replay import Result

from tests.harness.postgres_server import PostgresServer
from tests.sink.native.cell_postgres import Merging
from tests.sink.native.cell_writer import CellReplaying, CellWriter
from tests.sink.native.test_cells_in_postgres import NOW, TWO, T
from tests.sink.workload.cassandra_events import Table
from tests.sink.workload.cassandra_histories import Delivery, deliveries
from tests.sink.workload.cassandra_model import Cassandra, Cell, Put, Write

pytestmark = pytest.mark.integration
REFUSED_NUMBER, REFUSED_TEXT = 2, "é"
KILLS = st.none() | st.integers(0, 6)


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Not durable: what is killed here is the worker.
    with PostgresServer(tmp_path_factory.mktemp("postgres"), {"fsync": "off"}) as server:
        yield server.dsn()


@pytest.fixture(scope="module")
def refusing(dsn: str) -> Iterator[Merging]:
    merging = Merging(dsn, "refusing", TWO.types)
    merging.plan(merging.decode([TWO.event(Put((1, 1, 1), T, (), marks=True))])[0])
    yield merging
    merging.close()


def is_poison(write: Write) -> bool:
    """Whether PostgreSQL has no place for what it brings."""
    return isinstance(write, Put) and any(cell.value in {REFUSED_NUMBER, REFUSED_TEXT} for _, cell in write.cells)


def constrain(merging: Merging) -> None:
    table = f'public."{merging.route.table}"'
    merging.connection.execute(
        f"ALTER TABLE {table} ADD CONSTRAINT number CHECK (a <> {REFUSED_NUMBER} AND c <> {REFUSED_NUMBER}), "
        f"ADD CONSTRAINT text CHECK (b <> '{REFUSED_TEXT}')".encode()
    )


def relax(merging: Merging) -> None:
    table = f'public."{merging.route.table}"'
    merging.connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS number, DROP CONSTRAINT IF EXISTS text".encode())


@settings(max_examples=10, deadline=None)
@given(deliveries(NOW, TWO), st.data())
def test_what_is_refused_is_isolated_and_its_replay_ends_as_if_it_never_had_been(
    refusing: Merging, delivery: Delivery, data: st.DataObject
) -> None:
    """Whatever the cuts, wherever workers and replays are killed, and in whichever order the dead letters are replayed."""
    refusing.clear()
    refusing.connection.execute("DELETE FROM cdc_sink.rejected")
    constrain(refusing)
    writer = CellWriter(refusing)
    sent: list[Write] = []
    try:
        for batch in delivery.batches:
            records = [TWO.event(write, form, schema=schema) for write, form, schema in batch]
            if not writer.write(records, kill=data.draw(KILLS)):
                assert writer.write(records)
            sent += [write for write, *_ in batch]
        refused = writer.statuses()
        assert {status for _, status in refused.values()} <= {"open"}
        assert [sent[offset] for offset in refused if not is_poison(sent[offset])] == [], "neighbours are no dead letters"
        taken = {write for offset, write in enumerate(sent) if offset not in refused}
        assert refusing.rows(TWO) == Cassandra(TWO.descending, taken).rows(NOW)
        relax(refusing)
        replay_all(CellReplaying(writer), data)
        assert {status for _, status in writer.statuses().values()} <= {"replayed"}
        assert refusing.rows(TWO) == Cassandra(TWO.descending, delivery.writes).rows(NOW)
    finally:
        relax(refusing)
        writer.close()


def replay_all(replaying: CellReplaying, data: st.DataObject) -> None:
    for rejection in data.draw(st.permutations(replaying.open())):
        found = replaying.attempt(rejection, kill=data.draw(KILLS))
        if found is None:
            found = replaying.attempt(rejection)
        assert found is not None
        # SUPERSEDED: the killed try had been committed, and was not told so.
        assert found.result in {Result.REPLAYED, Result.SUPERSEDED}, found
    assert replaying.open() == []
    replaying.close()


def test_a_replayed_event_is_never_over_a_newer_one_however_late_it_comes(refusing: Merging) -> None:
    refusing.clear()
    constrain(refusing)
    writer = CellWriter(refusing)
    old = Put((7, 7, 7), T, (("a", Cell(REFUSED_NUMBER)), ("b", Cell("old"))), marks=True)
    new = Put((7, 7, 7), T + 1, (("a", Cell(1)),), marks=False)
    assert writer.write([TWO.event(old)])
    assert writer.write([TWO.event(new)])
    assert refusing.rows(TWO) == {(7, 7, 7): {"a": 1}}
    replaying = CellReplaying(writer)
    found = replaying.attempt(replaying.open()[-1])
    # Merged, its bad number is not the newest: the constraint that refused it has nothing to say any more.
    assert found is not None
    assert found.result is Result.REPLAYED
    assert refusing.rows(TWO) == {(7, 7, 7): {"a": 1, "b": "old"}}
    relax(refusing)
    replaying.close()
    writer.close()


@settings(max_examples=6, deadline=None)
@given(key=st.none() | st.binary(max_size=40), value=st.none() | st.binary(max_size=60))
def test_a_stored_event_that_is_damaged_stays_open_and_says_why(
    refusing: Merging, key: bytes | None, value: bytes | None
) -> None:
    """Whatever its bytes are by now; the table is left alone."""
    refusing.clear()
    refusing.connection.execute("DELETE FROM cdc_sink.rejected")
    constrain(refusing)
    writer = CellWriter(refusing)
    try:
        assert writer.write([TWO.event(Put((1, 1, 1), T, (("a", Cell(REFUSED_NUMBER)),), marks=True))])
        refusing.connection.execute("UPDATE cdc_sink.rejected SET raw_key = %s, raw_value = %s", [key, value])
        replaying = CellReplaying(writer)
        (rejection,) = replaying.open()
        found = replaying.attempt(rejection)
        assert found is not None
        assert found.result is Result.FAILED
        assert found.error_class
        assert found.why
        assert refusing.rows(TWO) == {}
        assert len(replaying.open()) == 1
        replaying.close()
    finally:
        relax(refusing)
        writer.close()


def test_a_batch_of_nothing_but_refused_events_is_dead_letters_all(dsn: str) -> None:
    table = Table()
    merging = Merging(dsn, "hopeless", table.types)
    writer = CellWriter(merging)
    assert writer.write([table.event(Put((1, 1), T, (("a", Cell(1)),), marks=True))])
    constrain(merging)
    assert writer.write([table.event(Put((1, row), T, (("a", Cell(REFUSED_NUMBER)),), marks=True)) for row in range(2, 11)])
    assert [kind for kind, _ in writer.statuses().values()] == ["CheckViolation:23514"] * 9
    assert merging.rows(table) == {(1, 1): {"a": 1}}
    assert writer.told == []
    writer.close()
    merging.close()


def test_an_event_from_too_far_ahead_is_listed_and_kept_and_goes_in_once_its_time_has_come(dsn: str) -> None:
    table = Table()
    merging = Merging(dsn, "ahead", table.types, future_report_seconds=0.5, future_refuse_seconds=1.0)
    writer = CellWriter(merging)
    ahead = int((time.time() + 20) * 1_000_000)
    assert writer.write([table.event(Put((1, 1), T, (("a", Cell(1)),), marks=True)),
                         table.event(Put((1, 1), ahead, (("a", Cell(2)),), marks=False))])  # fmt: skip
    assert writer.statuses() == {1: ("FutureTimestamp", "open")}
    listed = merging.connection.execute('SELECT kind, "offset", ts_us FROM cdc_sink.cell_audit').fetchall()
    assert listed == [("future", 1, ahead)]
    replaying = CellReplaying(writer)
    (kept,) = replaying.open()
    early = replaying.attempt(kept)
    assert early is not None
    assert time.time() > ahead / 1e6 - 1 or (early.result, early.error_class) == (Result.FAILED, "FutureTimestamp")
    assert writer.write([table.event(Put((1, 1), ahead - 5_000_000_000, (("a", Cell(3)),), marks=False))])
    patient = CellWriter(Merging(dsn, "ahead", table.types))  # as if the time had come: its bound is an hour
    later = CellReplaying(patient)
    done = later.attempt(kept)
    assert done is not None
    assert done.result is Result.REPLAYED
    assert merging.rows(table) == {(1, 1): {"a": 2}}
    for each in (replaying, later, writer, patient, merging, patient.merging):
        each.close()
