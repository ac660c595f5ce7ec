"""Cells merged into a real PostgreSQL: histories against the model, locks, the sweeper, the types, and what is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.postgres_server import PostgresServer
from tests.sink.native.cell_postgres import Merging
from tests.sink.workload.cassandra_events import Table
from tests.sink.workload.cassandra_histories import Delivery, deliveries
from tests.sink.workload.cassandra_model import Bound, Cassandra, Cell, Erase, Put

pytestmark = pytest.mark.integration
NOW = int(time.time())
T = (NOW - 3600) * 1_000_000
TWO = Table(key=("id", "ck", "cl"), descending=(True, False))


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server.dsn()


@pytest.fixture(scope="module")
def wide(dsn: str) -> Iterator[Merging]:
    merging = Merging(dsn, "histories", TWO.types)
    yield merging
    merging.close()


@pytest.fixture
def merging(dsn: str, request: pytest.FixtureRequest) -> Iterator[Merging]:
    made = Merging(dsn, request.node.name[:40], Table().types, sweep_rows=50)
    yield made
    made.connection.execute("DELETE FROM cdc_sink.cell_tables")
    made.close()


@settings(max_examples=60, deadline=None)
@given(deliveries(NOW, TWO), st.data())
def test_any_history_with_batches_that_are_rolled_back_ends_as_the_model_says(
    wide: Merging, delivery: Delivery, data: st.DataObject
) -> None:
    wide.clear()
    for batch in delivery.batches:
        records = [TWO.event(write, form, schema=schema) for write, form, schema in batch]
        if data.draw(st.booleans()):
            wide.apply(records, abort=True)
        wide.apply(records)
    model = Cassandra(TWO.descending, delivery.writes)
    assert wide.rows(TWO) == model.rows(NOW)


def test_a_row_and_the_deletion_of_its_partition_meet_whichever_comes_first(merging: Merging) -> None:
    table = Table()
    merging.apply([table.event(Put((9, 9), T, (("a", Cell(1)),), marks=True))])
    insert = merging.decode([table.event(Put((1, 1), T, (("a", Cell(1)),), marks=True))])
    erase = merging.decode([table.event(Erase((1,), T + 1))])
    insert_plan, erase_plan = merging.plan(insert[0]), merging.plan(erase[0])
    other = merging.open()
    done = threading.Event()

    def delete_partition() -> None:
        other.execute(erase_plan.statements.create_staging)
        with other.transaction():
            merging.merger.lock(other, [(erase_plan, erase[0])])
            merging.merger.merge(other, erase_plan, erase[0])
        done.set()

    thread = threading.Thread(target=delete_partition)
    with merging.connection.transaction():
        merging.merger.lock(merging.connection, [(insert_plan, insert[0])])
        merging.merger.merge(merging.connection, insert_plan, insert[0])
        thread.start()
        _wait_for(lambda: merging.connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone() == (1,))  # fmt: skip
        assert not done.is_set(), "the deletion has to wait for the row that was merged without it"
    thread.join(120)
    other.close()
    assert merging.rows(table) == {(9, 9): {"a": 1}}
    merging.apply([table.event(Put((1, 2), T, (("a", Cell(1)),), marks=True))])
    assert merging.rows(table) == {(9, 9): {"a": 1}}


def test_a_row_that_another_session_changed_between_reading_and_writing_is_merged_again(merging: Merging) -> None:
    table = Table()
    merging.apply([table.event(Put((1, 1), T, (("a", Cell(1)), ("b", Cell("x"))), marks=True))])
    writes = merging.decode([table.event(Put((1, 1), T + 2, (("a", Cell(2)),), marks=False))])[0]
    plan = merging.plan(writes)
    late = merging.decode([table.event(Put((1, 1), T + 1, (("b", Cell("y")),), marks=False))])[0]
    merge = merging.merger._merged
    sneaked: list[bool] = []

    def sneaking(*arguments: object) -> object:
        found = merge(*arguments)  # type: ignore[arg-type]
        if not sneaked:
            sneaked.append(True)
            with merging.open() as other, other.transaction():
                other.execute(plan.statements.create_staging)
                merging.merger.merge(other, plan, late)
        return found

    merging.merger._merged = sneaking  # type: ignore[method-assign, assignment]
    with merging.connection.transaction():
        merging.merger.merge(merging.connection, plan, writes)
    assert merging.rows(table) == {(1, 1): {"a": 2, "b": "y"}}


def test_the_sweeper_takes_what_has_ended_in_small_steps_and_never_waits(merging: Merging) -> None:
    table = Table()
    soon = int(time.time()) + 2
    records = [table.event(Put((1, row), T, (("a", Cell(row, soon)), ("b", Cell("x", soon))), marks=True, expires=soon))
               for row in range(120)]  # fmt: skip
    records += [table.event(Put((2, row), T, (("a", Cell(row, soon)), ("b", Cell("x"))), marks=False)) for row in range(5)]
    merging.apply(records)
    assert len(merging.rows(table)) == 125
    _wait_for(lambda: time.time() > soon)
    sweeper = merging.sweeper()
    with merging.open() as other:
        with merging.connection.transaction():
            merging.connection.execute(f'SELECT FROM "{merging.route.table}" WHERE id = 2 AND ck = 0 FOR UPDATE'.encode())
            assert sweeper.sweep(other) == 124
        assert sweeper.sweep(other) == 1
        assert sweeper.sweep(other) == 0
    assert merging.rows(table) == {(2, row): {"b": "x"} for row in range(5)}
    merging.apply(records)
    assert merging.rows(table) == {(2, row): {"b": "x"} for row in range(5)}, "duplicates bring nothing back"


# How many rows each transaction of a sweep had to do with, as PostgreSQL saw it: of rows that are still there the transaction
# that wrote them last, of the others what a trigger noted.
NOTING = """
CREATE TABLE IF NOT EXISTS noted (transaction xid8, rows bigint);
CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN INSERT INTO noted SELECT pg_current_xact_id(), count(*) FROM gone; RETURN NULL; END';
CREATE OR REPLACE TRIGGER noting AFTER DELETE ON {} REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note();
"""
SLOW = """
CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';
CREATE TRIGGER slow BEFORE UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION slow();
"""
ROWS_OF_TRANSACTIONS = """
SELECT rows FROM (SELECT xmin::text AS id, count(*) AS rows FROM {} WHERE _cdc_expires IS NULL GROUP BY 1
                  UNION ALL SELECT transaction::text, sum(rows) FROM noted GROUP BY 1) AS found ORDER BY rows DESC
