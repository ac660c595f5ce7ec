"""Rows read again: which questions are asked, how fast, how often, and what their answers become."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from cassandra.util import Date, Duration, SortedSet, Time
from sink_worker.cassandra.cql import parse_cql
from sink_worker.cassandra.event_values import event_value
from sink_worker.cassandra.reading import bound_value
from sink_worker.cassandra.reread import CassandraUnavailableError, Key, Pace, Rereader, TableShape, select_statement
from sink_worker.cassandra.settings import RereadSettings
from sink_worker.errors import FatalError, Kind, classify

SHAPE = TableShape({"id": parse_cql("int")}, {"v": parse_cql("text"), "items": parse_cql("list<int>")})
NOW = 1_000.0


class FakeReader:
    """Stands in for Cassandra: its rows by id, and how often it fails before it answers."""

    def __init__(self, rows: Mapping[int, Sequence[Any]], failures: int = 0) -> None:
        self.batches: list[list[int]] = []
        self._rows = rows
        self._failures = failures

    def shape(self, keyspace: str, table: str) -> TableShape:
        return SHAPE

    def rows(self, statement: str, shape: TableShape, keys: Sequence[Key]) -> list[Sequence[Any] | None]:
        if self._failures:
            self._failures -= 1
            raise CassandraUnavailableError("not now")
        self.batches.append([key["id"] for key in keys])
        return [self._rows.get(key["id"]) for key in keys]

    def close(self) -> None:
        """Nothing is open."""


def rereader(reader: FakeReader, **settings: Any) -> Rereader:
    return Rereader(RereadSettings(hosts=["c"], **settings), reader, clock=lambda: NOW, wait=lambda _: None)


def test_images_come_in_the_keys_order_and_each_row_is_read_once() -> None:
    reader = FakeReader({1: ("a", [1], 77, 60), 2: ("b", None, 78, None)})
    found = rereader(reader, batch_keys=2).read("s", "t", [{"id": 2}, {"id": 1}, {"id": 3}, {"id": 1}])
    assert reader.batches == [[2, 1], [3]]
    assert [image.key["id"] for image in found] == [2, 1, 3, 1]
    assert [image.values for image in found[:3]] == [{"v": "b", "items": None}, {"v": "a", "items": [1]}, None]
    assert (found[1].writetimes, found[1].expiries) == ({"v": 77}, {"v": int((NOW + 60) * 1e6)})
    assert (found[0].expiries, found[2].writetimes) == ({}, {})
    assert {image.read_at for image in found} == {int(NOW * 1e6)}


def test_nothing_is_asked_for_nothing() -> None:
    reader = FakeReader({})
    assert rereader(reader).read("s", "t", []) == []
    assert reader.batches == []


def test_a_short_outage_is_not_seen_and_a_long_one_is_the_environments() -> None:
    assert rereader(FakeReader({1: ("a", None, 1, None)}, failures=3)).read("s", "t", [{"id": 1}])[0].values is not None
    with pytest.raises(CassandraUnavailableError) as told:
        rereader(FakeReader({}, failures=4)).read("s", "t", [{"id": 1}])
    assert classify(told.value).kind is Kind.RETRYABLE


def test_a_row_that_its_key_does_not_name_whole_is_a_defect() -> None:
    with pytest.raises(FatalError, match=r"by its whole key \(id\), and the event has \(id, ck\)"):
        rereader(FakeReader({})).read("s", "t", [{"id": 1, "ck": 2}])


def test_only_columns_of_one_cell_are_asked_for_their_times() -> None:
    shape = TableShape(
        {"a": parse_cql("int"), "B": parse_cql("text")},
        {'q"': parse_cql("frozen<list<int>>"), "n": parse_cql("counter"), "m": parse_cql("udt")},
    )
    assert select_statement("k", "t", shape) == (
        'SELECT "q""", "n", "m", writetime("q"""), ttl("q""") FROM "k"."t" WHERE "a" = ? AND "B" = ?'
    )
    assert select_statement("k", "t", TableShape({"a": parse_cql("int")}, {})) == 'SELECT "a" FROM "k"."t" WHERE "a" = ?'


def test_rows_are_read_no_faster_than_is_allowed() -> None:
    now, waits = [0.0], list[float]()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    pace = Pace(100, clock=lambda: now[0], wait=wait)
    for _ in range(5):
        pace.take(100)
    assert now[0] == pytest.approx(5.0)
    now[0] += 60
    waits.clear()
    pace.take(100)
    assert waits == [], "one second's worth may come at once"


@pytest.mark.parametrize(
    ("cql", "value", "event"),
    [
        ("text", None, None),
        ("date", Date(20_512), 20_512),
        ("time", Time(5), 5),
        ("duration", Duration(1, 2, 3), 32 * 86_400 * 10**9 + 3),
        ("timestamp", datetime(2026, 1, 1, 0, 0, 0, 123_000), 1_767_225_600_123),
        ("timestamp", datetime(1960, 1, 1), -315_619_200_000),
        ("double", float("-inf"), "-Infinity"),
        ("varint", 2**70, str(2**70)),
        ("bigint", 2**62, 2**62),
        ("decimal", Decimal("1E+3"), "1000"),
        ("inet", "10.0.0.1", "/10.0.0.1"),
        ("boolean", False, False),
        ("blob", b"\x00\xff", "AP8="),
        ("set<varint>", SortedSet([2, 1]), ["1", "2"]),
        ("list<text>", [], []),
        ("map<text, decimal>", {"a": Decimal("1.50")}, {"a": "1.50"}),
        ("map<int, text>", {1: "a"}, [[1, "a"]]),
        ("frozen<map<uuid, int>>", {UUID(int=1): 1}, {"00000000-0000-0000-0000-000000000001": 1}),
        ("frozen<map<blob, int>>", {b"a": 1}, [["YQ==", 1]]),
        ("tuple<int, varint>", (1, 2), {"field1": 1, "field2": "2"}),
        ("frozen<list<frozen<tuple<int, text>>>>", [(1, None)], [{"field1": 1, "field2": None}]),
    ],
)
def test_values_have_the_events_form(cql: str, value: Any, event: Any) -> None:
    assert event_value(parse_cql(cql), value) == event


@pytest.mark.parametrize(
    ("cql", "value"),
    [
        ("int", 1),
        ("uuid", UUID(int=1)),
        ("decimal", Decimal("1.50")),
        ("varint", 2**70),
        ("date", Date(-5)),
        ("time", Time(5)),
        ("inet", "10.0.0.1"),
        ("blob", b"\x00"),
        ("text", "a"),
        ("frozen<list<decimal>>", [Decimal("1.5")]),
        ("frozen<tuple<int, uuid>>", (1, UUID(int=2))),
    ],
)
def test_keys_go_back_into_what_the_driver_takes(cql: str, value: Any) -> None:
    kind = parse_cql(cql)
    assert bound_value(kind, event_value(kind, value)) == value
