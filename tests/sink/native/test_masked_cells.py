"""Personal data in tables of Cassandra: masked in rows, in what is remembered of them, and in what is refused or read again."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from sink_worker._native import MaskKey

from tests.harness.postgres_server import PostgresServer
from tests.sink.native.cell_postgres import Merging
from tests.sink.native.cell_writer import CellReplaying, CellWriter, FakeRereader
from tests.sink.workload.cells_with_schema import BIGINT, INT, MAP, SET, TEXT, Columns, Envelope, event, udt

pytestmark = pytest.mark.integration
SECRET = b"a key of masks that has at least 32 bytes"
PLANTED = "ada.lovelace@planted.example"
NUMBER = 998_877_665_544
T = time.time_ns() // 1000 - 3600 * 1_000_000
FORMS: list[Envelope] = ["raw", "transformed"]
TABLE: Columns = {"mail": TEXT, "ck": INT, "name": TEXT, "phone": BIGINT, "salary": BIGINT, "ip": TEXT,
                  "home": udt(street=TEXT), "notes": MAP, "tags": SET, "v": INT}  # fmt: skip
TYPES = {"ip": "inet", "home": "frozen<address>", "notes": "frozen<map<text,text>>", "tags": "set<text>"}
MASKS = {"mail": {"rule": "hash"}, "name": {"rule": "tokenize"}, "phone": {"rule": "partial", "keep": 2},
         **{name: {"rule": "redact"} for name in ("ip", "home", "notes", "tags")}}  # fmt: skip
ROW: dict[str, Any] = {"mail": PLANTED, "ck": 1, "name": PLANTED, "phone": NUMBER, "salary": 12, "ip": "/10.9.8.7",
                       "home": {"street": PLANTED}, "notes": {PLANTED: PLANTED}, "v": 1}  # fmt: skip
KEY = ("mail", "ck")


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server.dsn()


class FakeAda(FakeRereader):
    """A double of Cassandra that has one row for every key."""

    def read(self, keyspace: str, table: str, keys: Any) -> Any:
        return super().read(keyspace, table, [{**key, "id": 1} for key in keys])


def make(dsn: str, folder: Path, name: str, masks: dict[str, Any], types: dict[str, str], rereader: Any = None,
         **cassandra: Any) -> CellWriter:  # fmt: skip
    key = folder / "masking.key"
    key.write_bytes(SECRET)
    sections = {"routing": {"rules": [{"topics": ".*", "masks": masks}]}, "masking": {"key_file": str(key)},
                "dlq": {"topic": "letters"}}  # fmt: skip
    return CellWriter(Merging(dsn, name, types, sections, **cassandra), rereader)


def everything(writer: CellWriter) -> bytes:
    """Every row of every table of the worker's and of its target, bytes and their hexadecimal and base64 forms opened."""
    connection = writer.merging.connection
    tables = connection.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'cdc_sink'")
    found = b""
    for table in [*(name for (name,) in tables.fetchall()), writer.merging.route.label]:
        for row in connection.execute(f"SELECT t.* FROM {table} AS t".encode()).fetchall():
            found += b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in row) + b"\n"
    return found


