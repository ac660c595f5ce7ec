"""How fast a backup is made and restored: ``python -m bench.backup`` prints it as JSON.

A real broker, one topic, the same run: a plain consumer that reads every record, ``cdc backup create``'s own reading,
compressing, encrypting and writing; a plain producer that writes every record, and the restore's decrypting, unpacking and
writing in transactions. Goal of the issue: at least 70 % of what the plain client does.
"""

import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from bench import machine
from operations.backup.contents import Contents
from operations.backup.create import Wanted, create
from operations.backup.loading import SETTINGS as WRITING
from operations.backup.loading import Loader, control_topic
from operations.backup.manifest import Manifest
from operations.backup.reading import SETTINGS as READING
from operations.backup.sealing import seal_of
from operations.backup.store import Folder
from operations.live.kafka_admin import KafkaAdmin
from tests.harness.kafka_broker import KafkaBroker

TOPIC, PARTITIONS, RECORD_BYTES, RECORDS = "bench", 6, 1_000, 300_000
ROUNDS, GOAL = 3, 0.7
KEY = secrets.token_bytes(32)
UNBOUNDED = {"retention.ms": "-1"}


def main() -> int:
    """0, or 1 where the goal was missed."""
    with tempfile.TemporaryDirectory() as name, KafkaBroker(Path(name) / "broker") as broker:
        settings = {"bootstrap.servers": broker.bootstrap}
        admin = KafkaAdmin("bench", settings)
        admin.create_topic(TOPIC, PARTITIONS, 1, UNBOUNDED)
        records = list(_records())
        _produce(settings, TOPIC, records)
        found: dict[str, list[float]] = {"consumer": [], "create": [], "producer": [], "restore": []}
        for number in range(ROUNDS):
            store = Folder(Path(name) / f"store{number}")
            found["consumer"].append(_timed(lambda: _consume(settings)))
            made: list[Manifest] = []
            found["create"].append(_timed(lambda: made.append(_create(store, admin, settings))))  # noqa: B023
            for what, work in (("producer", _plain(settings, records)), ("restore", _restore(store, made[0], settings))):
                topics = [TOPIC] + ([control_topic(made[0].id)] if what == "restore" else [])
                _afresh(admin, topics)
                found[what].append(_timed(work))
    megabytes = RECORDS * RECORD_BYTES / 1e6
    rates = {what: round(megabytes / statistics.median(times), 1) for what, times in found.items()}
    ratios = {"create": rates["create"] / rates["consumer"], "restore": rates["restore"] / rates["producer"]}
    met = all(ratio >= GOAL for ratio in ratios.values())
    document = {
        "what": f"{RECORDS:,} records of {RECORD_BYTES} bytes, {PARTITIONS} partitions, one broker; median of {ROUNDS}",
        "machine": machine.facts(),
        "megabytes_per_second": rates,
        "ratio": {what: round(ratio, 2) for what, ratio in ratios.items()},
        "stored_bytes": made[0].size,
        "goal": f"at least {GOAL}",
        "met": met,
    }
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
    return 0 if met else 1


def _records() -> Any:
    """Change events as Debezium writes them: most of each is like all others, some is not."""
    shape = '{"before":null,"after":{"id":%d,"customer":"%s","state":"paid","note":"%s"},"source":{"table":"orders"},"op":"c"}'
    for number in range(RECORDS):
        text = shape % (number, secrets.token_hex(16), secrets.token_hex(100))
        yield f"{number}".encode(), (text + " " * (RECORD_BYTES - len(text))).encode()


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _consume(settings: dict[str, str]) -> None:
    """With the settings of a backup, and nothing done with what comes but to take its key, value and offset."""
    consumer = Consumer({**settings, **READING})
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
    ended: set[int] = set()
    seen = 0
    while len(ended) < PARTITIONS:
        for message in consumer.consume(10_000, 0.2):
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    ended.add(int(message.partition() or 0))
                continue
            message.key(), message.value(), message.offset()
            seen += 1
    consumer.close()
    if seen != RECORDS:
        raise RuntimeError(f"{seen} records were read")


def _create(store: Folder, admin: KafkaAdmin, settings: dict[str, str]) -> Manifest:
    topics = {TOPIC: {"partitions": PARTITIONS, "replicas": 1, "config": {}}}
    contents = Contents(topics, {}, None, {}, None, None, [], {}, "")
    made = create(Wanted("bench", "manual", [TOPIC], KEY), store, admin, settings, lambda: contents, lambda _done, _all: None)
    if made.records != RECORDS:
        raise RuntimeError(f"{made.records} records are in the backup")
    return made


def _plain(settings: dict[str, str], records: list[tuple[bytes, bytes]]) -> Callable[[], object]:
    return lambda: _produce(settings, TOPIC, records)


def _produce(settings: dict[str, str], topic: str, records: list[tuple[bytes, bytes]]) -> None:
    """With the settings of a restore, but for the transactions."""
    own = {key: value for key, value in WRITING.items() if not key.startswith("transaction")}
    producer = Producer({**settings, **own, "acks": "all", "enable.idempotence": True})
    for number, (key, value) in enumerate(records):
        producer.produce(topic, value, key, number % PARTITIONS)
    if producer.flush(300):
        raise RuntimeError("not everything was written")


def _restore(store: Folder, made: Manifest, settings: dict[str, str]) -> Callable[[], object]:
    seal = seal_of(made.id, bytes.fromhex(made.salt), KEY)
    return lambda: Loader(store, made, seal, settings, lambda _done, _all: None).load(dict)


def _afresh(admin: KafkaAdmin, topics: list[str]) -> None:
    for topic in topics:
        if topic in admin.topics():
            admin.delete_topic(topic)
        admin.create_topic(topic, PARTITIONS if topic == TOPIC else 1, 1, UNBOUNDED)


if __name__ == "__main__":
    sys.exit(main())
