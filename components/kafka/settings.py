"""Which Kafka configuration keys belong to which part of the spec, so that no two places can say different things."""

from collections.abc import Mapping

Kind = type[int] | type[float] | type[bool] | type[str]

OPERATOR_PREFIXES = (
    "advertised.",
    "authorizer.",
    "broker.",
    "client.quota.callback.static.",
    "controller.",
    "cordoned.log.dirs",
    "cruise.control.metrics.reporter.bootstrap.servers",
    "cruise.control.metrics.topic",
    "host.name",
    "inter.broker.listener.name",
    "listener.",
    "listeners",
    "log.dir",
    "metadata.log.dir",
    "node.id",
    "password.",
    "port",
    "process.roles",
    "prometheus.metrics.reporter.",
    "sasl.",
    "security.",
    "ssl.",
    "super.user",
    "zookeeper.",
)
"""Keys (by prefix) that Strimzi sets itself and so ignores (``KafkaClusterSpec.FORBIDDEN_PREFIXES``); on docker we set them."""

OPERATOR_EXCEPTIONS = (
    "broker.heartbeat.interval.ms",
    "broker.session.timeout.ms",
    "controller.quorum.election.backoff.max.ms",
    "controller.quorum.election.timeout.ms",
    "controller.quorum.fetch.timeout.ms",
    "controller.socket.timeout.ms",
    "cruise.control.metrics.topic.auto.create.retries",
    "cruise.control.metrics.topic.auto.create.timeout.ms",
    "cruise.control.metrics.topic.min.insync.replicas",
    "cruise.control.metrics.topic.num.partitions",
    "cruise.control.metrics.topic.replication.factor",
    "cruise.control.metrics.topic.retention.ms",
    "sasl.server.max.receive.size",
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.protocol",
    "ssl.secure.random.implementation",
)
"""What begins like them and is the user's all the same (``KafkaClusterSpec.FORBIDDEN_PREFIX_EXCEPTIONS``)."""

PLATFORM_PREFIXES = ("remote.log.metadata.manager", "remote.log.storage", "rlmm.config", "rsm.config")
"""Keys (by prefix) of tiered storage, which ``kafka.tiered`` sets."""

OWNED_BROKER_KEYS = {
    "auto.create.topics.enable": "kafka.autoCreateTopics",
    "compression.type": "kafka.topicDefaults.compression",
    "default.replication.factor": "kafka.topicDefaults.replicas",
    "log.retention.ms": "kafka.topicDefaults.retention",
    "log.segment.bytes": "kafka.topicDefaults.segment",
    "max.connection.creation.rate": "kafka.quotas.connectionRate",
    "max.connections": "kafka.quotas.connections",
    "message.max.bytes": "kafka.topicDefaults.maxMessage",
    "min.insync.replicas": "kafka.topicDefaults.minInSyncReplicas",
    "num.partitions": "kafka.topicDefaults.partitions",
    "offsets.topic.replication.factor": "kafka.topicDefaults.replicas",
    "transaction.state.log.replication.factor": "kafka.topicDefaults.replicas",
    "transaction.state.log.min.isr": "kafka.topicDefaults.minInSyncReplicas",
    "share.coordinator.state.topic.replication.factor": "kafka.topicDefaults.replicas",
    "share.coordinator.state.topic.min.isr": "kafka.topicDefaults.minInSyncReplicas",
    "ssl.enabled.protocols": "kafka.tls.protocols",
}
"""Broker keys that a field of the spec sets; ``kafka.config`` may not."""

OWNED_TOPIC_KEYS = {
    "cleanup.policy": "cleanup",
    "local.retention.ms": "kafka.tiered.hot",
    "max.message.bytes": "maxMessage",
    "min.insync.replicas": "minInSyncReplicas",
    "remote.storage.enable": "tiered",
    "retention.bytes": "retentionSize",
    "retention.ms": "retention",
    "segment.bytes": "segment",
}
"""Topic keys that a field of ``TopicSpec`` sets; its ``config`` may not."""


OTHER_TOPIC_KEYS: Mapping[str, Kind] = {
    "compression.gzip.level": int,
    "compression.lz4.level": int,
    "compression.type": str,
    "compression.zstd.level": int,
    "delete.retention.ms": int,
    "file.delete.delay.ms": int,
    "flush.messages": int,
    "flush.ms": int,
    "follower.replication.throttled.replicas": str,
    "index.interval.bytes": int,
    "leader.replication.throttled.replicas": str,
    "local.retention.bytes": int,
    "max.compaction.lag.ms": int,
    "message.timestamp.after.max.ms": int,
    "message.timestamp.before.max.ms": int,
    "message.timestamp.type": str,
    "min.cleanable.dirty.ratio": float,
    "min.compaction.lag.ms": int,
    "preallocate": bool,
    "remote.log.copy.disable": bool,
    "remote.log.delete.on.disable": bool,
    "segment.index.bytes": int,
    "segment.jitter.ms": int,
    "segment.ms": int,
    "unclean.leader.election.enable": bool,
}
"""Every other topic key of Kafka 4.3 (``LogConfig.configKeys``), with its kind of value. Kafka knows no more."""


def owner_of_broker_key(key: str) -> str | None:
    """The spec field that sets ``key``, ``"the platform"`` for keys that only rendering may set, or ``None``."""
    if key in OWNED_BROKER_KEYS:
        return OWNED_BROKER_KEYS[key]
    if key.startswith(PLATFORM_PREFIXES):
        return "kafka.tiered"
    return "the platform" if key.startswith(OPERATOR_PREFIXES) and not key.startswith(OPERATOR_EXCEPTIONS) else None
