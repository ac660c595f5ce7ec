"""Bad input: each kind has one outcome, nothing is lost silently, and nothing stops what is beside it."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from tests.harness.processes import wait_until
from tests.harness.sink_worker import COMMAND
from tests.sink.integration.stand import Pipeline
from tests.sink.workload.changes import NUL_NOTE, Change, Mix, Order, history
from tests.sink.workload.envelopes import Record
from tests.sink.workload.feed import PRODUCER, Feed, create_topic

pytestmark = pytest.mark.integration

GOOD = Mix(events=2_000, keys=300)
WAIT_SECONDS = 30
UNKNOWN_ID = b"\x00" + (987_654).to_bytes(4, "big")
LARGE = 2 * 1024 * 1024
MOMENT = datetime(2026, 5, 5, tzinfo=UTC)

Spoil = Callable[[Record], tuple[bytes | None, bytes | None]]


def order(key: int, **values: Any) -> Order:
    """A row that is good but for the values given."""
    row = Order(key, 1, "new", Decimal("1.00"), 1, False, 1.0, None, MOMENT.replace(tzinfo=None), MOMENT)
    return row._replace(**values)


def created(key: int, **values: object) -> Change:
    """The event of a new row."""
    return Change("c", None, order(key, **values), False, False)


def in_value(change: Callable[[bytes], bytes]) -> Spoil:
    """Leaves the key as it is."""
    return lambda record: (record.key, change(record.value or b""))


SPOILT: dict[str, Spoil] = {
    "an unknown schema id": in_value(lambda value: UNKNOWN_ID + value[5:]),
    "truncated bytes": in_value(lambda value: value[:-20]),
    "a wrong magic byte": in_value(lambda value: b"\x07" + value[1:]),
    "no bytes at all": in_value(lambda _: b""),
    "less than a head": in_value(lambda _: b"\x00\x00"),
    "noise": in_value(lambda value: value[:5] + b"\xff" * 60),
    "bytes behind the end": in_value(lambda value: value + b"\x00\x01"),
    "a key that is noise": lambda record: (b"\x00\x00\x00\x00\x63noise", record.value),
    "no key": lambda record: (None, record.value),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_record_that_cannot_be_read_is_refused_and_its_neighbours_go_in(pipeline: Pipeline, what: str) -> None:
    """One dead letter for each bad record, with the record's own bytes and place; nothing else is refused."""
    feed = pipeline.feed("avro")
    expected = set()
    source = history(1, GOOD)
    with pipeline.worker():
        for key in range(900_001, 900_007):
            feed.send(next(source) for _ in range(200))
            partition = feed.partition(key)
            expected.add((feed.topic, *feed.send_raw(partition, *SPOILT[what](feed.encode(created(key), 0)[0]))))
        feed.send(source)
        pipeline.wait_caught_up()
        pipeline.assert_table_is_the_model(feed)
        pipeline.assert_dead_letters_are(expected)
    letter = pipeline.dead_letters()[0]
    assert {
        "original_event",
        "error_type",
        "error_message",
        "attempt_count",
        "first_failure_timestamp",
        "last_failure_timestamp",
    } <= letter.keys()
    assert letter["headers"]["__connect.errors.topic"] == feed.topic.encode()


VALUES: dict[str, dict[str, object]] = {
    "a NUL in text": {"note": NUL_NOTE},
    "a number that the column cannot hold": {"amount": Decimal(10) ** 17},
    "a value that a constraint refuses": {"quantity": -5},
    "a text that is too long": {"status": "x" * 41},
}
NARROW = """CREATE TABLE orders (
    id bigint PRIMARY KEY, customer_id integer NOT NULL, status varchar(40) NOT NULL, amount numeric(12,2) NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0), express boolean NOT NULL, weight double precision NOT NULL, note text,
    created_at timestamp(6) NOT NULL, updated_at timestamptz NOT NULL)"""


@pytest.mark.parametrize("kind", ["avro", "json"])
@pytest.mark.parametrize("what", VALUES)
def test_a_row_that_postgres_cannot_hold_is_refused_and_its_neighbours_go_in(
    pipeline: Pipeline,
    what: str,
    kind: str,
) -> None:
    """Isolated in the middle of large batches, at the first and at the last place of a batch, too."""
    pipeline.execute(NARROW)
    feed = pipeline.feed("avro" if kind == "avro" else "json")
    expected = set()
    bad = [-(10**12), 500_000, 600_000, 700_000, 10**12]
    feed.send(history(1, GOOD))
    for key in bad:
        partition = feed.partition(key)
        expected.add((feed.topic, partition, feed.records[partition]))
        feed.send([created(key, **VALUES[what])])
        del feed.model.rows[key]
        feed.send([created(key + feed.partitions)])
    with pipeline.worker():
        pipeline.wait_caught_up()
        pipeline.assert_table_is_the_model(feed)
        pipeline.assert_dead_letters_are(expected)


