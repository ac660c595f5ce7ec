"""MirrorMaker 2's settings, the same whatever runs it: the worker's, and the two connectors'. Pure."""

from collections.abc import Sequence

from components.core.properties_text import Scalar
from components.environment import EnvironmentSpec
from components.mirror_maker import derive
from components.mirror_maker.spec import MirrorMakerSpec

Settings = dict[str, Scalar]

IDENTITY = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy"
BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
REBALANCE_DELAY_MS = 5_000
"""How long the work of a node that is gone waits for it to come back. Connect's own 5 minutes would alone break most RPOs."""

TRANSACTION_TIMEOUT_MS = 15_000
"""How long what a killed node had begun keeps readers waiting, its own successor among them, who reads its positions first.
A transaction holds the records of one poll, which a node writes to brokers beside it; Connect's own is a minute."""

SYSTEM_BUFFER = -1
"""A socket buffer that the system sizes by the link's delay; Kafka's own 64 KiB would bound 50 ms at 1.3 MB/s."""


def worker(mirror: MirrorMakerSpec, environment: EnvironmentSpec) -> Settings:
    """Of the Connect worker, which lives on the target: where it keeps its state, and how it writes.

    Keys, values and headers pass as bytes. Unlike Connect's own, the producer neither doubles nor reorders records when it
    repeats a request, and so may have several under way. Compression is the topics' own, so that no broker does it again.
    """
    replicas = replication_factor(mirror, environment)
    compression = environment.kafka.topic_defaults.compression
    settings: Settings = {f"{what}.storage.replication.factor": replicas for what in ("config", "offset", "status")}
    settings |= {f"{side}.converter": BYTES for side in ("key", "value", "header")}
    settings["offset.flush.interval.ms"] = mirror.flush
    settings["scheduled.rebalance.max.delay.ms"] = REBALANCE_DELAY_MS
    # All that it runs is Kafka's own; looking for more would take a third of its start.
    settings["plugin.discovery"] = "service_load"
    if mirror.exactly_once:
        settings |= {"exactly.once.source.support": "enabled", "producer.transaction.timeout.ms": TRANSACTION_TIMEOUT_MS}
    return settings | {
        "producer.batch.size": mirror.client.batch,
        "producer.buffer.memory": mirror.client.buffer,
        "producer.enable.idempotence": True,
        "producer.max.in.flight.requests.per.connection": 5,
        "producer.compression.type": "lz4" if compression in {"producer", "uncompressed"} else compression,
        "producer.linger.ms": mirror.client.linger,
        "producer.max.request.size": mirror.client.max_request,
        "producer.send.buffer.bytes": SYSTEM_BUFFER,
    }


def source_consumer(mirror: MirrorMakerSpec) -> Settings:
    """Of the consumer that reads the source. Records of transactions that were given up are not mirrored."""
    return {
        "consumer.fetch.max.bytes": mirror.client.buffer,
        "consumer.isolation.level": "read_committed",
        "consumer.max.partition.fetch.bytes": mirror.client.fetch,
        "consumer.max.poll.records": mirror.client.records,
        "consumer.receive.buffer.bytes": SYSTEM_BUFFER,
    }


def source_connector(mirror: MirrorMakerSpec, environment: EnvironmentSpec) -> Settings:
    """Of the connector that copies records, topics and their settings. ACLs are each environment's own.

    The topic of offset syncs is on the target: nothing is written to the source, and it outlives the source.
    """
    replicas = replication_factor(mirror, environment)
    seconds = mirror.refresh // 1000
    return _common(mirror) | {
        "heartbeats.replication.enabled": False,
        "offset-syncs.topic.replication.factor": replicas,
        "offset.lag.max": mirror.offset_lag,
        "refresh.topics.enabled": True,
        "refresh.topics.interval.seconds": seconds,
        "replication.factor": replicas,
        "sync.topic.acls.enabled": False,
        "sync.topic.configs.enabled": True,
        "sync.topic.configs.interval.seconds": seconds,
    }


def checkpoint_connector(mirror: MirrorMakerSpec, environment: EnvironmentSpec) -> Settings:
    """Of the connector that translates groups' positions and commits them on the target."""
    return _common(mirror) | {
        "checkpoints.topic.replication.factor": replication_factor(mirror, environment),
        "emit.checkpoints.enabled": True,
        "emit.checkpoints.interval.seconds": mirror.checkpoints // 1000,
        "refresh.groups.enabled": True,
        "refresh.groups.interval.seconds": mirror.refresh // 1000,
        "sync.group.offsets.enabled": True,
        "sync.group.offsets.interval.seconds": mirror.group_offsets // 1000,
    }


def _common(mirror: MirrorMakerSpec) -> Settings:
    """Both connectors', which must agree on where the offset syncs are, and how topics are named.

    Metrics keep their old names: with the new ones Kafka 4.3.1 knows only one group, and fails for every other's checkpoint
    (``Sensor checkpoint-latency already exists``).
    """
    return {
        "metric.names.formats": "legacy",
        "offset-syncs.topic.location": "target",
        "replication.policy.class": IDENTITY,
    }


def names(mirror: MirrorMakerSpec, environment: EnvironmentSpec) -> dict[str, str]:
    """Which topics and groups, each as MirrorMaker's list of expressions."""
    return {
        "topics": _listed(derive.mirrored_topics(mirror, environment)),
        "topics.exclude": _listed(derive.excluded_topics(mirror, environment)),
        "groups": _listed(derive.mirrored_groups(mirror, environment)),
        "groups.exclude": _listed(mirror.excluded_groups),
    }


def _listed(expressions: Sequence[str]) -> str:
    return ",".join(expressions)


def replication_factor(mirror: MirrorMakerSpec, environment: EnvironmentSpec) -> int:
    """Of mirrored topics and of MirrorMaker's own."""
    return mirror.replication_factor or environment.kafka.default_replicas
