"""Whether the log has a newer event of a row than one that was refused before its key could be read."""

from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from sink_worker._native import Batch
from sink_worker.control import Connection, Control
from sink_worker.kafka_client import Cluster, consumer_properties, kafka_logger
from sink_worker.rejected import OpenRejection
from sink_worker.settings import Settings

PAGE: Final = 2000
FIRST_SECONDS: Final = 10.0
NEXT_SECONDS: Final = 2.0
Records = list[tuple[int, int, bytes | None, bytes | None]]
Decode = Callable[[Records], Batch]
_STORED = """
SELECT next_offset FROM {schema}.offsets
WHERE pipeline = %s AND cluster_id = %s AND topic = %s AND topic_id = %s AND "partition" = %s
"""


class CannotTellError(Exception):
    """The log does not have all that came behind the event."""


class Scan:
    """Reads on behind one refused event, as far as it is told to."""

    def __init__(self, consumer: Consumer, rejection: OpenRejection, keys: list[bytes], decode: Decode) -> None:
        self._consumer = consumer
        self._place = TopicPartition(rejection.topic, rejection.partition, rejection.offset + 1)
        self._keys = keys
        self._decode = decode
        self._position = rejection.offset + 1
        self._started = False
        self.found = False

    def up_to(self, end: int) -> bool:
        """Whether there is an event of the row before ``end``. :class:`CannotTellError` when the log does not give it all."""
        if not self._started:
            self._consumer.assign([self._place])
        while not self.found and self._position < end:
            messages = [
                m for m in self._consumer.consume(PAGE, NEXT_SECONDS if self._started else FIRST_SECONDS) if m.error() is None
            ]
            self._started = True
            if not messages:
                # Control records at the end have no message; the client's position passes them.
                if self._consumer.position([self._place])[0].offset < end:
                    raise CannotTellError
                break
            batch = self._decode([_record(message) for message in messages])
            self.found = any(place for segment in batch.segments for place in segment.find(self._keys))
            self._position = _offset(messages[-1]) + 1
        return self.found


class NewerEvents:
    """Makes scans. The clients are made when first needed."""

    def __init__(self, settings: Settings, control: Control) -> None:
        self._settings = settings
        self._stored = control.statement(_STORED)
        self._stored_locked = control.statement(_STORED + " FOR UPDATE")
        self._clients: tuple[Cluster, Consumer] | None = None

    def scan(self, rejection: OpenRejection, batch: Batch, decode: Decode) -> Scan:
        """A scan for the rows that the event is of. :class:`CannotTellError` when the log lost what came behind it."""
        keys = [key for segment in batch.segments for key in (*segment.key_bytes("upsert"), *segment.key_bytes("delete"))]
        cluster, consumer = self._open()
        place = (rejection.topic, rejection.partition)
        there = cluster.topics([rejection.topic]).get(rejection.topic, ("", 0))[0] == rejection.topic_id
        if not keys or not there or cluster.bounds([place])[place].low > rejection.offset + 1:
            raise CannotTellError
        return Scan(consumer, rejection, keys, decode)

    def stored(self, connection: Connection, rejection: OpenRejection, *, lock: bool) -> int:
        """The partition's stored offset; locked, no worker writes events of the partition until the transaction ends."""
        cluster, _ = self._open()
        values = [self._settings.kafka.group_id, cluster.cluster_id(), rejection.topic, rejection.topic_id, rejection.partition]
        row = connection.execute(self._stored_locked if lock else self._stored, values).fetchone()
        if row is None:
            raise CannotTellError
        return int(row[0])

    def _open(self) -> tuple[Cluster, Consumer]:
        if self._clients is None:
            name = f"{self._settings.worker_id}-replay"
            properties = consumer_properties(self._settings, name)  # it is assigned partitions, and never joins the group
            self._clients = Cluster(self._settings, name), Consumer(properties, logger=kafka_logger())
        return self._clients


def _record(message: Any) -> tuple[int, int, bytes | None, bytes | None]:
    return message.partition(), message.offset(), message.key(), message.value()


def _offset(message: Any) -> int:
    return int(message.offset())
