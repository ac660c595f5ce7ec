"""Cassandra's events through Kafka and real workers: duplicated, out of order, over partitions, with kills between."""

import json
import random
import signal
import subprocess
import time
import zlib
from typing import Any

import pytest
from confluent_kafka import Producer

from sink_worker import faults
from tests.harness.processes import wait_until
from tests.harness.sink_worker import COMMAND
from tests.sink.integration.stand import Pipeline
from tests.sink.workload.cassandra_events import Table
from tests.sink.workload.cassandra_model import Bound, Cassandra, Cell, Erase, Put, Value, Write
from tests.sink.workload.cells_with_schema import BIGINT, INT, MAP, TEXT, Columns, event
from tests.sink.workload.feed import create_topic

pytestmark = pytest.mark.integration
TABLE = Table()
PARTITIONS = 3
SECONDS = 120
NOW = int(time.time())


class Events:
    """A topic of Cassandra's events: the partition is its key's, as the connector's producer chooses it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.topic = f"{pipeline.name}.inv.t"
        self.records = [0] * PARTITIONS
        self.model = Cassandra()
        self._producer = Producer({"bootstrap.servers": pipeline.stand.broker.bootstrap, "linger.ms": 5, "log_level": 3})
        create_topic(pipeline.stand.broker.bootstrap, self.topic, PARTITIONS)
        pipeline.topics.append(self.topic)

    def worker(self, name: str, *, undeclared: bool = False, **sections: Any) -> Any:
        types = {"m": "frozen<map<text,text>>"} if undeclared else TABLE.types
        cassandra = {"topics": ["^.*\\.inv\\."], "tables": {"inv.t": {"columns": types}}, "sweep_seconds": 0.2}
        return self.pipeline.worker(name, cassandra=cassandra, batch={"max_rows": 700, "min_rows": 100}, **sections)

    def send(self, writes: list[Write]) -> None:
        """Of each write two or three copies, in any order."""
        chance = random.Random(len(writes))
        copies = [write for write in writes for _ in range(chance.randint(2, 3))]
        chance.shuffle(copies)
        self.model.writes.update(writes)
        for write in copies:
            key, value = TABLE.event(write, chance.choice(["raw", "transformed"]), schema=chance.random() < 0.5)
            self.put(key, value)
        self._producer.flush(60)

    def put(self, key: bytes, value: bytes | None) -> tuple[int, int]:
        payload = json.loads(key)
        plain = json.dumps(payload.get("payload", payload)).encode()
        partition = zlib.crc32(plain) % PARTITIONS
        self._producer.produce(self.topic, value, key, partition)
        self.records[partition] += 1
        self._producer.poll(0)
        return partition, self.records[partition] - 1

    def wait_caught_up(self) -> None:
        self._producer.flush(60)
        wanted = {number: count for number, count in enumerate(self.records) if count}
        stored = self.pipeline.next_offsets

        def caught_up() -> bool:
            return all(stored(self.topic).get(number, 0) >= count for number, count in wanted.items())

        wait_until("the worker to catch up", caught_up, SECONDS)

    def rows(self) -> dict[tuple[int, ...], dict[str, Value]]:
        names = [name for name, _ in TABLE.cells]
        found = self.pipeline.query(f"SELECT id, ck, {', '.join(names)} FROM t")
        return {
            row[:2]: {name: value for name, value in zip(names, row[2:], strict=True) if value is not None} for row in found
        }


def history(count: int, seed: int) -> list[Write]:
    chance = random.Random(seed)
    base = (NOW - 3600) * 1_000_000

    def write() -> Write:
        row, ts = (chance.randint(1, 12), chance.randint(0, 8)), base + chance.randint(0, 400)
        kind = chance.random()
        if kind < 0.02:
            return Erase(row[:1], ts)
        if kind < 0.06:
            low = chance.randint(0, 8)
            return Erase(row[:1], ts, Bound((low,), chance.random() < 0.5), Bound((low + 2,), chance.random() < 0.5))
        if kind < 0.12:
            return Erase(row, ts)
        expires = chance.choice([None, None, None, NOW - 60, NOW + 9_000])
        values: dict[str, Value] = {"a": chance.randint(0, 3), "b": chance.choice("xyz"), "c": None}
        cells = tuple((name, Cell(values[name], expires if values[name] is not None else None))
                      for name in chance.sample(list(values), chance.randint(1, 3)))  # fmt: skip
        marks = chance.random() < 0.4 and any(cell.value is not None for _, cell in cells)
        return Put(row, ts, cells, marks, expires if marks else None)

    return [write() for _ in range(count)]


@pytest.mark.parametrize("step", [f"{faults.STAGED}:2", f"{faults.COMMITTING}:3", f"{faults.COMMITTED}:2"])
def test_a_history_with_a_kill_in_it_ends_as_the_model_says(pipeline: Pipeline, step: str) -> None:
    events = Events(pipeline)
    writes = history(1500, len(step))
    events.send(writes[:750])
    first = events.worker("first")
    first.start(crash_at=step, wait=False)
    with first:
        wait_until("the crash", lambda: first.process.exit_code is not None, SECONDS)
        assert first.process.exit_code == -signal.SIGKILL
    events.send(writes[750:])
    with events.worker("second"), events.worker("third"):
        events.wait_caught_up()
        assert events.rows() == events.model.rows(NOW)


def test_bad_events_become_dead_letters_and_the_others_go_in(pipeline: Pipeline) -> None:
    events, now = Events(pipeline), int(time.time())
    ts = (now - 60) * 1_000_000
    good = Put((1, 1), ts, (("a", Cell(1)),), marks=True)
    key, value = TABLE.event(good)

    def changed(**parts: Any) -> bytes:
        found = json.loads(value)
        found["after"] |= parts.get("after", {})
        found["source"] |= parts.get("source", {})
        return json.dumps({**found, **parts.get("top", {})}).encode()

    bound = json.loads(TABLE.event(Erase((1,), ts, Bound((0,), inclusive=True), Bound((9,), inclusive=True)))[1])
    bound["after"]["_range_start"]["values"][0]["type"] = "org.apache.cassandra.db.marshal.TupleType(x)"
    far = (now + 100_000) * 1_000_000
    bad = [
        (key, changed(source={"ts_us": far})), (key, changed(source={"ts_us": None})), (key, changed(top={"op": "x"})),
        (key, changed(after={"a": {"value": "no number", "deletion_ts": None, "set": True}})),
        (b'{"id":1,"ck":null}', json.dumps(bound).encode()), (b'{"id":null,"ck":1}', value), (key, b'{"half": '),
        (key, b'{"before": null}'),
    ]  # fmt: skip
    ahead = changed(
        source={"ts_us": (now + 600) * 1_000_000}, after={"b": {"value": "ahead", "deletion_ts": None, "set": True}}
    )
    with events.worker("worker") as worker:
        events.put(key, value)
        refused = [events.put(*record) for record in bad]
        events.put(key, None)
        events.put(key, ahead)
        events.wait_caught_up()
        assert events.rows() == {(1, 1): {"a": 1, "b": "ahead"}}
        pipeline.assert_dead_letters_are((events.topic, partition, offset) for partition, offset in refused)
        audited = pipeline.query("SELECT kind, key::jsonb, ts_us FROM cdc_sink.cell_audit ORDER BY ts_us")
        assert audited == [("future", {"id": 1, "ck": 1}, (now + 600) * 1_000_000), ("future", {"id": 1, "ck": 1}, far)]
        assert 'cdc_cassandra_future_total{table="public.t"} 2.0' in worker.metrics()


def test_a_table_that_changes_under_load_loses_nothing_and_what_breaks_is_reviewed(pipeline: Pipeline) -> None:
    """Old and new columns at once, two workers, shuffled and doubled; then a type that is another one."""
    events, chance = Events(pipeline), random.Random(7)
    base, keys = (NOW - 3600) * 1_000_000, {"id": INT, "ck": INT}
    old: Columns = {**keys, "a": INT, "b": TEXT}
    new: Columns = {**old, "a": BIGINT, "extra": TEXT, "m": MAP}
    other: Columns = {**new, "a": TEXT}

    def send(columns: Columns, ts: int, **row: Any) -> None:
        for _ in range(2):
            sent.append(event(columns, "i", base + ts, {"id": row["ck"] % 50, **row}, key=("id", "ck")))

    def deliver() -> None:
        chance.shuffle(sent)
        for record in sent:
            events.put(*record)
        sent.clear()

    sent: list[tuple[bytes, bytes]] = []
    evolution = {"breaking": "queue", "poll_seconds": 0.2, "cache_seconds": 0.5}
    with events.worker("first", evolution=evolution, undeclared=True) as worker:
        with events.worker("second", evolution=evolution, undeclared=True):
            send(old, 0, ck=0, a=0, b="first")
            deliver()
            events.wait_caught_up()
            for ck in range(400):
                send(old, 1, ck=ck, a=1, b="old")
                send(new, 2 if ck % 2 else 0, ck=ck, a=2**40, extra="x", m={"k": "v"})
            deliver()
            events.wait_caught_up()
            wanted = [(ck, 2**40 if ck % 2 else 1, "old", "x", {"k": "v"}) for ck in range(400)]
            assert pipeline.query("SELECT ck, a, b, extra, m FROM t ORDER BY ck") == wanted
            assert pipeline.query("SELECT count(*) FROM cdc_sink.rejected") == [(0,)]
            gin = "SELECT count(*) FROM pg_indexes WHERE tablename = 't' AND indexdef LIKE '%USING gin%'"
            wait_until("the map's index", lambda: pipeline.query(gin) == [(1,)], SECONDS)
            send(other, 3, ck=1, a="3")
            send(other, 1, ck=2, a="1")
            send(new, 4, ck=3, a=4)
            deliver()
            events.wait_caught_up()
            assert pipeline.query("SELECT ck, a FROM t WHERE ck IN (1, 2, 3) ORDER BY ck") == [(1, 2**40), (2, 1), (3, 4)]
        command = [*COMMAND, "schema", "approve", "1", "--yes", "--by", "ann", "--json", "--config", str(worker.configuration)]
        approved = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
        assert (approved["events"], approved["review"]["waiting"]) == ({"replayed": 4}, 0)
        assert pipeline.query("SELECT ck, a FROM t WHERE ck IN (1, 2, 3) ORDER BY ck") == [(1, "3"), (2, "1"), (3, "4")]


def test_a_topic_that_nobody_named_as_cassandras_is_refused_and_never_empties_the_table(pipeline: Pipeline) -> None:
    events = Events(pipeline)
    pipeline.execute("CREATE TABLE t (id integer, ck integer, a integer, b text, c integer, PRIMARY KEY (id, ck))")
    pipeline.execute("INSERT INTO t VALUES (7, 7, 1, 'x', 2)")
    ts = (NOW - 60) * 1_000_000
    span = Erase((1,), ts, Bound((0,), inclusive=True), Bound((9,), inclusive=True))
    records = [TABLE.event(span, "transformed"), TABLE.event(Put((1, 1), ts, (("a", Cell(1)),), marks=True), "transformed")]
    with pipeline.worker("worker", tables={"truncate": "apply"}):
        refused = [events.put(*record) for record in records]
        events.wait_caught_up()
        assert pipeline.query("SELECT * FROM t") == [(7, 7, 1, "x", 2)]
        pipeline.assert_dead_letters_are((events.topic, partition, offset) for partition, offset in refused)
