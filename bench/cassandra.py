"""``python -m bench.cassandra``: Cassandra's merge beside the MySQL path, on the same changes in one run.

The same history of ten columns becomes Debezium's events of MySQL and of Cassandra (inserts, updates of all cells, row
deletions), JSON with its schema and one writer in both cases; Cassandra's also as three replicas send them, each in its own
disorder. Results go to ``docs/benchmarks/cassandra.{json,md}``.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from bench.sink import data, worker
from bench.sink.accounting import cpu_seconds, peak_bytes
from bench.sink.run import Run, watch
from bench.sink.stage import Stage, ask
from tests.harness.sink_worker import SinkWorker
from tests.sink.workload.changes import Change, Model, Order
from tests.sink.workload.feed import create_topic

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
GOAL = 0.5
STATE_GOAL = 0.25
TYPES = {"id": "bigint", "customer_id": "int", "status": "text", "amount": "decimal", "quantity": "int", "express": "boolean",
         "weight": "double", "note": "text", "created_at": "timestamp", "updated_at": "timestamp"}  # fmt: skip
CONNECT = {"bigint": "int64", "int": "int32", "text": "string", "decimal": "string", "boolean": "boolean", "double": "double",
           "timestamp": "int64"}  # fmt: skip
SIZES = """
SELECT sum(pg_column_size(o.*)), sum(pg_column_size(o._cdc_ts) + coalesce(pg_column_size(o._cdc_cells), 0)
       + coalesce(pg_column_size(o._cdc_expires), 0)) FROM orders AS o
"""


@dataclass(frozen=True)
class Topic:
    """A filled topic of Cassandra's events."""

    name: str
    events: int


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when a goal was missed or a table is not the model's."""
    parser = argparse.ArgumentParser(prog="python -m bench.cassandra", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000, help="changes in the stream (default: 400,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each path is measured (default: 3)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the results")
    options = parser.parse_args(arguments)
    runs: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory() as scratch, Stage(Path(scratch)) as stage:
        filled = data.fill(stage, options.events, ["json"])
        rows = list(Model().apply_all(data.changes(options.events)).rows.values())
        topics = {"Cassandra": _fill(stage, options.events, 1), "Cassandra, three replicas": _fill(stage, options.events, 3)}
        shares: list[float] = []
        for _ in range(options.rounds):
            runs.setdefault("MySQL", []).append(
                worker.run(stage, filled.without_tombstones["json"], filled.checksum, "one writer")
            )
            for name, topic in topics.items():
                run, share = _run(stage, topic, rows)
                runs.setdefault(name, []).append(run)
                shares.append(share)
            sys.stderr.write("".join(f"{name}: {found[-1].per_second:,.0f} events/s\n" for name, found in runs.items()))
    return _report(options, runs, max(shares))


def _fill(stage: Stage, events: int, replicas: int) -> Topic:
    name = f"rf{replicas}.shop.orders"
    create_topic(stage.broker.bootstrap, name, data.PARTITIONS, **data.NO_DELETION)
    producer = Producer(
        {"bootstrap.servers": stage.broker.bootstrap, "linger.ms": 20, "compression.type": "lz4", "log_level": 3}
    )
    count = 0
    for key, value, partition in _records(data.changes(events), replicas):
        while True:
            try:
                producer.produce(name, value, key, partition)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        producer.poll(0)
    if producer.flush(120):
        raise RuntimeError(f"not every record reached {name}")
    return Topic(name, count)


