"""Reads partitions from begin to end into chunks, several partitions at a time, in bounded memory."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from operations.backup.manifest import Span
from operations.live.kafka import Partition, Settings, UnreachableError
from operations.live.kafka_admin import QUIET

GROUP = "cdc-backup"
"""Nothing is ever committed in it; librdkafka asks who coordinates it all the same."""

CHUNK_BYTES = 8 << 20
"""Of values and keys before compression: what a restore that was killed repeats at most, per partition."""

AT_ONCE = 16
"""Partitions that are read at the same time; together they hold ``AT_ONCE * CHUNK_BYTES`` in memory at most."""

_BATCH, _POLL_SECONDS, _SILENCE_SECONDS = 10_000, 0.2, 60
_MOST_RECORDS = 200_000
_OVERHEAD = 24
SETTINGS = {
    "group.id": GROUP,
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",
    "queued.min.messages": 100_000,
    "fetch.wait.max.ms": 50,
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Successive records of one partition, at least one."""

    place: Partition
    messages: list[Message]


@dataclass
class _Buffer:
    messages: list[Message] = field(default_factory=list)
    size: int = 0

    def take(self, place: Partition) -> Chunk:
        chunk = Chunk(place, self.messages)
        self.messages, self.size = [], 0
        return chunk


def read_chunks(name: str, settings: Settings, spans: Mapping[Partition, Span]) -> Iterator[Chunk]:
    """Every committed record of ``spans``, those of one partition in their order.

    A partition has ended when its broker says so, or a record at its span's end or behind it was seen: marks of transactions
    take offsets too, so that the last record may stand well before the end.
    """
    waiting = [place for place, span in sorted(spans.items()) if span.end > span.begin]
    open_ones: dict[Partition, _Buffer] = {}
    with closing(Consumer({**settings, **SETTINGS}, logger=QUIET)) as consumer:
        last = time.monotonic()
        while waiting or open_ones:
            new, waiting = waiting[: AT_ONCE - len(open_ones)], waiting[AT_ONCE - len(open_ones) :]
            if new:
                consumer.incremental_assign([TopicPartition(*place, spans[place].begin) for place in new])
                open_ones.update((place, _Buffer()) for place in new)
            batch = consumer.consume(_BATCH, _POLL_SECONDS)
            last = time.monotonic() if batch else last
            if time.monotonic() - last > _SILENCE_SECONDS:
                raise UnreachableError(f"{name}: nothing came for {_SILENCE_SECONDS} s\n      → look at its brokers")
            ended = _sort(name, batch, spans, open_ones)
            for place, buffer in list(open_ones.items()):
                if buffer.messages and (place in ended or buffer.size >= CHUNK_BYTES or len(buffer.messages) >= _MOST_RECORDS):
                    yield buffer.take(place)
            if ended:
                consumer.incremental_unassign([TopicPartition(*place) for place in ended])
                for place in ended:
                    del open_ones[place]


def _sort(
    name: str, batch: list[Message], spans: Mapping[Partition, Span], buffers: Mapping[Partition, _Buffer]
) -> set[Partition]:
    """Put records into their partition's buffer; those that have ended."""
    ended: set[Partition] = set()
    for message in batch:
        place = (message.topic(), message.partition())
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF and place in buffers:
                ended.add(place)  # type: ignore[arg-type]
            elif error.code() not in {KafkaError._PARTITION_EOF, KafkaError.GROUP_AUTHORIZATION_FAILED}:
                raise UnreachableError(
                    f"{name}: {KafkaException(error).args[0].str()}\n      → look at its brokers and the user's rights"
                )
            continue
        buffer = buffers.get(place)  # type: ignore[arg-type]
        if buffer is None or place in ended:
            continue
        end, offset = spans[place].end, message.offset()  # type: ignore[index]
        if offset < end:  # type: ignore[operator]
            buffer.messages.append(message)
            buffer.size += len(message) + _OVERHEAD
        if offset >= end - 1:  # type: ignore[operator]
            ended.add(place)  # type: ignore[arg-type]
    return ended
