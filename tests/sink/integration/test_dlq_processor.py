"""The DLQ processor with real servers: each class goes its way, whoever dies when; and no value goes over a newer one."""

import csv
import io
import json
import os
import signal
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest
from sink_worker.admin.authentication import digest_of, new_token

from tests.harness.processes import wait_until
from tests.harness.sink_worker import COMMAND
from tests.sink.integration.admin_process import AdminProcess
from tests.sink.integration.stand import Pipeline
from tests.sink.integration.test_bad_input import NARROW, created
from tests.sink.workload.feed import Feed

pytestmark = pytest.mark.integration

WAIT_SECONDS = 120
CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY); INSERT INTO customers VALUES (1)"
REFERRING = NARROW.replace("customer_id integer NOT NULL", "customer_id integer NOT NULL REFERENCES customers (id)")
SCHEDULE = {"first_seconds": 0.1, "longest_seconds": 0.2, "attempts": 1000, "poll_seconds": 0.1, "port": 0}
EPOCHS = 'SELECT epoch FROM cdc_sink.offsets ORDER BY topic, "partition"'
Sheet = list[dict[str, str]]


class Processing:
    """A pipeline whose worker refused one event of each class: keys 2 (transient), 3 (validation), and bytes that are none."""

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.pipeline, self.folder = pipeline, folder
        pipeline.execute(CUSTOMERS)
        pipeline.execute(REFERRING)
        self.feed = pipeline.feed("json")
        self.worker = pipeline.worker(dlq_processor=SCHEDULE)

    def refuse(self) -> None:
        """Send the three, and a good one; the worker has to run."""
        self.feed.send([created(1), created(2, customer_id=99), created(3, quantity=-5, note="=cmd|' /C calc'!A1")])
        self.feed.send_raw(self.feed.partition(4), b'{"id":4}', b"\x07no event")
        self.pipeline.wait_caught_up()

    def dlq(self, *arguments: str | Path, crash_at: str | None = None) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, **({} if crash_at is None else {"SINK_TEST_CRASH_AT": crash_at})}
        command: list[str | Path] = [*COMMAND, "dlq", *arguments, "--config", self.worker.configuration]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def once(self) -> dict[str, int]:
        """One turn of the processor."""
        done = self.dlq("run", "--once", "--json")
        assert done.returncode in {0, 1}, done.stderr
        counts: dict[str, int] = json.loads(done.stdout)
        return counts

    def statuses(self) -> dict[int, str]:
        """Key's place → what became of it, of all that was refused."""
        return dict(self.pipeline.query("SELECT id, status FROM cdc_sink.rejected ORDER BY id"))

    def sheet(self) -> Sheet:
        """A fresh export."""
        file = self.folder / "sheet.csv"
        done = self.dlq("export", "--table", "public.orders", "--output", file)
        assert done.returncode == 0, done.stderr
        assert file.stat().st_mode & 0o077 == 0
        return list(csv.DictReader(io.StringIO(file.read_text(), newline="")))

    def bring(self, sheet: Sheet, crash_at: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Import a sheet."""
        file = self.folder / "corrected.csv"
        with file.open("w", newline="") as text:
            writer = csv.DictWriter(text, list(sheet[0]))
            writer.writeheader()
            writer.writerows(sheet)
        return self.dlq("import", file, "--json", crash_at=crash_at)


@pytest.fixture
def processing(pipeline: Pipeline, tmp_path: Path) -> Processing:
    return Processing(pipeline, tmp_path)


def test_each_class_goes_its_way_whoever_dies_when(processing: Processing) -> None:
    """Transient ones are applied once their cause is gone, bytes that are no event are archived, values are corrected."""
    pipeline = processing.pipeline
    with processing.worker:
        processing.refuse()
        killed = processing.dlq("run", "--once", crash_at="dlq-archived")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert pipeline.query("SELECT count(*) FROM cdc_sink.dlq_archive") == [(1,)]
        wait_until("a counted try", lambda: processing.once().get("failed") == 1, WAIT_SECONDS)
        assert pipeline.query("SELECT reason, archived_by FROM cdc_sink.dlq_archive") == [("permanent", "dlq-processor")]
        pipeline.execute("INSERT INTO customers VALUES (99)")
        for step in ("replay-applied", "replay-committed"):
            wait_until(f"a kill at {step}", partial(_killed, processing, step), WAIT_SECONDS)
        listed = [json.loads(line) for line in processing.dlq("list", "--json").stdout.splitlines()]
        assert [(event["class"], event["error_type"]) for event in listed] == [("validation", "CheckViolation:23514")]
        sheet = processing.sheet()
        assert [(row["id"], row["quantity"], row["note"]) for row in sheet] == [("3", "-5", "\\=cmd|' /C calc'!A1")]
        assert processing.bring(sheet).returncode == 1  # as it was: PostgreSQL refuses it again, and it stays open
        sheet[0] |= {"quantity": "5", "note": "\\N"}
        for step in ("replay-applied", "replay-committed"):
            assert processing.bring(sheet, crash_at=step).returncode == -signal.SIGKILL
        again = processing.bring(sheet)
        assert (again.returncode, json.loads(again.stdout)) == (0, {"settled before": 1})
    rows = pipeline.rows()
    assert {key: (row.customer_id, row.quantity, row.note) for key, row in rows.items()} == {
        1: (1, 1, None), 2: (99, 1, None), 3: (1, 5, None)
    }  # fmt: skip
    assert sorted(processing.statuses().values()) == ["discarded", "replayed", "replayed"]


def _killed(processing: Processing, step: str) -> bool:
    """Whether the processor died at the step; when nothing was due yet, it did not come there."""
    if step == "replay-committed" and 2 in processing.pipeline.rows():
        return True
    return processing.dlq("run", "--once", crash_at=step).returncode == -signal.SIGKILL


def test_a_correction_never_goes_over_a_newer_value_and_a_refused_older_one_never_over_it(processing: Processing) -> None:
    """Whatever was refused and is older is given up with the newer one; what PostgreSQL has no place for can be corrected."""
    pipeline, feed = processing.pipeline, processing.feed
    with processing.worker:
        feed.send([created(10, quantity=-1), created(11, quantity=-1), created(12, quantity=-1), created(13, note="a\0b")])
        feed.send([created(12, quantity=-2)])
        pipeline.wait_caught_up()
        sheet = processing.sheet()
        assert [row["note"] for row in sheet if row["id"] == "13"] == ["a␀b"]
        wrong = [row | {"id": "99"} for row in sheet[:2]] + sheet[2:]
        refused = processing.bring([{name: value for name, value in row.items() if name != "weight"} for row in wrong])
        assert refused.returncode == 2
        assert all(words in refused.stderr for words in ("line 2: column id is of the key", "line 3: column weight is missing"))
        assert "Traceback" not in refused.stderr
        feed.send([created(11, quantity=111)])  # newer than the refused one
        pipeline.wait_caught_up()
        corrected = [row | {"quantity": row["quantity"].lstrip("-") + "000", "note": "mended"} for row in sheet]
        later = [row for row in corrected if row["id"] != "12" or row["quantity"] == "2000"]
        assert processing.bring(later).returncode == 0
        again = processing.bring(corrected)
        assert json.loads(again.stdout) == {"settled before": len(sheet)}, again.stderr
    assert {key: row.quantity for key, row in pipeline.rows().items()} == {10: 1000, 11: 111, 12: 2000, 13: 1000}
    assert pipeline.rows()[13].note == "mended"
    assert sorted(processing.statuses().values()) == ["replayed", "replayed", "replayed", "superseded", "superseded"]


def test_letters_of_the_topic_are_taken_up_once_and_what_is_none_is_kept_aside(processing: Processing) -> None:
    """The control schema lost what was refused; the topic has it, among much else. Killed in between, nothing is twice."""
    pipeline, feed = processing.pipeline, processing.feed
    with processing.worker:
        feed.send([created(1), created(21, quantity=-1), created(22, quantity=-1)])
        pipeline.wait_caught_up()
        pipeline.wait_outbox_empty()
        feed.send([created(22, quantity=222)])
        pipeline.wait_caught_up()
    pipeline.execute("DELETE FROM cdc_sink.rejected")
    pipeline.execute("ALTER TABLE orders DROP CONSTRAINT orders_quantity_check")
    dlq = Feed(feed.bootstrap, pipeline.dlq, 1, feed.encode)
    place = {"source_topic": feed.topic, "source_partition": 0, "source_offset": 10**6}
    for value in (b"\xff", b"{}", b"[]", json.dumps(place).encode(), json.dumps({**place, "source_topic": "other"}).encode()):
        dlq.send_raw(0, None, value)
    for _ in range(2):
        assert processing.dlq("run", "--once", crash_at="dlq-adopted").returncode == -signal.SIGKILL
    counts: Counter[str] = Counter()

    def all_read() -> bool:
        counts.update(processing.once())
        return counts["malformed"] == 5

    wait_until("every letter to be read", all_read, WAIT_SECONDS)
    assert (counts["adopted"], pipeline.query("SELECT count(*) FROM cdc_sink.dlq_aside")) == (2, [(5,)])
    sheet = processing.sheet()
    assert sorted(row["id"] for row in sheet) == ["21", "22"]
    assert processing.bring(sheet).returncode == 0
    assert {key: row.quantity for key, row in pipeline.rows().items()} == {1: 1, 21: -1, 22: 222}


def test_a_paused_table_is_written_by_nobody_until_it_is_resumed(processing: Processing) -> None:
    """Through the admin API, over its own process; also by workers that start later, and by no replay."""
    pipeline, feed = processing.pipeline, processing.feed
    token = new_token()
    tokens = processing.folder / "tokens.json"
    tokens.write_text(json.dumps([{"name": "test", "role": "operator", "sha256": digest_of(token).hex()}]))
    with processing.worker as worker:
        feed.send([created(1), created(3, quantity=-5)])
        pipeline.wait_caught_up()
        own = {"tokens_file": str(tokens), "requests_per_minute": 100_000}
        with AdminProcess(processing.folder, worker, own, token) as admin:
            api = admin.client
            pause = "/v1/tables/public/orders/pause"
            before = pipeline.query(EPOCHS)
            assert api.post(pause, json={"reason": "maintenance"}).status_code == 204
            assert all(after > (epoch,) for (epoch,), after in zip(before, pipeline.query(EPOCHS), strict=True))  # fenced
            assert api.post(pause, json={"reason": "again"}).status_code == 409
            feed.send([created(5), created(6)])
            wait_until("the worker to see the pause", lambda: _states(api) == {"paused"}, WAIT_SECONDS)
            worker.stop()
            worker.start()
            wait_until("the new worker to see it", lambda: _states(api) == {"paused"}, WAIT_SECONDS)
            assert api.post("/v1/dead-letters/replay", json={}).json() == {"paused": 1}
            assert set(pipeline.rows()) == {1}
            assert api.get("/v1/state").json()["paused"][0]["paused"]["by"] == "test"
            [waiting] = api.get("/v1/dead-letters/summary").json()["waiting"]
            assert (waiting["class"], waiting["count"]) == ("validation", 1)
            assert api.post("/v1/tables/public/orders/resume").status_code == 204
            pipeline.wait_caught_up()
            sheet = api.get("/v1/validation/sheet", params={"table": "public.orders"}).text
            done = api.post("/v1/validation/sheet", content=sheet.replace(",-5,", ",5,"), headers={"Content-Type": "text/csv"})
            assert done.json() == {"counts": {"replayed": 1, "settled before": 0}, "refused": []}
            assert api.get("/v1/audit").status_code == 403
    assert {key: row.quantity for key, row in pipeline.rows().items()} == {1: 1, 3: 5, 5: 1, 6: 1}
    noted = pipeline.query("SELECT action, phase, status FROM cdc_sink.admin_audit WHERE action LIKE '%pause' ORDER BY id")
    action = "POST /v1/tables/{schema}/{table}/pause"
    assert noted == [(action, "asked", None), (action, "answered", 204), (action, "asked", None), (action, "answered", 409)]
    with pytest.raises(psycopg.Error, match="append-only"):
        pipeline.execute("DELETE FROM cdc_sink.admin_audit")


def _states(api: httpx.Client) -> set[str]:
    """What the workers say of their partitions."""
    return {
        state for worker in api.get("/v1/state").json().get("workers", []) for state in worker.get("partitions", {"none": 0})
    }
