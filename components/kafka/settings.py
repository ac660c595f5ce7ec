"""Which Kafka configuration keys belong to which part of the spec, so that no two places can say different things."""

OPERATOR_PREFIXES = (
    "advertised.",
    "authorizer.",
    "broker.",
    "controller.quorum",
    "controller.listener",
    "host.name",
    "inter.broker.listener",
    "listener.",
    "listeners",
    "log.dir",
    "node.id",
    "password.",
    "port",
    "process.roles",
    "reserved.broker",
    "sasl.",
    "security.",
    "ssl.",
    "super.user",
    "metadata.log.dir",
    "remote.log.storage",
    "rsm.config",
    "rlmm.config",
    "remote.log.metadata",
)
"""Keys (by prefix) that Strimzi refuses or sets itself (``KafkaClusterSpec.FORBIDDEN_PREFIXES``); we render them on docker."""

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


def owner_of_broker_key(key: str) -> str | None:
    """The spec field that sets ``key``, ``"the platform"`` for keys that only rendering may set, or ``None``."""
    if key in OWNED_BROKER_KEYS:
        return OWNED_BROKER_KEYS[key]
    return "the platform" if key.startswith(OPERATOR_PREFIXES) else None