def test_an_event_too_large_for_a_dead_letter_is_kept_and_named(pipeline: Pipeline) -> None:
    """The letter says where the event is; the control schema has all of it."""
    feed = pipeline.feed("avro")
    large = Feed(
        feed.bootstrap,
        f"{feed.topic}_large",
        1,
        feed.encode,
        {**PRODUCER, "message.max.bytes": 4 * LARGE, "batch.size": 4 * LARGE},
    )
    create_topic(feed.bootstrap, large.topic, 1, **{"max.message.bytes": str(4 * LARGE)})
    pipeline.feeds.append(large)
    pipeline.topics.append(large.topic)
    large.send([created(1), created(2, note="x" * LARGE + "\0"), created(3, note="y" * LARGE)])
    del large.model.rows[2]
    with pipeline.worker():
        pipeline.wait_caught_up()
        assert pipeline.rows("orders_large") == large.model.rows
        pipeline.assert_dead_letters_are([(large.topic, 0, 1)])
    (letter,) = pipeline.dead_letters()
    assert "omitted" in letter["original_event"]
    assert pipeline.query("SELECT length(raw_value) > %s FROM cdc_sink.rejected", LARGE) == [(True,)]


def test_a_table_that_does_not_fit_halts_its_topic_alone_until_it_does(pipeline: Pipeline) -> None:
    """Nothing is refused; the readiness report has the reason; repaired, it goes on by itself."""
    pipeline.execute(NARROW.replace("amount numeric(12,2)", "amount integer"))
    feed, other = pipeline.feed("avro"), pipeline.feed("avro", "others")
    for each in (feed, other):
        each.send(history(1, GOOD))
    with pipeline.worker() as worker:
        pipeline.wait_caught_up(other)
        assert pipeline.query("SELECT count(*) FROM orders") == [(0,)]
        assert worker.is_live()
        pipeline.execute("ALTER TABLE orders ALTER amount TYPE numeric(12,2)")
        pipeline.wait_caught_up()
        pipeline.assert_table_is_the_model(feed)
        pipeline.assert_table_is_the_model(other)
        pipeline.assert_dead_letters_are([])


def test_a_table_dropped_under_it_halts_its_topic_alone(pipeline: Pipeline) -> None:
    """A new table would miss the earlier rows, so that none is made unless the settings say so."""
    feed, other = pipeline.feed("avro"), pipeline.feed("avro", "others")
    with pipeline.worker():
        for each in (feed, other):
            each.send(history(1, GOOD))
        pipeline.wait_caught_up()
        pipeline.execute("DROP TABLE orders")
        for each in (feed, other):
            each.send(history(2, GOOD))
        pipeline.wait_caught_up(other)
        pipeline.assert_table_is_the_model(other)
        assert sum(pipeline.next_offsets(feed.topic).values()) < sum(feed.records)
        assert pipeline.query("SELECT to_regclass('orders')") == [(None,)]
    feed.model.rows.clear()
    with pipeline.worker("second", tables={"on_dropped": "recreate"}):
        pipeline.wait_caught_up()
        pipeline.assert_dead_letters_are([])


def test_a_topic_deleted_and_made_again_starts_from_its_beginning(pipeline: Pipeline) -> None:
    """Its offsets count anew: those of the old topic say nothing of it."""
    feed, other = pipeline.feed("avro"), pipeline.feed("avro", "others")
    admin = AdminClient({"bootstrap.servers": feed.bootstrap})
    with pipeline.worker():
        for each in (feed, other):
            each.send(history(1, GOOD))
        pipeline.wait_caught_up()
        admin.delete_topics([feed.topic])[feed.topic].result(WAIT_SECONDS)
        other.send(history(2, GOOD))
        pipeline.wait_caught_up(other)
        create_topic(feed.bootstrap, feed.topic, feed.partitions)
        again = Feed(feed.bootstrap, feed.topic, feed.partitions, feed.encode, model=feed.model)
        again.send(created(key, note="the new topic's") for key in range(1, 400))
        pipeline.feeds[0] = again
        wait_until("the new topic's rows", lambda: pipeline.rows() == again.model.rows, 2 * WAIT_SECONDS, 0.5)
        pipeline.assert_table_is_the_model(other)


@pytest.mark.parametrize("killed_at", [(), ("replay-applied", "replay-committed")], ids=["at once", "killed before and after"])
def test_replay_applies_what_was_repaired_and_never_an_older_value_over_a_newer(
    pipeline: Pipeline, killed_at: tuple[str, ...]
) -> None:
    """Two rows refused by a constraint; one of them has a newer value by the time the constraint is gone."""
    pipeline.execute(NARROW)
    feed = pipeline.feed("avro")
    worker = pipeline.worker()
    with worker:
        feed.send([created(1, quantity=-1), created(4, quantity=-4)])
        pipeline.wait_caught_up()
        feed.send([created(4, quantity=44)])
        pipeline.wait_caught_up()
        pipeline.execute("ALTER TABLE orders DROP CONSTRAINT orders_quantity_check")
        command = [*COMMAND, "replay", "--config", str(worker.configuration), "--json"]
        for step in killed_at:
            killed = subprocess.run(command, env={**os.environ, "SINK_TEST_CRASH_AT": step}, capture_output=True, check=False)
            assert killed.returncode == -signal.SIGKILL
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert {key: row.quantity for key, row in pipeline.rows().items()} == {1: -1, 4: 44}
        statuses = dict(pipeline.query('SELECT "offset", status FROM cdc_sink.rejected WHERE "partition" = 1'))
        assert statuses == {0: "replayed", 1: "superseded"}
        assert json.loads(done.stdout)