"""


@contextmanager
def alone(dsn: str, name: str, **settings: object) -> Iterator[Merging]:
    """The only table that there is to sweep."""
    merging = Merging(dsn, name, Table().types, **settings)
    forget = "DELETE FROM cdc_sink.cell_tables"
    merging.connection.execute(forget)
    yield merging
    merging.connection.execute(forget)
    merging.close()


def expired_rows(partition: int, count: int, soon: int) -> list[tuple[bytes, bytes]]:
    """Rows that lose a cell then, and stay."""
    cells = (("a", Cell(1, soon)), ("b", Cell("x")))
    return [Table().event(Put((partition, row), T, cells, marks=False)) for row in range(count)]


def sizes(merging: Merging) -> list[int]:
    query = ROWS_OF_TRANSACTIONS.format(f'"{merging.route.table}"')
    return [int(rows) for (rows,) in merging.connection.execute(query.encode()).fetchall()]


def test_a_backlog_is_swept_and_pruned_in_transactions_of_few_rows(dsn: str) -> None:
    soon = int(time.time()) + 2
    with alone(dsn, "backlog", sweep_rows=40, horizon_hours=0.5) as merging, merging.open() as other:
        merging.apply(expired_rows(1, 300, soon))
        merging.connection.execute(NOTING.format("cdc_sink.cell_graves").encode())
        merging.connection.execute(
            "INSERT INTO cdc_sink.cell_graves SELECT id, int4send(n), 0, '' "
            "FROM cdc_sink.cell_tables, generate_series(1, 300) AS n"
        )
        _wait_for(lambda: time.time() > soon)
        assert merging.sweeper().sweep(other) == 600
        found = sizes(merging)
        merging.connection.execute("DROP TABLE noted; DROP FUNCTION note CASCADE")
        assert sum(found) == 600
        assert found[0] <= 40, "a transaction has locks on no more than the settings say"
        assert len(merging.rows(Table())) == 300


def test_a_step_that_takes_long_is_ended_and_made_smaller_until_it_fits(dsn: str) -> None:
    """Each row takes 10 ms here, and no statement may take more than 20: two of them fit at most, on however fast a machine."""
    soon = int(time.time()) + 2
    with alone(dsn, "slow") as merging, merging.open() as other:
        merging.apply(expired_rows(1, 30, soon))
        merging.connection.execute("CREATE TABLE noted (transaction xid8, rows bigint)")
        merging.connection.execute(SLOW.format("slow").encode())
        _wait_for(lambda: time.time() > soon)
        assert merging.sweeper().sweep(other) == 30
        found = sizes(merging)
        merging.connection.execute("DROP TABLE noted; DROP FUNCTION slow CASCADE")
        assert sum(found) == 30
        assert found[0] <= 2


def test_a_row_that_cannot_be_swept_or_a_table_that_is_held_keeps_nothing_else_waiting(dsn: str) -> None:
    """A constraint wants the cell that has ended; another session has the first table's lock."""
    soon = int(time.time()) + 2
    with alone(dsn, "a_held") as held, alone(dsn, "b_refusing", sweep_rows=50) as merging, merging.open() as other:
        held.apply(expired_rows(1, 3, soon))
        merging.apply(expired_rows(1, 60, soon))
        merging.connection.execute("ALTER TABLE b_refusing ADD CHECK (a IS NOT NULL OR ck % 20 <> 7)")
        _wait_for(lambda: time.time() > soon)
        sweeper = merging.sweeper()
        with held.connection.transaction():
            held.connection.execute("LOCK TABLE a_held")
            assert sweeper.sweep(other) == 57
            assert {ck for (_, ck), row in merging.rows(Table()).items() if "a" in row} == {7, 27, 47}
        assert sweeper.sweep(other) == 3, "the refused rows are let be for a while, the held table's are not"
        merging.connection.execute("ALTER TABLE b_refusing DROP CONSTRAINT b_refusing_check")
        merging.connection.execute("UPDATE b_refusing SET _cdc_expires = 1 WHERE _cdc_expires IS NOT NULL")
        assert sweeper.sweep(other) == 3
        assert all("a" not in row for row in merging.rows(Table()).values())


