"""A worker whose sources change their columns: nothing is lost, nobody held up; breaking changes end where settings say."""

import json
import os
import signal
import subprocess
from typing import Any

import psycopg
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from sink_worker.evolution.reviews import Outcome, ReviewError, approve, list_pending, reject
from sink_worker.evolution.store import Review
from sink_worker.settings_file import load_settings

from tests.harness.processes import wait_until
from tests.harness.sink_worker import COMMAND, SinkWorker
from tests.sink.integration.changing import DOUBLE, INT, LIMIT_SECONDS, LONG, TEXT, ChangingTopic
from tests.sink.integration.stand import Pipeline
from tests.sink.workload.feed import create_topic

pytestmark = pytest.mark.integration

FIRST = {"id": LONG, "v": INT}
GROWN = {"id": LONG, "v": LONG, "n": TEXT}
BROKEN = {"id": LONG, "v": TEXT}
LACKING = {"id": LONG}
HASTY_EVOLUTION = {"poll_seconds": 0.1, "cache_seconds": 0.5}
ROWS = 20


def first(numbers: range = range(ROWS)) -> list[dict[str, Any]]:
    return [{"id": number, "v": number} for number in numbers]


def grown(numbers: range = range(ROWS)) -> list[dict[str, Any]]:
    return [{"id": number, "v": 2**40 + number, "n": f"n{number}"} for number in numbers]


