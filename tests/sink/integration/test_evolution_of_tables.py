"""Additive changes on a real PostgreSQL: no value changes, no rewrite that was not foreseen, one worker at a time."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from sink_worker.control import Connection, Control
from sink_worker.evolution.fitting import FITS, Evolution
from sink_worker.evolution.indexes import State, ensure_index, index_name
from sink_worker.evolution.metrics import EvolutionMetrics
from sink_worker.evolution.model import Wanted
from sink_worker.evolution.settings import EvolutionSettings, IndexSettings
from sink_worker.evolution.store import EvolutionStore
from sink_worker.evolution.types import rewrites
from sink_worker.routing import Route
from sink_worker.settings import TableSettings

from tests.harness.processes import wait_until
from tests.sink.integration.stand import Stand

pytestmark = pytest.mark.integration

DATABASE = "evolving"
KEY = Wanted("id", "bigint", key=True)
LIMIT_SECONDS = 120
GROWN = [
    ("smallint", "integer", "integer", ["-32768", "0", "32767"]),
    ("integer", "bigint", "bigint", ["-2147483648", "2147483647"]),
    ("bigint", "numeric(20,0)", "numeric(20,0)", ["-9223372036854775808", "9223372036854775807"]),
    ("integer", "numeric(6,2)", "numeric(12,2)", ["-2147483648", "7"]),
    ("numeric(10,2)", "numeric(12,2)", "numeric(12,2)", ["-99999999.99", "0.01"]),
    ("numeric(10,2)", "numeric(8,4)", "numeric(12,4)", ["-99999999.99", "0.01"]),
    ("numeric(10,2)", "numeric", "numeric", ["-99999999.99", "0.01"]),
    ("real", "double precision", "double precision", ["0.1", "-3.4e38", "1e-45", "NaN"]),
    ("integer", "double precision", "double precision", ["-2147483648", "2147483647"]),
    ("character varying(40)", "character varying(80)", "character varying(80)", ["", "añ 🙂", "x" * 40]),
    ("character varying(40)", "text", "text", ["", "añ 🙂"]),
    ("bit varying(8)", "bit varying(16)", "bit varying(16)", ["", "10101010"]),
    ("date", "timestamp(3) without time zone", "timestamp(3) without time zone", ["0001-01-01", "2026-11-22", "infinity"]),
    ("date", "timestamp with time zone", "timestamp with time zone", ["0001-01-01", "2026-03-29"]),
    ("timestamp(3) without time zone", "timestamp(6) without time zone", "timestamp(6) without time zone",
     ["2026-11-22 10:00:00.123"]),
    ("time(0) without time zone", "time without time zone", "time without time zone", ["23:59:59"]),
    ("interval(3)", "interval", "interval", ["-838:59:59.123"]),
    ("integer[]", "bigint[]", "bigint[]", ["{1,NULL,-2147483648}", "{}"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def dsn(stand: Stand) -> Iterator[str]:
    stand.postgres.psql(f"CREATE DATABASE {DATABASE}")
    yield stand.postgres.dsn(DATABASE)
    stand.postgres.psql(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture
def connect(dsn: str) -> Iterator[Callable[[], Connection]]:
    """Makes sessions as the worker has them."""
    made: list[Connection] = []

    def make() -> Connection:
        made.append(psycopg.connect(dsn, autocommit=True, options="-c timezone=UTC"))
        return made[-1]

    Control("cdc_sink").install(make())
    yield make
    for connection in made:
        connection.close()


def evolution(**settings: Any) -> Evolution:
    store = EvolutionStore(Control("cdc_sink"), "p", "tester")
    metrics = EvolutionMetrics(CollectorRegistry())
    return Evolution(EvolutionSettings(**settings), TableSettings(), 3.0, store, metrics, lambda _: nullcontext())


def route(table: str) -> Route:
    return Route(f"topic.{table}", "public", table)


def make_table(connection: Connection, table: str, kind: str, values: list[str]) -> None:
    """A table that was made for events of its own types."""
    connection.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, v {kind})".encode())
    for number, value in enumerate([*values, None]):
        connection.execute(f"INSERT INTO {table} VALUES (%s, %s::{kind})".encode(), [number, value])
    evolution().created(connection, route(table), [KEY, Wanted("v", kind)], 1)


def file_of(connection: Connection, table: str) -> int:
    row = connection.execute("SELECT pg_relation_filenode(%s::regclass)", [table]).fetchone()
    assert row is not None
    return int(row[0])


def type_of(connection: Connection, table: str, column: str = "v") -> str:
    row = connection.execute(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s",
        [table, column],
    ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(("place", "case"), list(enumerate(GROWN)), ids=[f"{case[0]} to {case[2]}" for case in GROWN])
def test_a_type_grows_and_every_value_is_what_it_was(
    connect: Callable[[], Connection], place: int, case: tuple[str, str, str, list[str]]
) -> None:
    """And the table is rewritten where that was foreseen, and nowhere else."""
    old, wanted, grown, values = case
    connection, table = connect(), f"grows_{place}"
    make_table(connection, table, old, values)
    # As the old type's own text, but for what is shown shorter than it is, or with a time of day.
    base = old.split("(")[0].split(" ")[0]
    shown = {"real": "v::double precision::text", "date": "v::timestamp::text"}.get(base, "v::text")
    after = {"real": "v::text", "date": f"{'v' if 'without' in wanted else 'v::timestamp'}::timestamp::text"}.get(
        base, "v::text"
    )
    before, file = (
        connection.execute(f"SELECT id, {shown} FROM {table} ORDER BY id".encode()).fetchall(),
        file_of(connection, table),
    )
    assert evolution().fit(connection, route(table), [KEY, Wanted("v", wanted)], 2) == FITS
    found = connection.execute(f"SELECT id, {after} FROM {table} ORDER BY id".encode()).fetchall()
    if base in {"numeric", "integer", "bigint"} and not old.endswith("[]"):
        assert [(key, value and float(value)) for key, value in found] == [
            (key, value and float(value)) for key, value in before
        ]
    else:
        assert found == before
    assert type_of(connection, table) == grown
    assert (file_of(connection, table) != file) is rewrites(old, grown)
    # Looked at again, the table takes the events, and takes those of the old schema, too.
    file = file_of(connection, table)
    for each in (wanted, old):
        assert evolution().fit(connection, route(table), [KEY, Wanted("v", each)], 2) == FITS
    assert file_of(connection, table) == file


def test_a_new_column_rewrites_nothing_and_is_added_once_by_workers_that_come_together(
    connect: Callable[[], Connection],
) -> None:
    setup = connect()
    make_table(setup, "shared", "integer", ["1", "2"])
    file, wanted = file_of(setup, "shared"), [KEY, Wanted("v", "bigint"), Wanted("n", "text"), Wanted("m", "jsonb")]
    sessions, together = [connect() for _ in range(4)], threading.Barrier(4)

    def work(session: Connection) -> object:
        together.wait(LIMIT_SECONDS)
        return evolution(widen=True).fit(session, route("shared"), wanted, 2)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, sessions)) == [FITS] * 4
    assert type_of(setup, "shared") == "bigint"
    applied = setup.execute(
        "SELECT detail FROM cdc_sink.schema_audit WHERE table_name = 'shared' AND event = 'applied'"
    ).fetchall()
    assert len(applied) == 1
    assert json.dumps(applied[0][0]).count("ADD COLUMN") == 2
    grown = file_of(setup, "shared")
    assert grown != file
    assert evolution().fit(setup, route("shared"), [*wanted, Wanted("one_more", "text")], 3) == FITS
    assert file_of(setup, "shared") == grown


def test_a_rewrite_of_a_table_above_the_bound_is_for_a_review_and_what_is_cheap_is_not(
    connect: Callable[[], Connection],
) -> None:
    connection = connect()
    make_table(connection, "large", "integer", ["1"])
    file = file_of(connection, "large")
    judge = evolution(rewrite_max_bytes=0, breaking="queue")
    verdict = judge.fit(connection, route("large"), [KEY, Wanted("v", "bigint"), Wanted("n", "text")], 2)
    assert verdict.refusal is not None
    assert "too large" in str(verdict.refusal)
    assert (type_of(connection, "large"), type_of(connection, "large", "n"), file_of(connection, "large")) == (
        "integer",
        "text",
        file,
    )
    shown = connection.execute("SELECT ddl FROM cdc_sink.schema_reviews WHERE table_name = 'large'").fetchall()
    assert shown == [(['ALTER TABLE "public"."large" ALTER COLUMN "v" TYPE bigint USING "v"::bigint'],)]


def test_a_column_that_a_view_reads_is_for_a_review(connect: Callable[[], Connection]) -> None:
    """PostgreSQL refuses to change it; nothing is half done, and the reason is told."""
    connection = connect()
    make_table(connection, "viewed", "integer", ["1"])
    connection.execute("CREATE VIEW viewer AS SELECT v FROM viewed")
    verdict = evolution(breaking="queue").fit(connection, route("viewed"), [KEY, Wanted("v", "bigint"), Wanted("n", "text")], 2)
    assert verdict.refusal is not None
    assert "view" in str(verdict.refusal)
    assert (type_of(connection, "viewed"), type_of(connection, "viewed", "n")) == ("integer", "text")


WISH = IndexSettings(table="public.indexed", columns=["v"])


def test_a_declared_index_is_built_beside_the_rows_once_and_mended(connect: Callable[[], Connection], dsn: str) -> None:
    """It waits for its table; a build that ended in the middle left an invalid index, which is dropped and built anew."""
    connection, other = connect(), connect()
    assert ensure_index(connection, WISH) is State.AWAITED
    make_table(connection, "indexed", "integer", ["1", "2", "2"])
    held = psycopg.connect(dsn)
    held.execute("UPDATE indexed SET v = 3 WHERE id = 1")  # the build waits for this transaction, which is older
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(ensure_index, other, WISH)
        wait_until("the build to wait", lambda: index_states(connection) == [False], LIMIT_SECONDS, 0.05)
        assert ensure_index(connection, WISH) is State.BUSY
        connection.execute("INSERT INTO indexed VALUES (77, 7)")  # writers go on
        connection.execute("SELECT pg_terminate_backend(%s)", [other.info.backend_pid])
        with pytest.raises(psycopg.Error):
            building.result(LIMIT_SECONDS)
    held.rollback()
    held.close()
    assert index_states(connection) == [False]
    assert ensure_index(connection, WISH) is State.BUILT
    assert ensure_index(connection, WISH) is State.THERE
    assert index_states(connection) == [True]


def index_states(connection: Connection) -> list[bool]:
    rows = connection.execute(
        "SELECT indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = %s", [index_name(WISH)]
    ).fetchall()
    return [valid for (valid,) in rows]
