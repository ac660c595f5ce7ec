"""Two secured stacks of the docker target on one network: the second stands in for the first and mirrors it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from tests.harness.certificates import write
from tests.harness.compose_project import Container
from tests.harness.docker_stack import DockerStack
from tests.harness.kafka_clients import Addresses, KafkaClients, properties_file, watermarks
from tests.harness.kafka_state import apply_state
from tests.harness.processes import wait_until
from tests.harness.running_kafka import RunningKafka

ADMIN = "platform-admin"
READER, WRITER = "mirror-maker", "mirror-maker-writer"
MIRRORED_SECONDS = 120

Record = tuple[bytes | None, bytes | None, tuple[tuple[str, Any], ...], tuple[int, int]]
"""Key, value, headers and timestamp (its kind and its milliseconds)."""


@dataclass(frozen=True)
class MirrorPair:
    """``primary`` is mirrored by ``mirror``, a container of ``standby``."""

    primary: RunningKafka
    standby: RunningKafka
    mirror: Container

    def wait_mirrored(self, topic: str, seconds: float = MIRRORED_SECONDS) -> None:
        """Wait until the standby has as many records of ``topic`` as the primary."""
        wanted = _count(self.primary, topic)
        wait_until(f"{wanted} records of {topic} are mirrored", lambda: _count(self.standby, topic) >= wanted, seconds, 0.2)


@contextmanager
def mirror_pair(root: Path, work: Path) -> Iterator[MirrorPair]:
    """The stacks ``primary`` and ``standby`` of ``root``, each in its rendered state, and MirrorMaker running."""
    with ExitStack() as running:
        primary = running.enter_context(_stack(root, "primary", work, None))
        standby = running.enter_context(_stack(root, "standby", work, primary))
        [name] = [workload.name for workload in standby.stack.rendered.workloads if workload.component == "mirror_maker"]
        _give_secrets(primary.stack, standby.stack, name)
        standby.project.up(name)
        yield MirrorPair(primary, standby, standby.project.containers[name])


@contextmanager
def _stack(root: Path, name: str, work: Path, beside: RunningKafka | None) -> Iterator[RunningKafka]:
    """One stack's broker, with topics, users, ACLs and quotas as rendered."""
    stack = DockerStack.lay_out(root, name, work / name)
    project = stack.project(None if beside is None else beside.project)
    try:
        broker = f"{name}-brokers-0"
        project.up(broker)
        addresses = Addresses(f"{broker}:9093", f"{broker}:9094")
        properties_file(stack.work / "admin.properties", stack.identities[ADMIN], stack.cluster_ca)
        clients = KafkaClients(project.namespace, addresses, stack.cluster_ca, stack.passwords, stack.identities)
        kafka = RunningKafka(stack, project, clients, clients.admin(clients.as_user(ADMIN)), (broker,))
        state = json.loads((stack.tree / "kafka" / "desired-state.json").read_text())
        apply_state(state, kafka.admin, clients, ADMIN, stack.passwords)
        yield kafka
    finally:
        project.close()


def _give_secrets(primary: DockerStack, standby: DockerStack, container: str) -> None:
    """What whoever runs the standby puts into MirrorMaker's folder: one password and one CA for each side."""
    folder = standby.work / "secrets" / container
    for place, side, user in ((folder, standby, WRITER), (folder / "source", primary, READER)):
        write(place, {f"{user}.password": side.passwords[user], "cluster-ca.pem": side.cluster_ca.certificate})


def records(kafka: RunningKafka, topic: str) -> dict[int, list[Record]]:
    """Every committed record of a topic by partition, in order, up to what are the ends now."""
    partitions = kafka.admin.list_topics(topic, 20).topics[topic].partitions
    found: dict[int, list[Record]] = {}
    for message in messages(kafka, [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions]):
        headers: list[Any] = list(message.headers() or ())
        place = found.setdefault(message.partition() or 0, [])
        place.append((message.key(), message.value(), tuple(headers), message.timestamp()))
    return found


def messages(kafka: RunningKafka, places: list[TopicPartition]) -> Iterator[Message]:
    """Every committed message from ``places`` to what are the ends now. An end that marks of transactions stand before is told
    by the broker; one that moves on is passed and never told."""
    consumer = reader(kafka)
    try:
        ends = {place.partition: watermarks(consumer, place)[1] for place in places}
        waiting = {partition for partition, end in ends.items() if end > 0}
        consumer.assign(places)
        while waiting:
            for message in consumer.consume(1000, 0.2):
                partition, error = message.partition() or 0, message.error()
                assert error is None or error.code() == KafkaError._PARTITION_EOF, error
                if error is None and partition in waiting:
                    yield message
                if error is not None or (message.offset() or 0) >= ends[partition] - 1:
                    waiting.discard(partition)
    finally:
        consumer.close()


def reader(kafka: RunningKafka, **more: Any) -> Consumer:
    """A consumer of the super user that sees what is committed, and where partitions end."""
    config = {"enable.partition.eof": True, "isolation.level": "read_committed", **more}
    return kafka.clients.consumer({**kafka.clients.as_user(ADMIN), **config}, str(more.get("group.id", "reader")))


def _count(kafka: RunningKafka, topic: str) -> int:
    return sum(map(len, records(kafka, topic).values())) if topic in kafka.admin.list_topics(timeout=20).topics else 0
