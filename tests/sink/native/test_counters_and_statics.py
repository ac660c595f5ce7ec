"""Counters and static columns, whose changes make no events: where an event tells one, the settings say what becomes of it."""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from sink_worker._native import Decoder, TableHint
from sink_worker.cassandra.source import CellDecoding

from tests.harness.postgres_server import PostgresServer
from tests.sink.native.cell_postgres import Merging
from tests.sink.native.cell_writer import CellWriter, FakeRereader
from tests.sink.workload.cells_with_schema import BIGINT, INT, TEXT, Columns, Envelope, event

pytestmark = pytest.mark.integration
T = time.time_ns() // 1000 - 60_000_000
MODES = ["refuse", "audit", "reread"]
FORMS: list[Envelope] = ["raw", "transformed"]
COUNTERS: Columns = {"id": INT, "seen": BIGINT}
LINES: Columns = {"id": INT, "ck": INT, "v": TEXT, "s": TEXT}
KEY = ("id", "ck")


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server.dsn()


@pytest.fixture(params=list(itertools.product(MODES, FORMS)), ids="-".join)
def mode(request: pytest.FixtureRequest) -> tuple[str, Envelope]:
    found: tuple[str, Envelope] = request.param
    return found


def writer(dsn: str, name: str, mode: tuple[str, Envelope], types: dict[str, str], row: dict[str, Any]) -> CellWriter:
    """``row`` is what Cassandra holds of the row 1."""
    name = f"{name}{zlib.crc32('-'.join(mode).encode())}"
    more = {"reread": {"hosts": ["127.0.0.1"]}} if mode[0] == "reread" else {}
    merging = Merging(dsn, name, types, on_ambiguous=mode[0], **more)
    return CellWriter(merging, FakeRereader({1: row}) if mode[0] == "reread" else None)


def rows(writer: CellWriter, columns: str) -> list[tuple[Any, ...]]:
    table = writer.merging.route.label
    return writer.merging.connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2".encode()).fetchall()


def listed(writer: CellWriter) -> list[tuple[Any, ...]]:
    query = 'SELECT key::jsonb, columns FROM cdc_sink.cell_audit WHERE topic = %s ORDER BY "offset"'
    return writer.merging.connection.execute(query, [writer.merging.route.topic]).fetchall()


def close(writer: CellWriter) -> None:
    writer.close()
    writer.merging.close()


def test_a_counter_is_taken_of_a_snapshot_and_never_of_an_event(dsn: str, mode: tuple[str, Envelope]) -> None:
    worker = writer(dsn, "counters", mode, {"seen": "counter"}, {"seen": 7})
    snapshot = event(COUNTERS, "i", T, {"id": 1, "seen": 5}, envelope=mode[1], snapshot=True)
    streamed = event(COUNTERS, "u", T + 1, {"id": 1, "seen": 1}, envelope=mode[1])
    assert worker.write([snapshot])
    assert rows(worker, "id, seen") == [(1, 5)]
    assert worker.write([streamed])
    assert rows(worker, "id, seen") == [(1, 7 if mode[0] == "reread" else 5)]
    assert worker.statuses() == ({1: ("AmbiguousColumn", "open")} if mode[0] == "refuse" else {})
    assert listed(worker) == ([({"id": 1}, ["seen"])] if mode[0] == "audit" else [])
    close(worker)


def test_a_row_without_its_static_column_is_written_and_the_static_left_as_it_was(dsn: str, mode: tuple[str, Envelope]) -> None:
    worker = writer(dsn, "statics", mode, {"s": "text static"}, {"s": "later"})
    whole = [event(LINES, "i", T, {"id": 1, "ck": ck, "v": "a", "s": "first"}, key=KEY, envelope=mode[1], snapshot=True)
             for ck in (1, 2, 3)]  # fmt: skip
    assert worker.write(whole)
    changes = [event(LINES, "u", T + 1, {"id": 1, "ck": 1, "v": "b"}, key=KEY, envelope=mode[1]),
               event(LINES, "d", T + 1, {"id": 1, "ck": 2, "v": None, "s": None}, key=KEY, envelope=mode[1])]  # fmt: skip
    assert worker.write(changes)
    assert rows(worker, "ck, v, s") == [(1, "b", "first"), (3, "a", "first")], "a row's deletion is no deletion of the static"
    assert (worker.statuses(), listed(worker)) == ({}, [])
    assert worker.write([event(LINES, "u", T + 2, {"id": 1, "ck": 1, "s": "x"}, key=KEY, envelope=mode[1])])
    assert rows(worker, "ck, s") == [(1, "later" if mode[0] == "reread" else "first"), (3, "first")]
    assert worker.statuses() == ({5: ("AmbiguousColumn", "open")} if mode[0] == "refuse" else {})
    assert listed(worker) == ([({"id": 1, "ck": 1}, ["s"])] if mode[0] == "audit" else [])
    close(worker)


def test_a_static_column_written_without_a_row_is_refused_and_no_row_is_made(dsn: str, mode: tuple[str, Envelope]) -> None:
    worker = writer(dsn, "alone", mode, {"s": "text static"}, {"s": "later"})
    assert worker.write([event(LINES, "i", T, {"id": 1, "ck": 1, "v": "a"}, key=KEY, envelope=mode[1])])
    assert worker.write([event(LINES, "u", T + 1, {"id": 1, "ck": None, "s": "x"}, key=KEY, envelope=mode[1])])
    assert rows(worker, "id, ck, s") == [(1, 1, None)]
    assert worker.statuses() == {1: ("MissingKey", "open")}
    close(worker)


def test_the_worker_tells_which_declared_columns_are_not_streamed(dsn: str) -> None:
    merging = Merging(dsn, "told", {"n": "counter", "s": "text static", "v": "text"})
    decoding = CellDecoding(merging.settings.cassandra, Decoder(), lambda _: TableHint([]), lambda _: {})
    with structlog.testing.capture_logs() as logs:
        decoding.decoder_of(merging.route.topic, merging.route)
        decoding.decoder_of(merging.route.topic, merging.route)
    assert [(line["event"], line["columns"]) for line in logs] == [("columns_not_streamed", ["n", "s"])]
    merging.close()
