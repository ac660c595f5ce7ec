"""The history of ``bench.sink`` as Debezium's events of Cassandra, from one replica or from several."""

import json
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Producer

from bench.sink import data
from bench.sink.stage import Stage
from tests.sink.workload.changes import Change, Order
from tests.sink.workload.feed import create_topic

TYPES = {"id": "bigint", "customer_id": "int", "status": "text", "amount": "decimal", "quantity": "int", "express": "boolean",
         "weight": "double", "note": "text", "created_at": "timestamp", "updated_at": "timestamp"}  # fmt: skip
CONNECT = {"bigint": "int64", "int": "int32", "text": "string", "decimal": "string", "boolean": "boolean", "double": "double",
           "timestamp": "int64"}  # fmt: skip


@dataclass(frozen=True)
class Topic:
    """A filled topic of Cassandra's events."""

    name: str
    events: int


def fill(stage: Stage, events: int, replicas: int) -> Topic:
    """As many changes, each once from every replica."""
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
