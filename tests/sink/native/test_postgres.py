"""A real PostgreSQL takes the COPY streams and delete arrays of every type, and holds what the source held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sink_worker._native import Segment, TableHint

from tests.harness.postgres_server import PostgresServer
from tests.sink.native import copy_format
from tests.sink.native.kinds import BY_LABEL, KEY_KINDS, KINDS, Kind, signed
from tests.sink.native.records import Field, Table, change, decoder, rows_of

pytestmark = pytest.mark.integration
Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with (
        PostgresServer(tmp_path_factory.mktemp("postgres")) as server,
        psycopg.connect(server.dsn(), autocommit=True) as connection,
    ):
        connection.execute("SET timezone = 'UTC'")
        connection.execute("SET intervalstyle = 'postgres'")
        yield connection


def create(connection: Connection, segment: Segment) -> None:
    columns = ", ".join(f'"{column.name}" {column.pg_type}' for column in segment.columns)
    connection.execute(f"DROP TABLE IF EXISTS t; CREATE TABLE t ({columns})".encode())


def copy_in(connection: Connection, segment: Segment) -> None:
    with connection.cursor() as cursor, cursor.copy("COPY t FROM STDIN (FORMAT binary)") as copy:
        copy.write(segment.copy_payload())


def copy_out(connection: Connection) -> list[list[bytes | None]]:
    with connection.cursor() as cursor, cursor.copy("COPY t TO STDOUT (FORMAT binary)") as copy:
        return copy_format.read_copy(b"".join(bytes(part) for part in copy))


def segment_of(kind: Kind, values: list[Any]) -> Segment:
    table = Table((Field("id", BY_LABEL["int"]), Field("v", kind, True)), ("id",))
    records = [change(table, "avro", "c", {"id": number, "v": value}, at=(0, number)) for number, value in enumerate(values)]
    batch = decoder(table).decode(TableHint(), records)
    assert batch.rejects == []
    return batch.segments[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
@settings(max_examples=15)
@given(data=st.data())
def test_postgres_holds_every_value_unchanged(connection: Connection, kind: Kind, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | kind.values, min_size=1, max_size=30))
    segment = segment_of(kind, values)
    create(connection, segment)
    copy_in(connection, segment)
    columns = segment.columns
    held = [
        {column.name: copy_format.value(column.pg_type, field) for column, field in zip(columns, fields, strict=True)}
        for fields in copy_out(connection)
    ]
    if kind.label == "json":  # jsonb keeps the value and not the text
        matching = connection.execute("SELECT count(*) FROM t WHERE v IS NULL OR v = v").fetchone()
        assert matching == (len(values),)
        return
    assert held == rows_of(segment)


EXAMPLES: list[tuple[str, Any, str]] = [
    ("decimal_5_2", signed(-12345), "-123.45"),
    ("decimal_5_2", signed(0), "0.00"),
    ("decimal_5_2", b"\x00\x00\x00\x05", "0.05"),
    ("decimal_65_30", signed(-(10**64)), "-10000000000000000000000000000000000.000000000000000000000000000000"),
    ("decimal_65_30", signed(1), "0.000000000000000000000000000001"),
    ("decimal_20_0", signed(2**64 - 1), "18446744073709551615"),
    ("variable_scale", {"scale": -3, "value": b"\x07"}, "7000"),
    ("variable_scale", {"scale": 4, "value": signed(120000)}, "12.0000"),
    ("variable_scale", {"scale": 0, "value": signed(10**100)}, "1" + "0" * 100),
    ("variable_scale", {"scale": 16_000, "value": b"\x01"}, "0." + "0" * 15_999 + "1"),
    ("date", 0, "1970-01-01"),
    ("date", -1, "1969-12-31"),
    ("date", -719_162, "0001-01-01"),
    ("date", -719_163, "0001-12-31 BC"),
    ("date", -2_440_588, "4714-11-24 BC"),
    ("timestamp", -1, "1969-12-31 23:59:59.999"),
    ("timestamp", 253_402_300_799_999, "9999-12-31 23:59:59.999"),
    ("micro_timestamp", 946_684_799_999_999, "1999-12-31 23:59:59.999999"),
    ("micro_timestamp", -30_610_224_000_000_000, "1000-01-01 00:00:00"),
    ("nano_timestamp", 1_999, "1970-01-01 00:00:00.000001"),
    ("zoned_timestamp", "2026-03-29T02:30:00.5+02:00", "2026-03-29 00:30:00.5+00"),
    ("zoned_timestamp", "1970-01-01T00:00:01Z", "1970-01-01 00:00:01+00"),
    ("zoned_timestamp", "0001-01-01T00:00:00+14:00", "0001-12-31 10:00:00+00 BC"),
    ("micro_time", -3_020_399_000_000, "-838:59:59"),
    ("micro_time", 3_020_399_999_999, "838:59:59.999999"),
    ("time", 1_500, "00:00:01.5"),
    ("bits_2", b"\x02", "10"),
    ("bits_13", b"\x01\x10", "1000000000001"),
    ("bits_64", b"\x00\x00\x00\x00\x00\x00\x00\x80", "1" + "0" * 63),
    ("uuid", "123E4567-E89B-12D3-A456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
    ("json", '{"b":1, "a":[1.50,null]}', '{"a": [1.50, null], "b": 1}'),
    ("year", 2155, "2155"),
    ("float", 1.5, "1.5"),
    ("double", -1e308, "-1e+308"),
    ("bytes", b"\x00\xff", "\\x00ff"),
    ("string", "naïve \U0001f600", "naïve \U0001f600"),
    ("geometry", {"wkb": b"\x01\x01\x00\x00\x00", "srid": 4326}, "\\x0101000000"),
]


@pytest.mark.parametrize(("label", "raw", "expected"), EXAMPLES)
def test_postgres_shows_the_value_that_the_source_meant(connection: Connection, label: str, raw: Any, expected: str) -> None:
    segment = segment_of(BY_LABEL[label], [raw])
    create(connection, segment)
    copy_in(connection, segment)
    assert connection.execute("SELECT v::text FROM t").fetchone() == (expected,)


@pytest.mark.parametrize("kind", KEY_KINDS, ids=lambda kind: kind.label)
@settings(max_examples=5)
@given(data=st.data())
def test_delete_arrays_find_the_rows_of_every_key_type(connection: Connection, kind: Kind, data: st.DataObject) -> None:
    table = Table((Field("k", kind), Field("n", BY_LABEL["int"])), ("k", "n"))
    rows = [{"k": value, "n": number} for number, value in enumerate(data.draw(st.lists(kind.values, min_size=1, max_size=20)))]
    inserts = [change(table, "avro", "c", row, at=(0, number)) for number, row in enumerate(rows)]
    native = decoder(table)
    (inserted,) = native.decode(TableHint(), inserts).segments
    create(connection, inserted)
    copy_in(connection, inserted)
    deletes = [change(table, "avro", "d", row, at=(0, number)) for number, row in enumerate(rows[::2])]
    (deleted,) = native.decode(TableHint(), deletes).segments
    arrays = deleted.delete_arrays()
    result = connection.pgconn.exec_params(
        b"DELETE FROM t USING unnest($1, $2) AS d(k, n) WHERE t.k = d.k AND t.n = d.n",
        [array for _, array in arrays],
        param_types=[oid for oid, _ in arrays],
        param_formats=[1] * len(arrays),
    )
    assert result.command_tuples == len(rows[::2]), result.error_message
