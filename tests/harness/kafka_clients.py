"""Kafka clients of a test's users: they live inside the cluster's namespace and are used from anywhere."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.harness.certificates import CertificateAuthority, Identity
from tests.harness.namespace import Namespace

Config = dict[str, Any]
Made = TypeVar("Made")
DELIVERY_SECONDS = 60
READ_SECONDS = 60
METADATA_SECONDS = 20


@dataclass(frozen=True)
class Addresses:
    """Bootstrap servers of the cluster's listeners."""

    scram: str
    mutual: str


class KafkaClients:
    """Makes clients of one cluster. Each ``config`` is librdkafka's."""

    def __init__(
        self,
        namespace: Namespace,
        addresses: Addresses,
        authority: CertificateAuthority,
        passwords: Mapping[str, str],
        identities: Mapping[str, Identity],
    ) -> None:
        self._namespace = namespace
        self.addresses = addresses
        self._authority = authority
        self._passwords = passwords
        self._identities = identities

    def as_user(self, name: str) -> Config:
        """How the user ``name`` connects, by password or by certificate."""
        identity = self._identities.get(name)
        return self.mutual(identity) if identity else self.scram(name, self._passwords[name])

    def scram(self, name: str, password: str) -> Config:
        """A client that comes with a password."""
        return {
            "bootstrap.servers": self.addresses.scram,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": name,
            "sasl.password": password,
            "ssl.ca.pem": self._authority.certificate,
        }

    def mutual(self, identity: Identity | None) -> Config:
        """A client that comes with a certificate, or should."""
        config = {
            "bootstrap.servers": self.addresses.mutual,
            "security.protocol": "SSL",
            "ssl.ca.pem": self._authority.certificate,
        }
        return config | ({"ssl.certificate.pem": identity.certificate, "ssl.key.pem": identity.key} if identity else {})

    def inside(self, make: Callable[[], Made]) -> Made:
        """What is made in the cluster's network and stays there."""
        return self._namespace.run(make)

    def admin(self, config: Config) -> AdminClient:
        return self._namespace.run(lambda: AdminClient(config))

    def producer(self, config: Config) -> Producer:
        """One that takes nothing as written before all replicas in sync have it."""
        return self._namespace.run(lambda: Producer({"acks": "all", "linger.ms": 5, **config}))

    def consumer(self, config: Config, group: str) -> Consumer:
        """One that begins at the first offset and commits only when told."""
        own = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
        return self._namespace.run(lambda: Consumer({**own, **config}))

    def write(self, config: Config, topic: str, values: Iterable[bytes], **settings: Any) -> "Deliveries":
        """Produce ``values`` and wait for all of them to be acknowledged or refused."""
        producer = self.producer(config)
        deliveries = Deliveries()
        for value in values:
            while True:
                try:
                    producer.produce(topic, value, on_delivery=deliveries, **settings)
                except BufferError:
                    producer.poll(0.1)
                    continue
                break
            producer.poll(0)
        assert producer.flush(DELIVERY_SECONDS) == 0
        return deliveries

    def read_all(self, config: Config, topic: str) -> list[bytes]:
        """The values of all records that the topic has."""
        return [message.value() or b"" for message in self.read_messages(config, topic)]

    def read_messages(self, config: Config, topic: str) -> list[Message]:
        """All records that the topic has. librdkafka looks for its group even so, which it may be denied."""
        consumer = self.consumer(config, "none")
        try:
            ends = self._ends(consumer, topic)
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in ends])
            return list(_messages(consumer, lambda: _reached(consumer, ends), KafkaError.GROUP_AUTHORIZATION_FAILED))
        finally:
            consumer.close()

    def _ends(self, consumer: Consumer, topic: str) -> dict[int, int]:
        """End offsets of the partitions that hold anything."""
        partitions = consumer.list_topics(topic, METADATA_SECONDS).topics[topic].partitions
        marks = {partition: watermarks(consumer, TopicPartition(topic, partition)) for partition in partitions}
        return {partition: high for partition, (low, high) in marks.items() if high > low}

    def read_in_group(self, config: Config, topics: Sequence[str], group: str, count: int) -> list[bytes]:
        """``count`` values, as a member of a consumer group that then commits what it has read."""
        consumer = self.consumer(config, group)
        try:
            consumer.subscribe(list(topics))
            values: list[bytes] = []
            for message in _messages(consumer, lambda: len(values) >= count):
                values.append(message.value() or b"")
            consumer.commit(asynchronous=False)
            return values
        finally:
            consumer.close()


@dataclass
class Deliveries:
    """What became of produced records: values acknowledged, in order, each with its time; and the codes of refusals."""

    acknowledged: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.refused.append(error.code())
            return
        self.acknowledged.append(message.value() or b"")
        self.times.append(time.monotonic())


def is_in_sync(admin: AdminClient) -> bool:
    """Whether every partition has a leader, and all its replicas are in sync."""
    partitions = [p for topic in admin.list_topics(timeout=METADATA_SECONDS).topics.values() for p in topic.partitions.values()]
    return all(partition.leader >= 0 and len(partition.isrs) == len(partition.replicas) for partition in partitions)


def read_error(consumer: Consumer, seconds: float = 20) -> int:
    """The code of the first error that a consumer is given; an assertion fails when it is given a record, or nothing."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None:
            error = message.error()
            assert error is not None, "a record was read"
            return error.code()
    raise AssertionError("neither a record nor an error came")


def watermarks(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """The first offset and the one after the last. A broker that has just started is known as leader before it knows itself."""
    deadline = time.monotonic() + METADATA_SECONDS
    while True:
        try:
            return consumer.get_watermark_offsets(partition, METADATA_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _messages(consumer: Consumer, done: Callable[[], bool], *ignored: int) -> Iterable[Message]:
    deadline = time.monotonic() + READ_SECONDS
    while not done():
        assert time.monotonic() < deadline, "the records did not come in time"
        for message in consumer.consume(500, timeout=0.5):
            error = message.error()
            if error is None:
                yield message
            elif error.code() not in ignored:
                raise KafkaException(error)


def _reached(consumer: Consumer, ends: Mapping[int, int]) -> bool:
    positions = consumer.position([TopicPartition(p.topic, p.partition) for p in consumer.assignment()])
    return all(position.offset >= ends[position.partition] for position in positions)


def properties_file(path: Path, identity: Identity, authority: CertificateAuthority) -> Path:
    """Writes the client configuration that Kafka's own tools take, for a user with a certificate; gives the file."""
    keystore, truststore = path.with_suffix(".keystore.pem"), path.with_suffix(".truststore.pem")
    keystore.write_text(identity.keystore)
    truststore.write_text(authority.certificate)
    settings = {
        "security.protocol": "SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": keystore,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": truststore,
    }
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path
