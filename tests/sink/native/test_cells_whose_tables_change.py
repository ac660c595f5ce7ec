"""Cassandra's tables change their columns: what is additive is done, what breaks ends where the settings say."""

from __future__ import annotations

import itertools
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sink_worker.control import Connection
from sink_worker.errors import ReviewChangedError, TableError
from sink_worker.evolution.metrics import EvolutionMetrics
from sink_worker.evolution.reviews import ReviewError, approve, list_pending, reject
from sink_worker.evolution.steward import Steward
from sink_worker.metrics import Metrics
from sink_worker.work import Halted

from tests.harness.postgres_server import PostgresServer
from tests.harness.processes import wait_until
from tests.sink.native.cell_postgres import Merging, Record
from tests.sink.native.cell_writer import CellWriter, FakeRereader
from tests.sink.workload.cells_with_schema import BIGINT, DOUBLE, FLOAT, INT, MAP, SET, TEXT, Columns, event, udt

pytestmark = pytest.mark.integration
SECOND = 1_000_000
T = time.time_ns() // 1000 - 3600 * SECOND
LATER = T + 600 * SECOND
"""Beyond what an agent may lag behind the others."""
FIRST: Columns = {"id": INT, "v": INT, "name": TEXT}
BROKEN: Columns = {**FIRST, "v": TEXT}
Make = Callable[..., CellWriter]


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server.dsn()


@pytest.fixture
def make(dsn: str, request: pytest.FixtureRequest) -> Iterator[Make]:
    """A writer of a table of this test's own."""
    made: list[CellWriter] = []

    def new(types: dict[str, str] | None = None, rereader: FakeRereader | None = None, *,
            evolution: dict[str, Any] | None = None, **cassandra: Any) -> CellWriter:  # fmt: skip
        name = f"t{zlib.crc32(request.node.name.encode())}"
        sections = {"evolution": {"breaking": "queue", "cache_seconds": 1e-6, **(evolution or {})}}
        merging = Merging(dsn, name, types or {}, sections, **cassandra)
        made.append(CellWriter(merging, rereader))
        return made[-1]

    yield new
    for writer in made:
        writer.close()
        writer.merging.close()


def rows(writer: CellWriter, *columns: str) -> list[tuple[Any, ...]]:
    names = ", ".join(columns)
    return writer.merging.connection.execute(
        f"SELECT {names} FROM {writer.merging.route.label} ORDER BY id".encode()
    ).fetchall()


def types(writer: CellWriter) -> dict[str, str]:
    found = writer.merging.connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped AND attname !~ '^_cdc'", [writer.merging.route.label]
    )  # fmt: skip
    return dict(found.fetchall())


def audited(writer: CellWriter) -> list[str]:
    found = writer.merging.connection.execute(
        "SELECT event FROM cdc_sink.schema_audit WHERE topic = %s ORDER BY id", [writer.merging.route.topic]
    )
    return [name for (name,) in found]


def graves(writer: CellWriter) -> int:
    where = "table_id = (SELECT id FROM cdc_sink.cell_tables WHERE table_name = %s)"
    [(count,)] = writer.merging.connection.execute(
        f"SELECT count(*) FROM cdc_sink.cell_graves WHERE {where}".encode(), [writer.merging.route.table]
    )
    return int(count)


def review(writer: CellWriter) -> Any:
    [found] = [each for each in list_pending(writer.merging.settings) if each.topic == writer.merging.route.topic]
    return found


WIDER = [(INT, BIGINT, "bigint", 5, 2**40), (FLOAT, DOUBLE, "double precision", 0.1, 0.1),
         (INT, {"type": "string"}, "numeric", 7, str(2**80))]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "kind", "was", "becomes"), WIDER)
def test_a_wider_number_widens_the_column_and_late_events_of_the_narrower_one_are_merged(
    make: Make, old: Any, new: Any, kind: str, was: Any, becomes: Any
) -> None:
    declared = {"v": "varint"} if new is not BIGINT and new is not DOUBLE else {}
    before, after = make(), {**FIRST, "v": new}
    first: Columns = {**FIRST, "v": old}
    assert before.write([event(first, "i", T, {"id": 1, "v": was, "name": "x"}), event(first, "i", T, {"id": 2, "v": was})])
    writer = make(declared)
    assert writer.write([event(after, "i", T + 9, {"id": 1, "v": becomes}), event(after, "i", T + 9, {"id": 3, "v": becomes})])
    assert types(writer) == {"id": "integer", "v": kind, "name": "text"}
    late = [event(first, "u", T + 5, {"id": 1, "v": was, "name": "y"}), event(first, "i", T + 5, {"id": 4, "v": was}),
            event(first, "i", T, {"id": 2, "v": was})]  # fmt: skip
    assert before.write(late) or before.write(late), "the events are read again once the table is known to be another"
    value = float(becomes) if kind == "double precision" else int(becomes)
    narrow = pytest.approx(was, rel=1e-7)
    assert rows(writer, "id", "v", "name") == [(1, value, "y"), (2, narrow, None), (3, value, None), (4, narrow, None)]
    assert writer.statuses() == {}
    assert audited(writer) == ["applied"]