def in_the_clear(content: bytes) -> list[str]:
    hidden = [PLANTED, str(NUMBER), "10.9.8.7"]
    return [text for text in hidden if text.encode() in content or base64.b64encode(text.encode())[:12] in content
            or text.encode().hex().encode() in content]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_masked_value_is_nowhere_in_the_clear_and_still_merges(
    dsn: str, tmp_path: Path, form: Envelope, capfd: pytest.CaptureFixture[str]
) -> None:
    ada = FakeAda({1: {"tags": [PLANTED], "name": PLANTED}})
    writer = make(dsn, tmp_path, f"masked_{form}", MASKS, TYPES, ada, on_ambiguous="reread", reread={"hosts": ["127.0.0.1"]})
    merging = writer.merging

    def sent(op: str, ts: int, **row: Any) -> tuple[bytes, bytes]:
        return event(TABLE, op, ts, {"mail": PLANTED, "ck": 1, **row}, key=KEY, envelope=form)

    with structlog.testing.capture_logs() as logs:
        writer.write(
            [sent("i", T, **ROW), sent("u", T + 2, name=PLANTED[::-1], tags=[PLANTED]), sent("i", T, **{**ROW, "ck": 2})]
        )
        merging.connection.execute(f"ALTER TABLE {merging.route.label} ADD CHECK (v < 9)".encode())
        ahead = T + 9 * 3600 * 1_000_000
        writer.write([sent("u", T + 3, v=9, name=PLANTED), sent("d", T + 1, ck=2, name=None),
                      sent("u", T + 4, v="none", name=PLANTED), sent("u", ahead, ck=3, name=PLANTED)])  # fmt: skip
        replaying = CellReplaying(writer)
        for rejection in replaying.open():
            replaying.attempt(rejection)
        replaying.close()
    [(mail, name, phone, *rest)] = merging.connection.execute(
        f"SELECT mail, name, phone, salary, ip, home, notes, tags FROM {merging.route.label} WHERE ck = 1".encode()
    ).fetchall()
    assert len(mail) == 64
    assert MaskKey(SECRET).reveal(name) == PLANTED[::-1]
    assert (phone, rest) == ("*" * 10 + "44", [12, None, None, None, None])
    assert merging.count("cell_graves") >= 1, "of the row that was deleted"
    assert len(writer.statuses()) >= 3
    assert ada.asked[0][2][0]["mail"] == PLANTED, "Cassandra is asked for the row by its own key"
    stdout = "".join(capfd.readouterr())
    assert in_the_clear(everything(writer) + repr(logs).encode() + stdout.encode()) == []
    writer.close()
    merging.close()


@pytest.mark.parametrize("form", FORMS)
def test_a_row_that_only_a_redacted_column_keeps_alive_stays_until_that_goes(dsn: str, tmp_path: Path, form: Envelope) -> None:
    columns: Columns = {"id": INT, "salary": BIGINT, "home": udt(street=TEXT), "v": INT}
    masks = {"salary": {"rule": "redact"}, "home": {"rule": "redact"}}
    writer = make(dsn, tmp_path, f"alive_{form}", masks, {"home": "frozen<address>"})
    merging = writer.merging

    def sent(ts: int, row: int, **cells: Any) -> None:
        writer.write([event(columns, "u", ts, {"id": row, **cells}, envelope=form)])

    def rows() -> list[tuple[Any, ...]]:
        return merging.connection.execute(
            f"SELECT id, salary, home, v FROM {merging.route.label} ORDER BY id".encode()
        ).fetchall()

    sent(T, 1, salary=5)
    sent(T, 2, home={"street": "s"}, v=1)
    sent(T + 1, 2, v=None)
    assert rows() == [(1, None, None, None), (2, None, None, None)]
    sent(T + 2, 1, salary=None)
    assert rows() == [(2, None, None, None)]
    sent(T + 1, 1, salary=6)
    sent(T + 2, 2, home=None)
    assert rows() == []
    writer.close()
    merging.close()


@pytest.mark.parametrize(("column", "kind", "value", "rule"), [
    ("home", udt(street=TEXT), {"street": PLANTED}, "hash"), ("notes", MAP, {"a": PLANTED}, "partial"),
    ("ip", TEXT, "/10.9.8.7", "tokenize"),
])  # fmt: skip
def test_a_mask_that_cannot_be_kept_refuses_the_event_and_writes_nothing(
    dsn: str, tmp_path: Path, column: str, kind: Any, value: Any, rule: str
) -> None:
    writer = make(
        dsn, tmp_path, f"cannot_{column}", {column: {"rule": rule}}, {name: TYPES[name] for name in ("home", "notes", "ip")}
    )
    writer.write([event({"id": INT, column: kind}, "i", T, {"id": 1, column: value})])
    assert writer.statuses() == {0: ("UnsupportedSchema", "open")}
    kept = writer.merging.connection.execute("SELECT array_agg(r::text) FROM cdc_sink.rejected AS r").fetchone()
    assert in_the_clear(str(kept).encode()) == []
    writer.close()
    writer.merging.close()
