"""A Kafka cluster as it runs, seen with a client's rights."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from components.core.errors import CdcError

try:
    from confluent_kafka import (
        OFFSET_BEGINNING,
        Consumer,
        ConsumerGroupTopicPartitions,
        KafkaError,
        KafkaException,
        Message,
        TopicPartition,
    )
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._listoffsets import OffsetSpec
except ImportError:  # pragma: no cover - the verbs that look at no cluster work without it
    raise CdcError("confluent-kafka is not installed\n      → pip install confluent-kafka") from None

Partition = tuple[str, int]
Settings = Mapping[str, str]
Answer = TypeVar("Answer")

ANSWER_SECONDS = 20
_READ_SECONDS = 60
_POLL_SECONDS = 0.2
_MOST_AT_ONCE = 1_000
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_MAX_TIMESTAMP: OffsetSpec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]


class UnreachableError(CdcError):
    """A cluster that does not answer, or does not let us in."""


def read_settings(file: Path) -> dict[str, str]:
    """A file of librdkafka's settings, ``key=value`` on each line; ``#`` begins a comment."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise CdcError(f"{file}: cannot be read: {error}\n      → name a readable file of key=value lines") from None
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    settings = {key.strip(): value.strip() for key, _, value in pairs}
    if "bootstrap.servers" not in settings or not all(sign for _, sign, _ in pairs):
        raise CdcError(f"{file}: is no client's settings\n      → write key=value lines, bootstrap.servers among them")
    return settings


class Cluster:
    """An open connection. Every method raises :class:`UnreachableError` with what to do; nothing is ever committed."""

    def __init__(self, name: str, settings: Settings) -> None:
        own = {
            "group.id": "cdc",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
        self.name = name
        self._settings = settings
        try:
            self._consumer = Consumer({**settings, **own}, logger=_Silent())
            self._admin = AdminClient(dict(settings), logger=_Silent())
        except KafkaException as error:
            raise CdcError(f"{name}: {error.args[0].str()}\n      → mend the client's settings") from None

    def partitions(self) -> dict[str, int]:
        """Topics with the number of their partitions."""
        metadata = self._ask(lambda: self._consumer.list_topics(timeout=ANSWER_SECONDS))
        return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}

    def leaders(self) -> dict[Partition, tuple[str, int]]:
        """Every partition that has a leader, with that broker's address."""
        metadata = self._ask(lambda: self._consumer.list_topics(timeout=ANSWER_SECONDS))
        brokers = {number: (broker.host, broker.port) for number, broker in metadata.brokers.items()}
        return {
            (name, number): brokers[partition.leader]
            for name, topic in metadata.topics.items()
            if topic.error is None
            for number, partition in topic.partitions.items()
            if partition.leader in brokers
        }

    @property
    def settings(self) -> Settings:
        """Those that it was opened with."""
        return self._settings

    def begin_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The first offset of each."""
        return {place: offset for place, (offset, _) in self._offsets(partitions, _EARLIEST).items()}

    def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The offset after the last of each."""
        return {place: offset for place, (offset, _) in self._offsets(partitions, _LATEST).items()}

    def latest_times(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The latest timestamp in each, in milliseconds; partitions without a record are left out."""
        found = self._offsets(partitions, _MAX_TIMESTAMP)
        return {place: time for place, (_, time) in found.items() if time >= 0}

    def _offsets(self, partitions: Collection[Partition], spec: OffsetSpec) -> dict[Partition, tuple[int, int]]:
        if not partitions:
            return {}
        request = {TopicPartition(*place): spec for place in partitions}
        futures = self._ask(lambda: self._admin.list_offsets(request, request_timeout=ANSWER_SECONDS))
        answers = {(place.topic, place.partition): self._ask(future.result) for place, future in futures.items()}
        return {place: (answer.offset, answer.timestamp) for place, answer in answers.items()}

    def committed(self, group: str) -> dict[Partition, int]:
        """Where a group stands, for partitions in which it stands anywhere."""
        asked = [ConsumerGroupTopicPartitions(group)]
        [future] = self._ask(lambda: self._admin.list_consumer_group_offsets(asked)).values()
        found = self._ask(future.result).topic_partitions or []
        return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}

    def first_times(self, places: Mapping[Partition, int]) -> dict[Partition, int]:
        """The timestamp of the first record at or behind each place; partitions that hold none there are left out."""
        found: dict[Partition, int] = {}
        for message in self._read(places, once=True):
            found[str(message.topic()), int(message.partition() or 0)] = message.timestamp()[1]
        return found

    def newest(self, topic: str, count: int) -> dict[str, Any]:
        """The newest value, as JSON, of each key (text) of a compacted topic with ``count`` partitions."""
        found: dict[str, Any] = {}
        for message in self._read({(topic, partition): OFFSET_BEGINNING for partition in range(count)}):
            value = message.value()
            found[(message.key() or b"").decode()] = None if value is None else json.loads(value)
        return found

    def _read(self, places: Mapping[Partition, int], *, once: bool = False) -> Iterator[Message]:
        """Everything from ``places`` to what are the ends now; with ``once`` the first of each.

        An end that marks of transactions stand before is told by the broker; one that moves on is passed and never told.
        """
        ends = self.end_offsets(places)
        waiting = {place for place in places if ends[place] > 0}
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])
        deadline = time.monotonic() + _READ_SECONDS
        while waiting:
            if time.monotonic() > deadline:
                raise UnreachableError(f"{self.name}: no answer in {_READ_SECONDS} s\n      → look at its brokers")
            for message in self._ask(lambda: self._consumer.consume(_MOST_AT_ONCE, _POLL_SECONDS)):
                place, error = (str(message.topic()), int(message.partition() or 0)), message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise self._unreachable(error)
                if place in waiting and error is None:
                    yield message
                if error is not None or once or int(message.offset() or 0) >= ends[place] - 1:
                    waiting.discard(place)

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except KafkaException as error:
            raise self._unreachable(error.args[0]) from None

    def _unreachable(self, error: KafkaError) -> UnreachableError:
        where = f"{self.name} ({self._settings['bootstrap.servers']})"
        return UnreachableError(f"{where}: {error.str()}\n      → look at its brokers, its address and the credentials")

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Silent:
    """In place of librdkafka's own log: what matters is raised."""

    def log(self, *_: object) -> None:
        """Nothing."""