def test_new_columns_and_new_fields_of_a_udt_are_taken_in_any_order(make: Make) -> None:
    writer = make({"place": "frozen<address>", "m": "frozen<map<text,text>>"})
    old: Columns = {**FIRST, "place": udt(street=TEXT)}
    new: Columns = {**FIRST, "place": udt(street=TEXT, zip=TEXT), "n": BIGINT, "m": MAP}
    row = {"id": 1, "v": 1, "place": {"street": "s", "zip": "z"}, "n": 2**40, "m": {"k": "v"}}
    first = {"id": 1, "name": "old", "place": {"street": "o"}}
    records = [event(new, "i", T + 2, row), event(old, "u", T + 3, {"id": 1, "v": 3}), event(old, "i", T, first)]
    writer.write([event(old, "i", T, {"id": 2, "v": 2})])
    for order in itertools.permutations(records):
        assert writer.write(order)
        assert rows(writer, "id", "v", "name", "place", "n", "m") == [
            (1, 3, "old", {"street": "s", "zip": "z"}, 2**40, {"k": "v"}), (2, 2, None, None, None, None)]  # fmt: skip
        writer.merging.connection.execute(f"DELETE FROM {writer.merging.route.label} WHERE id = 1".encode())
    assert writer.statuses() == {}


def test_a_column_that_two_workers_add_is_added_once(make: Make) -> None:
    workers = [make() for _ in range(3)]
    workers[0].write([event(FIRST, "i", T, {"id": 0, "v": 0})])
    grown: Columns = {**FIRST, "n": TEXT}
    start = threading.Barrier(3)

    def work(number: int) -> None:
        start.wait(60)
        for _ in range(50):
            if workers[number].write([event(grown, "i", T, {"id": number, "v": number, "n": "n"})]):
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert rows(workers[0], "id", "n") == [(number, "n") for number in range(3)]
    assert audited(workers[0]) == ["applied"]


def test_rows_of_a_table_that_was_changed_meanwhile_are_never_taken_for_other_values(make: Make) -> None:
    writer = make(evolution={"cache_seconds": 3600})
    writer.write([event(FIRST, "i", T, {"id": 1, "v": 1, "name": "x"})])
    merging = writer.merging
    stale = merging.decode([event(FIRST, "u", T + 1, {"id": 1, "name": "y"})])[0]
    pair = merging.tables.taken(merging.connection, merging.route, stale)
    merging.connection.execute(f"ALTER TABLE {merging.route.label} ALTER v TYPE double precision".encode())
    with pytest.raises(TableError, match="other types") as refused, merging.connection.transaction():
        merging.merger.merge(merging.connection, *pair)
    assert refused.value.reason == "changed"
    assert rows(writer, "id", "v", "name") == [(1, 1.0, "x")]


def test_what_breaks_waits_and_is_released_in_an_order_that_does_not_matter(make: Make) -> None:
    writer = make()
    assert writer.write([event(FIRST, "i", T, {"id": 1, "v": 1, "name": "x"})])
    mixed = [event(BROKEN, "u", T + 30, {"id": 1, "v": "30"}), event(FIRST, "u", T + 20, {"id": 1, "v": 20, "name": "good"}),
             event(BROKEN, "u", T + 10, {"id": 1, "v": "10", "name": "late"}), event(BROKEN, "i", T, {"id": 2, "v": "2"}),
             event(BROKEN, "d", T + 40, {"id": 3, "v": None})]  # fmt: skip
    assert writer.write(mixed)
    assert rows(writer, "id", "v", "name") == [(1, 20, "good")]
    assert writer.statuses() == dict.fromkeys((1, 3, 4, 5), ("mismatch", "open"))
    waits = review(writer)
    assert [(change["kind"], change["column"], waits.waiting) for change in waits.changes] == [("type", "v", 4)]
    assert "TYPE text" in waits.ddl[0]
    settings = writer.merging.settings
    done = approve(settings, waits.id, by="ann")
    assert (done.ddl, done.events) == (waits.ddl, {"replayed": 4})
    assert rows(writer, "id", "v", "name") == [(1, "30", "good"), (2, "2", None)]
    assert approve(settings, waits.id, by="ann").events == {}, "a repeated call finds nothing left"
    assert writer.write([event(BROKEN, "u", T + 50, {"id": 1, "v": "50"})])
    assert rows(writer, "id", "v")[0] == (1, "50")
    assert audited(writer) == ["found", "approved", "released"]


