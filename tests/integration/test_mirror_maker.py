"""What the rendered MirrorMaker promises, between two real clusters with everything secured: a standby that can take over."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from operations.live.kafka import Cluster
from operations.live.mirror import observe_status
from operations.mirror_status import MirrorStatus
from tests.harness.mirror_pair import ADMIN, READER, WRITER, MirrorPair, messages, mirror_pair, records
from tests.harness.processes import wait_until
from tests.harness.running_kafka import Load, RunningKafka

pytestmark = pytest.mark.integration

STACKS = Path(__file__).parent / "mirror"
ORDERS, LINES = "shop_orders_orders", "shop_orders_order_lines"
DLQ, HEARTBEAT = "shop_orders_dlq", "shop_orders_heartbeat"
SOURCE, SINK, GROUP = "shop-orders-source", "shop-orders-sink", "shop_orders_sink"
RPO_SECONDS, RTO_SECONDS = 60, 300
CLOCKS_DIFFER_MS = 1_000
"""Records carry times of day; the test waits by a clock of its own."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MirrorPair]:
    with mirror_pair(STACKS, tmp_path_factory.mktemp("mirror")) as running:
        running.primary.clients.write(running.primary.clients.as_user(SOURCE), DLQ, [b"the first"])
        running.wait_mirrored(DLQ, 120)
        yield running


def test_a_topic_is_the_same_on_both_sides(pair: MirrorPair) -> None:
    settings = {"compression.type": "lz4", "message.max.bytes": 8 << 20}
    producer = pair.primary.clients.producer({**pair.primary.clients.as_user(SOURCE), **settings})
    began = int(time.time() * 1000) - 60_000
    for number in range(3_000):
        headers: list[tuple[str, str | bytes | None]] = [("source", b"\x00\xff"), ("n", str(number).encode()), ("n", None)]
        key = f"key {number % 7}".encode()
        producer.produce(ORDERS, b"row", key, partition=number % 3, headers=headers, timestamp=began + number)
    producer.produce(ORDERS, None, b"tombstone", partition=0)
    producer.produce(ORDERS, b"x" * (5 << 20), b"5 MiB before compression", partition=1)
    assert producer.flush(60) == 0
    pair.wait_mirrored(ORDERS)
    assert records(pair.standby, ORDERS) == records(pair.primary, ORDERS)


def test_a_mirrored_topic_has_the_sources_partitions_and_settings(pair: MirrorPair) -> None:
    seen = {side: _shape(kafka, LINES) for side, kafka in (("primary", pair.primary), ("standby", pair.standby))}
    assert seen["standby"] == seen["primary"]
    assert seen["standby"][0] == 5
    assert seen["standby"][1]["retention.ms"] == str(2 * 86_400_000)


def _shape(kafka: RunningKafka, topic: str) -> tuple[int, dict[str, str]]:
    """Partitions, and the settings that the topic has of its own."""
    partitions = len(kafka.admin.list_topics(topic, 20).topics[topic].partitions)
    [described] = kafka.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    own = {entry.name: str(entry.value) for entry in described.result(20).values() if not entry.is_default}
    return partitions, own


def test_only_what_is_a_tenants_is_mirrored(pair: MirrorPair) -> None:
    topics = set(pair.standby.admin.list_topics(timeout=20).topics)
    assert {ORDERS, LINES, DLQ, "shop_orders_schema_history", "shop_orders_signals", "shop_orders_heartbeat"} <= topics
    assert "audit_private" not in topics
    assert not [name for name in pair.primary.admin.list_topics(timeout=20).topics if "mm2" in name or "heartbeats" in name]


def test_the_mirrors_user_writes_nothing_on_the_source(pair: MirrorPair) -> None:
    written = pair.primary.clients.write(pair.primary.clients.as_user(READER), ORDERS, [b"not allowed"])
    assert written.acknowledged == []
    assert written.refused == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


def test_no_password_leaves_its_file(pair: MirrorPair) -> None:
    passwords = [pair.primary.stack.passwords[READER], pair.standby.stack.passwords[WRITER]]
    texts = [pair.mirror.log.read_text(), (pair.standby.stack.tree / "compose.yaml").read_text()]
    texts += [str(record) for kept in records(pair.standby, "mm2-configs.primary.internal").values() for record in kept]
    assert not [text[:80] for text in texts for password in passwords if password in text]


def test_a_group_that_has_read_everything_goes_on_behind_it(pair: MirrorPair) -> None:
    total = sum(map(len, records(pair.primary, ORDERS).values()))
    pair.primary.clients.read_in_group(pair.primary.clients.as_user(SINK), [ORDERS], GROUP, total)
    wait_until("the group's positions are translated", lambda: _left(pair.standby, GROUP, ORDERS) == 0, 60, 0.5)


def test_a_group_that_is_behind_misses_nothing_and_repeats_no_more_than_the_last_burst(pair: MirrorPair) -> None:
    group = "shop_late_sink"
    ends = {partition: len(kept) for partition, kept in records(pair.primary, ORDERS).items()}
    _commit(pair.primary, group, ORDERS, ends)
    wait_until("its positions are translated", lambda: _left(pair.standby, group, ORDERS) == 0, 60, 0.5)
    producer = pair.primary.clients.producer(pair.primary.clients.as_user(SOURCE))
    for number in range(900):
        producer.produce(ORDERS, b"later", partition=number % 3)
    assert producer.flush(60) == 0
    pair.wait_mirrored(ORDERS)
    _commit(pair.primary, group, ORDERS, {partition: end + 50 for partition, end in ends.items()})
    time.sleep(5)
    behind, left = _left(pair.primary, group, ORDERS), _left(pair.standby, group, ORDERS)
    assert behind == 750
    assert left is not None
    print(f"a group {behind} records behind reads {left - behind} of them twice")
    assert behind <= left <= 900


