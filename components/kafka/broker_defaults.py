"""The broker configuration that both targets share: what a topic, an internal topic and a client get by default. Pure."""

from components.core.model import Scalar
from components.kafka.spec import KafkaSpec

CONNECTION_RATE = "max.connection.creation.rate"


def broker_defaults(kafka: KafkaSpec) -> dict[str, Scalar]:
    """Kafka's own keys, sorted. Internal topics are replicated like all others: Kafka's defaults (3) stop a smaller cluster,
    and Strimzi's samples leave some of them at 1. ``kafka.config`` has the last word on keys that no field owns."""
    return dict(
        sorted({**_topics(kafka), **_internal_topics(kafka), **_clients(kafka), **_tiered(kafka), **kafka.config}.items())
    )


def _topics(kafka: KafkaSpec) -> dict[str, Scalar]:
    defaults = kafka.topic_defaults
    return {
        "auto.create.topics.enable": kafka.auto_create_topics,
        "compression.type": defaults.compression,
        "default.replication.factor": kafka.default_replicas,
        "log.retention.ms": defaults.retention,
        "log.segment.bytes": defaults.segment,
        "message.max.bytes": defaults.max_message,
        "min.insync.replicas": kafka.default_min_in_sync_replicas,
        "num.partitions": defaults.partitions,
        "unclean.leader.election.enable": False,
    }


def _internal_topics(kafka: KafkaSpec) -> dict[str, Scalar]:
    replicas, min_isr = kafka.default_replicas, kafka.default_min_in_sync_replicas
    return {
        "offsets.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": min_isr,
        "share.coordinator.state.topic.replication.factor": replicas,
        "transaction.state.log.min.isr": min_isr,
        "transaction.state.log.replication.factor": replicas,
    }


def _clients(kafka: KafkaSpec) -> dict[str, Scalar]:
    """The rate bounds the listener between brokers too (seen on 4.3.1), so each target has to exempt that one."""
    config: dict[str, Scalar] = {}
    if kafka.quotas.connection_rate is not None:
        config[CONNECTION_RATE] = int(kafka.quotas.connection_rate)
    if kafka.quotas.connections is not None:
        config["max.connections"] = kafka.quotas.connections
    return config


def _tiered(kafka: KafkaSpec) -> dict[str, Scalar]:
    if kafka.tiered is None:
        return {}
    return {
        "rlmm.config.remote.log.metadata.topic.replication.factor": kafka.default_replicas,
        "rlmm.config.remote.log.metadata.topic.min.isr": kafka.default_min_in_sync_replicas,
    }