def test_what_is_rejected_stays_out_and_what_comes_too(make: Make) -> None:
    writer = make()
    writer.write([event(FIRST, "i", T, {"id": 1, "v": 1})])
    writer.write([event(BROKEN, "u", T + 1, {"id": 1, "v": "one"})])
    reject(writer.merging.settings, review(writer).id, by="ann", reason="the source takes it back")
    writer.write([event(BROKEN, "u", T + 2, {"id": 1, "v": "two"}), event(FIRST, "u", T + 3, {"id": 1, "v": 3})])
    assert rows(writer, "id", "v") == [(1, 3)]
    assert {status for _, status in writer.statuses().values()} == {"discarded"}
    assert len(writer.statuses()) == 2


def test_a_review_that_is_decided_between_planning_and_writing_is_looked_at_again(make: Make) -> None:
    writer = make()
    writer.write([event(FIRST, "i", T, {"id": 1, "v": 1})])
    merging = writer.merging
    [writes] = merging.decode([event(BROKEN, "u", T + 1, {"id": 1, "v": "one"})])
    assert merging.tables.pair(merging.connection, merging.route, writes) is None
    verdict = merging.tables.verdict(merging.route, writes)
    merging.evolution.hold(merging.connection, [verdict])
    reject(merging.settings, review(writer).id, by="ann", reason="no")
    with pytest.raises(ReviewChangedError):
        merging.evolution.hold(merging.connection, [verdict])


def test_a_value_that_cannot_be_converted_refuses_the_approval_and_changes_nothing(make: Make) -> None:
    writer = make()
    writer.write([event(BROKEN, "i", T, {"id": 1, "v": "one"})])
    writer.write([event(FIRST, "u", T + 1, {"id": 1, "v": 1})])
    with pytest.raises(ReviewError, match="nothing was changed"):
        approve(writer.merging.settings, review(writer).id, by="ann")
    assert rows(writer, "id", "v") == [(1, "one")]
    assert writer.statuses() == {1: ("mismatch", "open")}


def test_audit_leaves_out_the_column_that_does_not_fit(make: Make) -> None:
    writer = make(evolution={"breaking": "audit"})
    writer.write([event(FIRST, "i", T, {"id": 1, "v": 1, "name": "x"})])
    assert writer.write(
        [event(BROKEN, "u", T + 1, {"id": 1, "v": "one", "name": "y"}), event(BROKEN, "i", T, {"id": 2, "v": "2"})]
    )
    assert rows(writer, "id", "v", "name") == [(1, 1, "y"), (2, None, None)]
    assert writer.statuses() == {}
    assert review(writer).behaviour == "audit"


def test_log_and_skip_drops_them_and_counts(make: Make) -> None:
    writer = make(evolution={"breaking": "log_and_skip"})
    writer.write([event(FIRST, "i", T, {"id": 1, "v": 1})])
    writer.write([event(BROKEN, "u", T + 1, {"id": 1, "v": "one"}), event(FIRST, "u", T + 2, {"id": 1, "name": "y"})])
    assert rows(writer, "id", "v", "name") == [(1, 1, "y")]
    assert writer.statuses() == {}
    skipped = writer.merging.evolution.metrics.skipped.labels(writer.merging.route.label)
    assert skipped._value.get() == 1


def test_stop_halts_the_topic_and_writes_nothing_of_the_batch(make: Make) -> None:
    writer = make(evolution={"breaking": "stop"})
    writer.write([event(FIRST, "i", T, {"id": 1, "v": 1})])
    assert not writer.write(
        [event(BROKEN, "u", T + 1, {"id": 1, "v": "one"}), event(FIRST, "u", T + 2, {"id": 1, "name": "y"})]
    )
    [told] = writer.told
    assert isinstance(told, Halted)
    assert (told.reason, rows(writer, "id", "name")) == ("mismatch", [(1, None)])


