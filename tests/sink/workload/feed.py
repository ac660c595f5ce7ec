"""Puts synthetic changes into a topic, fast, and remembers where each went."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.harness.schema_registry import SchemaRegistry
from tests.sink.workload.changes import Change, Model
from tests.sink.workload.envelopes import Encoder, Format, Names, avro_schemas, encoder

FLUSH_SECONDS = 120
PRODUCER: Mapping[str, str | int | bool] = {
    "linger.ms": 20,
    "compression.type": "lz4",
    "batch.size": 262_144,
    "queue.buffering.max.messages": 200_000,
    "queue.buffering.max.kbytes": 262_144,
    "enable.idempotence": True,
    "log_level": 3,
}
TOPIC_SECONDS = 30


def create_topic(bootstrap: str, topic: str, partitions: int, **settings: str) -> None:
    """A new topic with one replica."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for done in admin.create_topics([NewTopic(topic, partitions, 1, config=settings)]).values():
        done.result(TOPIC_SECONDS)


def table_encoder(
    kind: Format,
    names: Names,
    registry: SchemaRegistry | None = None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> Encoder:
    """An encoder whose Avro schemas are registered as Debezium's are."""
    if kind != "avro" or registry is None:
        return encoder(kind, names, clock=clock)
    key, value = (json.dumps(schema) for schema in avro_schemas(names))
    return encoder(
        kind, names, (registry.register(f"{names.topic}-key", key), registry.register(f"{names.topic}-value", value)), clock
    )


@dataclass
class Feed:
    """A topic that changes go to; the partition is the key's remainder. ``model`` is what the table must become."""

    bootstrap: str
    topic: str
    partitions: int
    encode: Encoder
    properties: Mapping[str, str | int | bool] = field(default_factory=lambda: PRODUCER)
    """The producer's."""
    model: Model = field(default_factory=Model)
    poison: set[tuple[int, int]] = field(default_factory=set)
    """Partition and offset of each poison record."""
    records: list[int] = field(default_factory=list)
    """Records so far by partition, which is the next offset where nobody else produces."""

    def __post_init__(self) -> None:
        self.records = [0] * self.partitions
        self._producer = Producer({"bootstrap.servers": self.bootstrap, **self.properties})
        self._changes = 0

    def send(self, changes: Iterable[Change], per_second: float | None = None) -> int:
        """Produce the changes, at a steady rate if one is given, and wait until the broker has them; how many there were."""
        began, count = time.monotonic(), 0
        for change in changes:
            self.model.apply(change)
            self._send_one(change)
            count += 1
            if per_second and count % 50 == 0:
                time.sleep(max(0.0, began + count / per_second - time.monotonic()))
        left = self._producer.flush(FLUSH_SECONDS)
        if left:
            raise RuntimeError(f"{left} records did not reach {self.topic} within {FLUSH_SECONDS} s")
        return count

    def send_raw(self, partition: int, key: bytes | None, value: bytes | None) -> tuple[int, int]:
        """One record as it is; its partition and offset."""
        self._put(partition, key, value)
        self._producer.flush(FLUSH_SECONDS)
        return partition, self.records[partition] - 1

    def partition(self, key: int) -> int:
        """Where the records of a key go."""
        return key % self.partitions

    def _send_one(self, change: Change) -> None:
        partition = self.partition(change.key)
        if change.poison:
            self.poison.add((partition, self.records[partition]))
        for record in self.encode(change, self._changes):
            self._put(partition, record.key, record.value)
        self._changes += 1

    def _put(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(self.topic, value, key, partition)
                break
            except BufferError:
                self._producer.poll(0.1)
        self.records[partition] += 1
        if self.records[partition] % 256 == 0:
            self._producer.poll(0)