def sink_worker(worker: SinkWorker, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command with the worker's settings."""
    command = [*COMMAND, *words, "--config", str(worker.configuration)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def reviews(worker: SinkWorker, *, decided: bool = False) -> list[Review]:
    return list_pending(load_settings(worker.configuration), decided=decided)


def approve_now(worker: SinkWorker, review: Review) -> Outcome:
    return approve(load_settings(worker.configuration), review.id, by="ann")


def approved(worker: SinkWorker, review: int, **environment: str) -> "subprocess.CompletedProcess[str]":
    return sink_worker(worker, "schema", "approve", str(review), "--yes", "--by", "ann", "--json", **environment)


def waiting(pipeline: Pipeline, topic: ChangingTopic, status: str = "open") -> int:
    return int(
        pipeline.query("SELECT count(*) FROM cdc_sink.rejected WHERE topic = %s AND status = %s", topic.topic, status)[0][0]
    )


def test_a_table_that_is_held_waits_for_its_columns_alone(pipeline: Pipeline) -> None:
    """A long SELECT keeps ALTER TABLE out; other tables go on, and then so does this one."""
    held, other = ChangingTopic(pipeline, "held"), ChangingTopic(pipeline, "other")
    with pipeline.worker(evolution=HASTY_EVOLUTION, postgres={"ddl_lock_timeout_seconds": 0.2}) as worker:
        for topic in (held, other):
            topic.send(FIRST, first())
            topic.wait_stored()
        with psycopg.connect(pipeline.dsn) as reader:
            reader.execute("SELECT * FROM held").fetchall()
            for topic in (held, other):
                topic.send(GROWN, grown())
            other.wait_stored()
            wait_until(
                "the held topic to wait",
                lambda: any(line.get("reason") == "locked" and line.get("topic") == held.topic for line in worker.log()),
                LIMIT_SECONDS,
                0.05,
            )
            assert held.types() == {"id": "bigint", "v": "integer"}
        held.wait_stored()
        wanted = [(row["id"], row["v"], row["n"]) for row in grown()]
        assert held.rows("id", "v", "n") == other.rows("id", "v", "n") == wanted
        assert pipeline.query("SELECT count(*) FROM cdc_sink.rejected") == [(0,)]
        assert 'cdc_schema_changes_total{outcome="applied",table="public.held"} 1.0' in worker.metrics()


@pytest.mark.parametrize("step", ["ddl", "schema-ddl"])
def test_a_worker_killed_around_a_change_is_completed_by_the_next(pipeline: Pipeline, step: str) -> None:
    """Before the change's commit, and between it and the rows."""
    topic = ChangingTopic(pipeline, "orders")
    worker = pipeline.worker(evolution=HASTY_EVOLUTION)
    with worker:
        topic.send(FIRST, first())
        topic.wait_stored()
        worker.stop()
        topic.send(GROWN, grown(range(10, 30)))
        worker.start(crash_at=step, wait=False)
        wait_until("the worker to be killed", lambda: worker.process.exit_code is not None, LIMIT_SECONDS, 0.05)
        assert worker.process.exit_code == -signal.SIGKILL
        assert pipeline.next_offsets(topic.topic) == {0: ROWS}
        assert ("n" in topic.types()) is (step == "schema-ddl")
        worker.start()
        topic.wait_stored()
    assert topic.rows("id", "v", "n") == [
        *((row["id"], row["v"], None) for row in first(range(10))),
        *((row["id"], row["v"], row["n"]) for row in grown(range(10, 30))),
    ]  # fmt: skip
    assert pipeline.query("SELECT count(*) FROM cdc_sink.rejected") == [(0,)]


def test_what_waits_for_a_review_is_released_in_order_and_never_over_a_newer_value(pipeline: Pipeline) -> None:
    """Killed between approval and release, too. What comes after it does not wait any more."""
    topic = ChangingTopic(pipeline, "orders")
    worker = pipeline.worker(evolution={"breaking": "queue", "cache_seconds": 3600})
    with worker:
        topic.send(FIRST, first())
        topic.send(BROKEN, [{"id": 1, "v": "one"}, {"id": 2, "v": "two"}])
        topic.wait_stored()
        topic.send(BROKEN, [{"id": 2, "v": "two again"}, {"id": 3, "v": "three"}, {"id": 99, "v": "new"}])
        topic.wait_stored()
        topic.send(FIRST, [{"id": 3, "v": 33}])  # the source was changed back for a moment
        topic.send(LACKING | {"v": TEXT}, [{"id": 1, "v": None}], op="d")
        topic.wait_stored()
        assert {0: 0, 2: 2, 3: 33}.items() <= dict(topic.rows("id", "v")).items()
        listed = sink_worker(worker, "schema", "review", "--json")
        assert listed.returncode == 1, listed.stderr  # something waits
        [review] = json.loads(listed.stdout)["reviews"]
        waits = waiting(pipeline, topic)
        assert waits in {3, 5}  # two of the deleted row, or none: a delete that comes alone needs only the key
        assert (review["behaviour"], review["waiting"]) == ("queue", waits)
        assert review["ddl"] == ['ALTER TABLE "public"."orders" ALTER COLUMN "v" TYPE text USING "v"::text']
        shown = sink_worker(worker, "schema", "approve", str(review["id"]))
        assert shown.returncode == 1
        assert "--yes" in shown.stdout
        assert topic.types()["v"] == "integer"
        killed = approved(worker, review["id"], SINK_TEST_CRASH_AT="schema-approved")
        assert killed.returncode == -signal.SIGKILL
        assert (topic.types()["v"], waiting(pipeline, topic)) == ("text", waits)
        assert [each.status for each in reviews(worker)] == ["approved"]  # shown, because events wait for its release
        topic.send(BROKEN, [{"id": 4, "v": "four"}])
        topic.wait_stored()
        done = approved(worker, review["id"])
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["events"] == {"replayed": waits}
        assert reviews(worker) == []
        assert waiting(pipeline, topic) == 0
        found = dict(topic.rows("id", "v"))
        assert {number: found.get(number) for number in (1, 2, 3, 4, 99)} == {
            1: None, 2: "two again", 3: "33", 4: "four", 99: "new"}  # fmt: skip
        assert len(found) == ROWS
    who = pipeline.query("SELECT event, actor FROM cdc_sink.schema_audit WHERE review IS NOT NULL ORDER BY id")
    assert who == [("found", "worker"), ("approved", "ann"), ("released", "ann")]


def test_a_rejected_schema_stays_out_and_the_stopped_topic_goes_on(pipeline: Pipeline) -> None:
    """What comes of that schema is kept, discarded; what comes of another is written."""
    topic = ChangingTopic(pipeline, "orders")
    with pipeline.worker(evolution=HASTY_EVOLUTION, tables={"mismatch_retry_seconds": 0.2}) as worker:
        topic.send(FIRST, first())
        topic.wait_stored()
        topic.send(BROKEN, [{"id": 1, "v": "one"}])
        wait_until(
            "the review", lambda: pipeline.query("SELECT count(*) FROM cdc_sink.schema_reviews") == [(1,)], LIMIT_SECONDS, 0.05
        )
        [review] = reviews(worker)
        assert review.behaviour == "stop"
        assert pipeline.next_offsets(topic.topic) == {0: ROWS}
        done = sink_worker(worker, "schema", "reject", str(review.id), "--reason", "the source takes it back", "--by", "ann")
        assert done.returncode == 0, done.stderr
        topic.wait_stored()
        topic.send(BROKEN, [{"id": 2, "v": "two"}])
        topic.send(FIRST, [{"id": 3, "v": 33}])
        topic.wait_stored()
        assert topic.rows("id", "v")[1:4] == [(1, 1), (2, 2), (3, 33)]
        assert waiting(pipeline, topic, "discarded") == 2
        [kept] = reviews(worker, decided=True)
        assert (kept.status, kept.decided_by, kept.reason) == ("rejected", "ann", "the source takes it back")
        unknown = sink_worker(worker, "schema", "review", "1000000")
        assert (unknown.returncode, "no schema review" in unknown.stderr) == (2, True)
        with pytest.raises(ReviewError, match="needs a reason"):
            reject(load_settings(worker.configuration), review.id, by="ann", reason=" ")


RULES = [
    {"tables": r"public\.audited", "breaking": "audit"}, {"tables": r"public\.queued", "breaking": "queue", "dropped": "queue"},
    {"tables": r"public\.skipped", "breaking": "log_and_skip"},
]  # fmt: skip


def test_each_table_breaks_as_its_settings_say_and_the_audit_topic_has_it_all(pipeline: Pipeline) -> None:
    """``audit`` writes what fits, ``queue`` keeps, ``log_and_skip`` drops, ``stop`` stops; all get the new column."""
    names = ("audited", "queued", "skipped", "stopped")
    topics = {name: ChangingTopic(pipeline, name) for name in names}
    audit = f"{pipeline.name}.audit"
    create_topic(pipeline.stand.broker.bootstrap, audit, 1)
    change = {"id": LONG, "v": TEXT, "n": DOUBLE}
    evolution = {**HASTY_EVOLUTION, "rules": RULES, "audit_topic": audit}
    with pipeline.worker(evolution=evolution) as worker:
        for topic in topics.values():
            topic.send(FIRST, first())
            topic.wait_stored()
            topic.send({"id": LONG, "v": {"type": "boolean"}, "n": DOUBLE}, [])
            topic.send(change, [{"id": 1, "v": "no number", "n": 1.5}, {"id": 2, "v": "22", "n": 2.5}])
        for name in names[:3]:
            topics[name].wait_stored()
        wait_until("the review of the stopped one", lambda: len(reviews(worker)) == 4, LIMIT_SECONDS, 0.05)
        assert {name: topics[name].rows("id", "v", "n")[1:3] for name in names} == {
            "audited": [(1, 1, None), (2, 22, 2.5)],  # what is no number was refused by PostgreSQL, by itself
            "queued": [(1, 1, None), (2, 2, None)],
            "skipped": [(1, 1, None), (2, 2, None)],
            "stopped": [(1, 1, None), (2, 2, None)],
        }
        assert {name: waiting(pipeline, topics[name]) for name in names} == {
            "audited": 1,
            "queued": 2,
            "skipped": 0,
            "stopped": 0,
        }
        assert pipeline.next_offsets(topics["stopped"].topic) == {0: ROWS}
        assert 'cdc_schema_rows_skipped_total{table="public.skipped"} 2.0' in worker.metrics()
        wait_until(
            "the gauge",
            lambda: 'cdc_schema_reviews_pending{table="public.stopped"} 1.0' in worker.metrics(),
            LIMIT_SECONDS,
            0.05,
        )
        wait_until("the audit topic", lambda: published(pipeline), LIMIT_SECONDS, 0.05)
    told = audit_records(pipeline, audit)
    assert {(record["table"], record["event"]) for record in told} == {
        (f"public.{name}", event) for name in names for event in ("applied", "found")}  # fmt: skip
    assert all(record["changes"][0]["column"] == "v" for record in told if record["event"] == "found")


def test_a_column_that_is_dropped_is_told_and_keeps_its_values(pipeline: Pipeline) -> None:
    """By default the rest is written on; with ``queue`` the rows wait. Approved, it is no news any more."""
    told, queued = ChangingTopic(pipeline, "told"), ChangingTopic(pipeline, "queued")
    with pipeline.worker(evolution={**HASTY_EVOLUTION, "rules": RULES}) as worker:
        for topic in (told, queued):
            topic.send(FIRST, first())
            topic.wait_stored()
            topic.send(LACKING, [{"id": 1}, {"id": 50}])
            topic.wait_stored()
        assert told.rows("id", "v")[-1] == (50, None)
        assert told.rows("id", "v")[1] == (1, 1)
        assert (waiting(pipeline, told), waiting(pipeline, queued)) == (0, 2)
        found = {review.table_name: review for review in reviews(worker)}
        assert [change["kind"] for change in found["told"].changes] == ["dropped"]
        for name in ("told", "queued"):
            assert approve_now(worker, found[name]).ddl == []
        assert queued.rows("id", "v")[-1] == (50, None)
        for topic in (told, queued):
            topic.send(LACKING, [{"id": 51}])
            topic.wait_stored()
        assert reviews(worker) == []
        assert queued.rows("id")[-1] == (51,)


def test_a_new_key_waits_until_the_rows_have_it(pipeline: Pipeline) -> None:
    """PostgreSQL refuses a key with holes: nothing is changed, and once somebody filled them the same approval goes through."""
    topic = ChangingTopic(pipeline, "orders")
    keyed = {"id": LONG, "region": TEXT, "v": INT}
    with pipeline.worker(evolution={**HASTY_EVOLUTION, "breaking": "audit"}) as worker:
        topic.send(FIRST, first())
        topic.wait_stored()
        topic.send(keyed, [{"id": 1, "region": "eu", "v": 11}, {"id": 1, "region": "us", "v": 12}], key=("id", "region"))
        topic.wait_stored()
        [review] = reviews(worker)
        assert (review.behaviour, review.waiting) == ("queue", 2)  # without its key a row cannot be written even in part
        with pytest.raises(ReviewError, match="nothing was changed"):
            approve_now(worker, review)
        assert "region" not in topic.types()
        pipeline.execute("ALTER TABLE orders ADD region text NOT NULL DEFAULT 'eu'")
        with pytest.raises(ReviewError, match="is another by now"):
            approve_now(worker, review)
        [shown] = approve_now(worker, review).ddl
        assert "ADD COLUMN" not in shown
        assert topic.rows("id", "region", "v")[1:3] == [(1, "eu", 11), (1, "us", 12)]
        assert len(topic.rows("id")) == ROWS + 1


def published(pipeline: Pipeline) -> bool:
    return bool(pipeline.query("SELECT count(*) = 0 FROM cdc_sink.schema_audit WHERE NOT published")[0][0])


def audit_records(pipeline: Pipeline, topic: str) -> list[dict[str, Any]]:
    settings = {"bootstrap.servers": pipeline.stand.broker.bootstrap, "group.id": "reader", "enable.partition.eof": True}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    found = []
    try:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        while (message := consumer.poll(LIMIT_SECONDS)) is not None and message.error() is None:
            found.append(json.loads(message.value() or b"{}"))
    finally:
        consumer.close()
    return found