def test_a_dropped_column_is_reviewed_once_no_agent_can_be_behind(make: Make) -> None:
    writer = make(evolution={"dropped": "queue"})
    lacking: Columns = {"id": INT, "v": INT}
    assert writer.write([event(FIRST, "i", T, {"id": 1, "v": 1, "name": "x"})])
    assert writer.write([event(lacking, "u", T + 30 * SECOND, {"id": 1, "v": 2})])
    assert (rows(writer, "id", "v", "name"), writer.statuses()) == ([(1, 2, "x")], {})
    assert writer.write([event(lacking, "u", LATER, {"id": 1, "v": 3})])
    waits = review(writer)
    assert [(change["kind"], change["column"]) for change in waits.changes] == [("dropped", "name")]
    assert rows(writer, "v") == [(2,)]
    approve(writer.merging.settings, waits.id, by="ann")
    assert rows(writer, "id", "v", "name") == [(1, 3, "x")]


def test_a_changed_key_waits_even_where_others_are_audited_and_forgets_the_dead_of_the_old_one(make: Make) -> None:
    writer = make(evolution={"breaking": "audit"})
    old, keys = {"id": INT, "ck": INT, "v": INT}, ("id", "ck")
    writer.write([event(old, "d", T, {"id": 9, "v": None}), event(old, "i", T, {"id": 1, "ck": 1, "v": 1})])
    assert graves(writer) == 1
    assert writer.write([event(old, "i", T + 1, {"id": 2, "ck": 2, "v": 2}, key=keys)])
    assert writer.statuses() == {2: ("mismatch", "open")}
    writer.merging.connection.execute(f"UPDATE {writer.merging.route.label} SET ck = 1".encode())
    assert approve(writer.merging.settings, review(writer).id, by="ann").events == {"replayed": 1}
    assert rows(writer, "id", "ck", "v") == [(1, 1, 1), (2, 2, 2)]
    assert graves(writer) == 0


def test_rows_that_were_read_again_say_nothing_of_the_columns_that_were_not_asked_for(make: Make) -> None:
    rereader = FakeRereader({1: {"v": 1, "name": "n", "tags": ["a", "b"]}})
    writer = make({"tags": "set<text>"}, rereader, on_ambiguous="reread", reread={"hosts": ["127.0.0.1"]},
                  evolution={"dropped": "queue"})  # fmt: skip
    listed: Columns = {**FIRST, "tags": SET}
    for number in range(2):
        assert writer.write([event(listed, "u", T + number, {"id": 1, "v": number, "tags": ["b"]})])
    assert rows(writer, "id", "v", "tags") == [(1, 1, ["a", "b"])]
    assert [each for each in list_pending(writer.merging.settings) if each.topic == writer.merging.route.topic] == []


def test_indexes_on_maps_are_built_beside_the_rows(make: Make) -> None:
    writer = make({"m": "frozen<map<text,text>>", "later": "frozen<map<text,text>>"}, evolution={"poll_seconds": 0.05})
    table: Columns = {**FIRST, "m": MAP}
    steward = Steward(writer.merging.settings, writer.merging.control, EvolutionMetrics(Metrics("test").registry), "test")

    def indexed() -> set[str]:
        found = writer.merging.connection.execute(
            "SELECT a.attname::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
            " JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'gin'"
            " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
            " WHERE i.indrelid = %s::regclass AND i.indisvalid",
            [writer.merging.route.label],
        )
        return {column for (column,) in found}

    writer.write([event(table, "i", T, {"id": 1, "m": {"k": "v"}})])
    assert indexed() == set()
    steward.start()
    try:
        wait_until("the map's index", lambda: indexed() == {"m"}, 120, 0.05)
        writer.write([event({**table, "later": MAP}, "u", T + 1, {"id": 1, "later": {"a": "b"}})])
        wait_until("the new map's index", lambda: indexed() == {"m", "later"}, 120, 0.05)
    finally:
        steward.close()


def test_a_table_that_is_held_waits_for_its_column_and_nobody_is_held_up_for_long(make: Make) -> None:
    writer = make()
    writer.write([event(FIRST, "i", T, {"id": 1, "v": 1})])
    grown: Columns = {**FIRST, "n": TEXT}
    records: list[Record] = [event(grown, "u", T + 1, {"id": 1, "n": "n"})]
    reader: Connection
    with writer.merging.open() as reader, reader.transaction():
        reader.execute(f"SELECT FROM {writer.merging.route.label}".encode())
        assert not writer.write(records)
        [told] = writer.told
        assert isinstance(told, Halted)
        assert told.reason == "locked"
    assert writer.write(records)
    assert rows(writer, "id", "n") == [(1, "n")]