def _commit(kafka: RunningKafka, group: str, topic: str, positions: dict[int, int]) -> None:
    consumer = kafka.clients.consumer(kafka.clients.as_user(ADMIN), group)
    consumer.commit(offsets=[TopicPartition(topic, *position) for position in positions.items()], asynchronous=False)
    consumer.close()


def _left(kafka: RunningKafka, group: str, topic: str) -> int | None:
    """How many records a group has before it; ``None`` while it has no position in some partition that has any."""
    consumer = kafka.clients.consumer(kafka.clients.as_user(ADMIN), group)
    try:
        kept = records(kafka, topic)
        places = consumer.committed([TopicPartition(topic, partition) for partition in kept], 20)
        if any(place.offset < 0 for place in places):
            return None
        return sum(1 for _ in messages(kafka, places))
    finally:
        consumer.close()


def test_a_mirror_that_is_killed_neither_loses_nor_repeats_a_record(pair: MirrorPair) -> None:
    load = Load(pair.primary.clients, {**pair.primary.clients.as_user(SOURCE), "linger.ms": 1}, LINES)
    for _ in range(2):
        time.sleep(4)
        pair.mirror.kill()
        time.sleep(1)
        pair.standby.restart(pair.mirror.name)
    written = load.end()
    pair.wait_mirrored(LINES)
    assert len(written) > 1_000
    assert records(pair.standby, LINES) == records(pair.primary, LINES)


def test_how_far_the_standby_is_behind_is_measured(pair: MirrorPair) -> None:
    wait_until("nothing is behind", lambda: _lag(pair, HEARTBEAT) == (0, 0), 120, 0.5)
    pair.mirror.kill()
    began = time.monotonic()
    pair.primary.clients.write(pair.primary.clients.as_user(SOURCE), HEARTBEAT, [b"beat"] * 30)
    time.sleep(2)
    count, milliseconds = _lag(pair, HEARTBEAT)
    assert count == 30
    assert 2_000 <= milliseconds <= (time.monotonic() - began) * 1000 + CLOCKS_DIFFER_MS
    pair.standby.restart(pair.mirror.name)
    wait_until("nothing is behind", lambda: _lag(pair, HEARTBEAT) == (0, 0), 120, 0.5)


def _lag(pair: MirrorPair, topic: str) -> tuple[int, int]:
    """Records and milliseconds that a topic is behind, as ``cdc dr status`` has them."""
    spec = pair.standby.stack.spec
    assert spec.mirror_maker is not None
    mirror, sides = spec.mirror_maker, (pair.primary, pair.standby)
    settings = [{**kafka.clients.as_user(ADMIN)} for kafka in sides]

    def observe() -> MirrorStatus:
        with Cluster("primary", settings[0]) as source, Cluster("standby", settings[1]) as standby:
            return observe_status(spec, mirror, source, standby)

    status = pair.standby.project.namespace.run(observe)
    assert status.lag is not None
    return next((lag.records, lag.milliseconds) for lag in status.lag if lag.topic == topic)


class Drain:
    """Reads a topic in a group and commits a few times a second, until it is ended. It is never closed: that would wait for
    an answer, which a cluster that is gone does not give."""

    def __init__(self, kafka: RunningKafka, topic: str) -> None:
        self.values: list[bytes] = []
        self.times: list[float] = []
        config = {**kafka.clients.as_user(SINK), "isolation.level": "read_committed"}
        self._consumer = kafka.clients.consumer(config, GROUP)
        self._consumer.subscribe([topic])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> list[bytes]:
        self._ended.set()
        self._thread.join()
        return self.values

    def _run(self) -> None:
        while not self._ended.is_set():
            read = [message for message in self._consumer.consume(500, 0.2) if message.error() is None]
            if read:
                self.values += [message.value() or b"" for message in read]
                self.times += [time.monotonic()] * len(read)
                self._consumer.commit(asynchronous=True)


def test_consumers_go_on_in_the_standby_when_the_source_is_gone(pair: MirrorPair) -> None:
    before = Drain(pair.primary, ORDERS)
    load = Load(pair.primary.clients, {**pair.primary.clients.as_user(SOURCE), "message.timeout.ms": 3_000}, ORDERS)
    wait_until("the group is followed", lambda: _left(pair.standby, GROUP, ORDERS) is not None, 60, 0.5)
    time.sleep(5)
    pair.primary.project.containers["primary-brokers-0"].kill()
    killed = time.monotonic()
    pair.mirror.kill()
    after = Drain(pair.standby, ORDERS)
    wait_until("the standby's consumer reads", lambda: bool(after.values), 60)
    rto = after.times[0] - killed
    acknowledged = dict(zip(load.end(), load.deliveries.times, strict=True))
    mirrored = {value for kept in records(pair.standby, ORDERS).values() for _, value, *_ in kept if value in acknowledged}
    seen_before = {*before.end()} & acknowledged.keys()
    wait_until("it reads to the end", lambda: mirrored <= {*seen_before, *after.values}, 60)
    seen_after = Counter(value for value in after.end() if value in acknowledged)
    lost = acknowledged.keys() - mirrored
    rpo = max((killed - acknowledged[value] for value in lost), default=0.0)
    twice = len(seen_before & seen_after.keys())
    figures = {
        "acknowledged": len(acknowledged),
        "lost": len(lost),
        "rpo_seconds": rpo,
        "rto_seconds": rto,
        "read_twice": twice,
    }
    print(json.dumps({"failover": figures}))
    assert rpo < RPO_SECONDS
    assert rto < RTO_SECONDS
    assert mirrored <= seen_before | seen_after.keys(), "a gap"
    assert set(seen_after.values()) == {1}