def _records(changes: Iterable[Change], replicas: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Each event once from every replica; two of them are late, each by its own."""
    base = time.time_ns() // 1000 - 3_600_000_000
    chance = random.Random(data.SEED)
    waiting: list[tuple[bytes, bytes, int]] = []
    for step, change in enumerate(changes):
        record = (*_event(change, base + step), change.key % data.PARTITIONS)
        yield record
        waiting += [record] * (replicas - 1)
        while len(waiting) > 500 * (replicas - 1):
            place = chance.randrange(len(waiting))
            waiting[place], waiting[-1] = waiting[-1], waiting[place]
            yield waiting.pop()
    yield from waiting


def _schema() -> str:
    def cell(name: str, kind: str) -> dict[str, Any]:
        value: dict[str, Any] = {"field": "value", "type": CONNECT[kind], "optional": True}
        if kind == "timestamp":
            value["name"] = "io.debezium.time.Timestamp"
        fields = [value, {"field": "deletion_ts", "type": "int64", "optional": True}, {"field": "set", "type": "boolean"}]
        return {"field": name, "type": "struct", "name": "cell_value", "version": 1, "optional": True, "fields": fields}

    names = ("version", "connector", "name", "snapshot", "db", "cluster", "file", "keyspace", "table")
    source = [{"field": name, "type": "string"} for name in names]
    source += [{"field": name, "type": "int64"} for name in ("ts_ms", "ts_us", "ts_ns", "pos")]
    bound = [{"field": "method", "type": "string"}, {"field": "values", "type": "array", "items": {"type": "string"}}]
    after = [cell(name, kind) for name, kind in TYPES.items()]
    after += [{"field": name, "type": "struct", "optional": True, "fields": bound} for name in ("_range_start", "_range_end")]
    fields: list[dict[str, Any]] = [{"field": "ts_ms", "type": "int64"}, {"field": "op", "type": "string"}]
    fields += [{"field": "source", "type": "struct", "fields": source}, {"field": "after", "type": "struct", "fields": after}]
    return json.dumps({"type": "struct", "name": "Envelope", "fields": fields}, separators=(",", ":"))


SCHEMA = _schema()
KEY_SCHEMA = '{"type":"struct","fields":[{"field":"id","type":"int64","optional":true}],"name":"Key"}'
OPS = {"c": "i", "u": "u", "d": "d"}


def _event(change: Change, ts: int) -> tuple[bytes, bytes]:
    row = _plain(change.after) if change.after is not None else {}
    deletion = ts if change.after is None else None
    after: dict[str, Any] = {name: {"value": row.get(name), "deletion_ts": deletion, "set": True} for name in TYPES}
    after["id"] = {"value": change.key, "deletion_ts": None, "set": True}
    source = {"version": "3.4.1.Final", "connector": "cassandra", "name": "cassandra", "ts_ms": ts // 1000, "snapshot": "false",
              "db": "NULL", "ts_us": ts, "ts_ns": ts * 1000, "cluster": "bench", "file": "CommitLog-7-1.log", "pos": ts % 999,
              "keyspace": "shop", "table": "orders"}  # fmt: skip
    value = {"ts_ms": ts // 1000 + 50, "op": OPS[change.op], "source": source,
             "after": {**after, "_range_start": None, "_range_end": None}}  # fmt: skip
    return _record(KEY_SCHEMA, {"id": change.key}), _record(SCHEMA, value)


def _record(schema: str, payload: dict[str, Any]) -> bytes:
    return f'{{"schema":{schema},"payload":{json.dumps(payload, separators=(",", ":"), ensure_ascii=False)}}}'.encode()


def _plain(row: Order) -> dict[str, Any]:
    """As Connect's JSON has it. Cassandra's timestamps are milliseconds: the rest of created_at is not told."""
    moments = {"created_at": _millis(row.created_at), "updated_at": _millis(row.updated_at)}
    return {**row._asdict(), "amount": str(row.amount), **moments}


def _millis(moment: Any) -> int:
    return int(moment.replace(tzinfo=None).timestamp() * 1000)


def _run(stage: Stage, topic: Topic, rows: list[Order]) -> tuple[Run, float]:
    target = stage.target()
    stage.postgres.psql("DROP TABLE orders", target.name)
    prepared = worker.prepare(stage, topic.name, target, "one writer")
    settings = json.loads(prepared.configuration.read_text())
    settings["cassandra"] = {"topics": [topic.name], "tables": {"shop.orders": {"columns": TYPES}}}
    process = SinkWorker(stage.folder, settings, name=prepared.name)
    meter = stage.meter()
    process.start()
    with process:
        progress = watch(ask(target, worker.OFFSETS, worker.BEHIND), topic.events)
        spent = {**meter.read(), "worker": cpu_seconds(process.process.pid)}
        peak = peak_bytes(process.process.pid)
        process.stop()
    size, state = (int(part) for part in stage.postgres.psql(SIZES, target.name).strip().split("|"))
    events = progress.last - progress.first
    found = stage.postgres.psql("SELECT count(*), sum(quantity), sum(amount) FROM orders", target.name)
    wanted = f"{len(rows)}|{sum(row.quantity for row in rows)}|{sum(row.amount for row in rows)}"
    whole = progress.last == topic.events and found == wanted
    return Run(events, progress.seconds, topic.events, spent, peak, whole), state / (size - state)


def _report(options: argparse.Namespace, runs: dict[str, list[Run]], share: float) -> int:
    middle = {name: sorted(found, key=lambda run: run.per_second)[len(found) // 2] for name, found in runs.items()}
    ratio = middle["Cassandra"].per_second / middle["MySQL"].per_second
    lines = [
        "# Cassandra's merge beside the MySQL path",
        "",
        f"`python -m bench.cassandra`: {options.events:,} changes of ten columns, JSON with schema, one writer, the median of "
        f"{options.rounds} round(s) in turns. CPU is of Kafka, PostgreSQL and the worker together.",
        "",
        "| | events/s | CPU µs/event | of the worker | of PostgreSQL | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, run in middle.items():
        share_of = [run.cpu[part] / run.all_events * 1e6 for part in ("worker", "postgresql")]
        lines.append(f"| {name} | {run.per_second:,.0f} | {run.cpu_micros:.1f} | {share_of[0]:.1f} | {share_of[1]:.1f} | "
                     f"{run.peak_bytes / 2**20:.0f} |")  # fmt: skip
    lines += ["", f"Cassandra ÷ MySQL: {ratio:.2f} (goal {GOAL}). Merge state beside the data: {share:.1%} of it (goal under "
              f"{STATE_GOAL:.0%}).", ""]  # fmt: skip
    text = "\n".join(lines)
    sys.stdout.write(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "cassandra.md").write_text(text)
    plain = {name: [asdict(run) for run in found] for name, found in runs.items()}
    (options.out / "cassandra.json").write_text(json.dumps({"runs": plain, "ratio": ratio, "state": share}, indent=1) + "\n")
    return 0 if ratio >= GOAL and share < STATE_GOAL and all(run.whole for found in runs.values() for run in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
