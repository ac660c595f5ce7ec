"""The topic of dead letters as the relay needs it: sent in transactions, and asked afterwards what it has."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from sink_worker import faults
from sink_worker.kafka_client import Cluster, consumer_properties, kafka_logger, relay_properties, transactional_id
from sink_worker.settings import Settings

KAFKA_SECONDS: Final = 30.0
TAIL_SECONDS: Final = 90.0
"""Longer than another pipeline's open transaction may hold back what is committed (``transaction.timeout.ms``: 60 s)."""
SEQUENCE_HEADER: Final = "cdc.outbox.sequence"
"""``<transactional id>/<number>``: pipelines may share a topic."""

Ends = dict[str, int]
Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. ``sequence`` rises by one from letter to letter of a pipeline."""

    sequence: int
    key: bytes | None
    value: bytes
    headers: Headers


class LetterTopic:
    """Used by the relay's thread only. Every method raises KafkaException when Kafka does not do its part in time.

    Offsets of a group would tell how far the relay came, too, but they expire, and librdkafka 2.14's
    ``send_offsets_to_transaction`` never returns when its coordinator goes away (librdkafka issue 5456).
    """

    def __init__(self, settings: Settings, cluster: Cluster, client_id: str) -> None:
        self._settings = settings
        self._cluster = cluster
        self._client_id = client_id
        self._topic = settings.dlq.topic or ""
        self._mark = transactional_id(settings)
        self._producer = Producer(relay_properties(settings, client_id), logger=kafka_logger())

    def take_over(self) -> None:
        """Fence whoever relayed before; its transaction is committed or aborted when this returns."""
        self._producer.init_transactions(KAFKA_SECONDS)

    def ends(self) -> Ends:
        """The next offset of each partition, by its number."""
        known = self._cluster.topics([self._topic])
        if self._topic not in known:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"the topic of dead letters {self._topic}"))
        bounds = self._cluster.bounds([(self._topic, number) for number in range(known[self._topic][1])])
        return {str(number): found.high for (_, number), found in bounds.items()}

    def send(self, letters: Iterable[Letter]) -> None:
        """All of them in one transaction, in order."""
        self._producer.begin_transaction()
        for letter in letters:
            headers: Headers = [*letter.headers, (SEQUENCE_HEADER, f"{self._mark}/{letter.sequence}".encode())]
            self._producer.produce(self._topic, value=letter.value, key=letter.key, headers=headers)
        faults.reach(faults.RELAY_PRODUCED)
        self._producer.commit_transaction(KAFKA_SECONDS)

    def last_behind(self, ends: Mapping[str, int]) -> int:
        """The highest number of this pipeline's letters that were committed behind ``ends``; 0 when there is none."""
        consumer = Consumer(
            {**consumer_properties(self._settings, f"{self._client_id}-tail"), "auto.offset.reset": "earliest"},
            logger=kafka_logger(),
        )
        try:
            return max(self._numbers(consumer, ends), default=0)
        finally:
            consumer.close()

    def _numbers(self, consumer: Consumer, ends: Mapping[str, int]) -> Iterable[int]:
        until = self.ends()
        # A topic that was made again is shorter than it was, and is read from its beginning.
        begins = {number: begin if (begin := ends.get(number, 0)) <= end else 0 for number, end in until.items()}
        places = [TopicPartition(self._topic, int(number), at) for number, at in begins.items() if at < until[number]]
        if not places:
            return
        consumer.assign(places)
        deadline = time.monotonic() + TAIL_SECONDS
        while any(place.offset < until[str(place.partition)] for place in places):
            if time.monotonic() > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"the end of {self._topic} was not reached"))
            for message in consumer.consume(500, 0.5):
                if message.error() is not None:
                    raise KafkaException(message.error())
                yield from self._own_numbers(message)
            # Control records have no message; the position passes them.
            places = [_at(place, consumer.position([place])[0].offset) for place in places]

    def _own_numbers(self, message: Any) -> Iterable[int]:
        for name, value in message.headers() or ():
            mark, _, number = bytes(value or b"").decode(errors="replace").rpartition("/")
            if name == SEQUENCE_HEADER and mark == self._mark:
                yield int(number)


def _at(place: TopicPartition, offset: int) -> TopicPartition:
    """The place moved on; a position that is not known yet moves nothing."""
    return TopicPartition(place.topic, place.partition, max(place.offset, offset))
