"""Latency at a steady rate: from the moment an event is made to the moment its row is committed.

Nothing is asked of the peers. PostgreSQL remembers when each transaction was committed (``track_commit_timestamp``), each
row which transaction wrote it, and the event puts its own moment into the row; both clocks are the machine's. What is seen
is the last write of each row that is left: one in three to four events, at random places of the stream.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from bench.sink.data import PARTITIONS
from bench.sink.stage import Stage, Target
from tests.harness.processes import wait_until
from tests.sink.workload.changes import Change, Mix, history
from tests.sink.workload.envelopes import Format, Names
from tests.sink.workload.feed import PRODUCER, Feed, create_topic, table_encoder

EVENTS_PER_SECOND = 5_000
WARM_UP_SECONDS = 5
CATCH_UP_SECONDS = 120
LATENCIES = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY late), max(late), count(*) FROM (
    SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - created_at AT TIME ZONE 'UTC') * 1000 AS late
    FROM orders WHERE created_at > %s
) AS rows
"""


@dataclass(frozen=True)
class Latency:
    """In milliseconds, of ``rows`` that were seen."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    rows: int
    seconds: float


def measure(stage: Stage, kind: Format, seconds: int, start: Callable[[str, Target], Callable[[], int]], name: str) -> Latency:
    """Feed a new topic for ``seconds`` while a peer writes it. ``start`` starts the peer and gives what counts its progress."""
    target = stage.target()
    names = Names(f"steady_{name}_{kind}", "shop", "orders")
    create_topic(stage.broker.bootstrap, names.topic, PARTITIONS)
    encode = table_encoder(kind, names, stage.registry)
    feed = Feed(stage.broker.bootstrap, names.topic, PARTITIONS, encode, properties={**PRODUCER, "linger.ms": 5})
    behind = start(names.topic, target)
    steady = _stamped(history(7, Mix(EVENTS_PER_SECOND * (seconds + WARM_UP_SECONDS), 60_000)))
    began = datetime.now(UTC).replace(tzinfo=None)
    feed.send(steady, EVENTS_PER_SECOND)
    took = (datetime.now(UTC).replace(tzinfo=None) - began).total_seconds()
    wait_until("the peer to catch up", lambda: behind() >= sum(feed.records), CATCH_UP_SECONDS, interval=0.2)
    with psycopg.connect(target.dsn) as connection:
        warm = datetime.fromtimestamp(began.replace(tzinfo=UTC).timestamp() + WARM_UP_SECONDS, UTC).replace(tzinfo=None)
        row = connection.execute(LATENCIES, [warm]).fetchone()
    assert row is not None
    (median, late), worst, rows = row
    return Latency(float(median), float(late), float(worst), int(rows), took)


def _stamped(changes: Iterator[Change]) -> Iterator[Change]:
    """Each event's row says when the event was made."""
    for change in changes:
        moment = datetime.fromtimestamp(time.time(), UTC).replace(tzinfo=None)
        after = change.after._replace(created_at=moment) if change.after else None
        yield change._replace(after=after)
