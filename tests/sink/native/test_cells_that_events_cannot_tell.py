"""Collections that are not frozen: refused, listed, or read again from Cassandra, as the settings say; never guessed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from sink_worker.errors import FatalError
from sink_worker.replay import Result
from sink_worker.work import Halted

from tests.harness.postgres_server import PostgresServer
from tests.sink.native.cell_postgres import Merging
from tests.sink.native.cell_writer import CellReplaying, CellWriter, FakeImage, FakeRereader

pytestmark = pytest.mark.integration
TYPES = {"id": "int", "name": "text", "tags": "set<text>", "fixed": "frozen<set<text>>"}
T = time.time_ns() // 1000 - 60_000_000


def event(op: str, row: int, ts: int, *, snapshot: str = "false", **cells: Any) -> tuple[bytes, bytes]:
    after: dict[str, Any] = dict.fromkeys(TYPES) | {"_range_start": None, "_range_end": None}
    after |= {name: {"value": value, "deletion_ts": None, "set": True} for name, value in {"id": row, **cells}.items()}
    source = {"ts_us": ts, "ts_ms": ts // 1000, "snapshot": snapshot}
    return json.dumps({"id": row}).encode(), json.dumps({"op": op, "source": source, "after": after}).encode()


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server.dsn()


def written(merging: Merging, records: list[tuple[bytes, bytes]], rereader: FakeRereader | None = None) -> list[str]:
    """Write a batch as the worker does; the error classes of what was refused."""
    writer = CellWriter(merging, rereader)
    assert writer.write(records)
    writer.close()
    return [error_class for error_class, _ in writer.statuses().values()]


def tags(merging: Merging) -> dict[int, list[str] | None]:
    return dict(merging.connection.execute(f"SELECT id, tags FROM public.{merging.route.table}".encode()).fetchall())


def test_refuse_takes_only_what_is_certain(dsn: str) -> None:
    merging = Merging(dsn, "refuse", TYPES)
    records = [
        event("i", 1, T, snapshot="true", name="x", tags=["a"], fixed=["f"]), event("u", 1, T + 1, tags=["b"]),
        event("i", 2, T, name="y", tags=["a"]), event("i", 3, T, name="z", fixed=["g"]),
    ]  # fmt: skip
    assert written(merging, records) == ["AmbiguousColumn", "AmbiguousColumn"]
    assert tags(merging) == {1: ["a"], 3: None}
    merging.close()


def test_a_collection_that_nobody_declared_counts_as_not_frozen(dsn: str) -> None:
    merging = Merging(dsn, "undeclared", {"id": "int", "name": "text", "fixed": "frozen<set<text>>"})
    merging.connection.execute(b"CREATE TABLE public.undeclared (id int PRIMARY KEY, name text, tags text[], fixed text[])")
    assert written(merging, [event("i", 1, T, name="x", tags=["a"])]) == ["AmbiguousColumn"]
    merging.close()


def test_audit_leaves_the_column_alone_and_lists_the_row(dsn: str) -> None:
    merging = Merging(dsn, "audited", TYPES, on_ambiguous="audit")
    assert written(merging, [event("i", 1, T, name="x", tags=["a"]), event("u", 1, T + 1, name="y", tags=["b"])]) == []
    assert merging.connection.execute("SELECT name, tags FROM public.audited").fetchall() == [("y", ["a"])]
    listed = merging.connection.execute(
        'SELECT kind, key::jsonb, columns, "offset" FROM cdc_sink.cell_audit ORDER BY id'
    ).fetchall()
    assert listed == [("ambiguous", {"id": 1}, ["tags"], 0), ("ambiguous", {"id": 1}, ["tags"], 1)]
    merging.close()


def test_reread_brings_what_cassandra_holds_once_for_each_row(dsn: str) -> None:
    merging = Merging(dsn, "reread", TYPES, on_ambiguous="reread", reread={"hosts": ["127.0.0.1"]})
    cassandra = FakeRereader({1: {"name": "other", "tags": ["a", "b"], "fixed": None}})
    records = [event("u", 1, T, name="x", tags=["b"]), event("u", 1, T + 1, tags=["c"]), event("u", 2, T, name="y", tags=["q"])]
    assert written(merging, records, cassandra) == []
    assert cassandra.asked == [("inv", "reread", [{"id": 1}, {"id": 2}])]
    assert tags(merging) == {1: ["a", "b"], 2: None}
    cassandra.rows[1] = {"tags": None}
    assert written(merging, records[:1], cassandra) == []
    assert merging.connection.execute("SELECT name, tags FROM public.reread WHERE id = 1").fetchall() == [("x", None)]
    merging.close()


REREAD = {"on_ambiguous": "reread", "reread": {"hosts": ["127.0.0.1"]}}


def test_a_row_that_was_read_again_and_cannot_be_stored_is_a_dead_letter_and_its_neighbours_go_in(dsn: str) -> None:
    """Text that PostgreSQL has no place for, and a constraint: neither ends the worker, nor holds up its topic."""
    merging = Merging(dsn, "unstorable", TYPES, **REREAD)
    assert written(merging, [event("i", 9, T, name="first")]) == []
    merging.connection.execute("ALTER TABLE unstorable ADD CHECK (cardinality(tags) < 3)")
    cassandra = FakeRereader({1: {"tags": ["a\0b"]}, 2: {"tags": ["a", "b", "c"]}, 3: {"tags": ["c"]}})
    writer = CellWriter(merging, cassandra)
    assert writer.write([event("u", 2, T, name="y", tags=["c"]), event("u", 3, T, name="z", tags=["c"]),
                         event("u", 1, T, name="x", tags=["q"]), event("u", 1, T + 1, tags=["r"])])  # fmt: skip
    assert writer.statuses() == {0: ("CheckViolation:23514", "open"), 2: ("NulInText", "open"), 3: ("NulInText", "open")}
    rows = merging.connection.execute("SELECT id, name, tags FROM unstorable ORDER BY id").fetchall()
    assert rows == [(1, "x", None), (2, "y", None), (3, "z", ["c"]), (9, "first", None)], "what is certain goes in"
    replaying = CellReplaying(writer)
    results = [replaying.attempt(rejection) for rejection in replaying.open()]
    assert [found and (found.result, "read its row again" in found.why) for found in results] == [(Result.FAILED, True)] * 3
    replaying.close()
    writer.close()
    merging.close()


def test_a_table_that_cassandra_does_not_let_the_worker_read_halts_its_topic_alone(dsn: str) -> None:
    class Refusing(FakeRereader):
        """Whose table was dropped."""

        def read(self, keyspace: str, table: str, keys: Sequence[Mapping[str, Any]]) -> Sequence[FakeImage]:
            raise FatalError(f"Cassandra has no table {keyspace}.{table}")

    merging = Merging(dsn, "unreadable", TYPES, **REREAD)
    writer = CellWriter(merging, Refusing({}))
    assert not writer.write([event("u", 1, T, tags=["q"])])
    (told,) = writer.told
    assert isinstance(told, Halted)
    assert (told.topic, told.reason) == (merging.route.topic, "not_readable")
    assert writer.write([event("i", 2, T, name="certain")])
    assert tags(merging) == {2: None}
    writer.close()
    merging.close()