def test_deletions_beyond_the_horizon_are_forgotten(dsn: str) -> None:
    merging = Merging(dsn, "horizon", Table().types, horizon_hours=0.5)
    table = Table()
    recent = (int(time.time()) - 60) * 1_000_000
    span = Erase((3,), T, Bound((1,), inclusive=True), Bound((), inclusive=True))
    merging.apply([table.event(erase) for erase in (Erase((1, 1), recent), Erase((1,), recent - 1), Erase((2,), T), span)])
    before = (merging.count("cell_graves"), merging.count("cell_tombstones"))
    with merging.open() as other:
        merging.sweeper().sweep(other)
    assert (before, merging.count("cell_graves"), merging.count("cell_tombstones")) == ((1, 3), 1, 1)
    merging.connection.execute("DELETE FROM cdc_sink.cell_tables")
    merging.close()


def test_the_state_takes_less_than_a_quarter_of_a_ten_column_table(dsn: str) -> None:
    table = Table(cells=tuple((f"c{number}", "text" if number % 2 else "int") for number in range(8)))
    merging = Merging(dsn, "sizes", table.types)
    for first in range(0, 2000, 500):
        cells = tuple((name, Cell(number if kind == "int" else f"value {number}"))
                      for number, (name, kind) in enumerate(table.cells))  # fmt: skip
        batch = [table.event(Put((1, number), T + number, cells, marks=True)) for number in range(first, first + 500)]
        batch += [table.event(Put((1, number), T + 9_000_000 + number, cells[:2], marks=False))
                  for number in range(first, first + 500, 2)]  # fmt: skip
        merging.apply(batch)
    row = merging.connection.execute(
        'SELECT sum(pg_column_size(t.*)), sum(pg_column_size(_cdc_ts) + coalesce(pg_column_size(_cdc_cells), 0)), '
        'count(*) FROM public.sizes AS t').fetchone()  # fmt: skip
    assert row is not None
    assert row[2] == 2000
    assert row[1] < 0.25 * (row[0] - row[1])
    merging.close()


def _wait_for(condition: object, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.05)
