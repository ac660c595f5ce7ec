"""Collections that are not frozen: refused, listed, or read again from Cassandra, as the settings say; never guessed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sink_worker.cassandra.cells import CellMetrics, Cells
from sink_worker.cassandra.source import CellSource, cell_hint, decode_cells
from sink_worker.control import Connection
from sink_worker.metrics import Metrics
from sink_worker.tables import hint_of, look_up
from sink_worker.work import Part

from tests.harness.postgres_server import PostgresServer
from tests.sink.native.cell_postgres import Merging

pytestmark = pytest.mark.integration
TYPES = {"id": "int", "name": "text", "tags": "set<text>", "fixed": "frozen<set<text>>"}
T = time.time_ns() // 1000 - 60_000_000


@dataclass
class FakeMessage:
    """A double of confluent_kafka.Message."""

    number: int
    content: tuple[bytes, bytes]

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number

    def key(self) -> bytes:
        return self.content[0]

    def value(self) -> bytes:
        return self.content[1]

    def timestamp(self) -> tuple[int, int]:
        return 1, T // 1000

    def headers(self) -> list[tuple[str, bytes | None]]:
        return []


@dataclass
class FakeImage:
    """A double of a row that was read."""

    key: Mapping[str, Any]
    read_at: int
    values: Mapping[str, Any] | None


@dataclass
class FakeRereader:
    """A double of Cassandra: rows by their keys, and what was asked."""

    rows: dict[int, Mapping[str, Any]]
    asked: list[tuple[str, str, list[Mapping[str, Any]]]] = field(default_factory=list)

    def read(self, keyspace: str, table: str, keys: Sequence[Mapping[str, Any]]) -> Sequence[FakeImage]:
        self.asked.append((keyspace, table, list(keys)))
        return [FakeImage(key, time.time_ns() // 1000, self.rows.get(key["id"])) for key in keys]


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
    """Write a part as the writer does; the error classes of what was refused."""
    cassandra, route = merging.settings.cassandra, merging.route
    messages = [FakeMessage(number, record) for number, record in enumerate(records)]

    def hint() -> Any:
        known = hint_of(look_up(merging.connection, route), route)
        return cell_hint(cassandra, route.topic, {column.name: column.pg_type for column in known.columns}, {})

    own = hint()
    batch = decode_cells(merging.decoder, own, messages)
    part = Part(route.topic, route, batch, messages, {}, [], lambda some: decode_cells(merging.decoder, own, some),
                CellSource(merging.decoder, hint))  # fmt: skip
    with merging.open() as connection:
        _write(merging, connection, part, rereader)
    return [reject.error_class for reject in batch.rejects]


def _write(merging: Merging, connection: Connection, part: Part, rereader: FakeRereader | None) -> None:
    cells = Cells(merging.settings, merging.control, CellMetrics(Metrics("test").registry), rereader)
    plans = [cells.plans(connection, part)]
    with connection.transaction():
        for found, plan in cells.locked(connection, [part], plans):
            cells.write(connection, found, plan)


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
