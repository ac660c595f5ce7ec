"""What every topic says for itself, and the topics that the platform's own programs keep their state in. Pure."""

from components.core.model import Scalar
from components.core.names import resource_name
from components.core.quantities import FOREVER
from components.kafka.spec import KafkaSpec
from components.kafka.state import Topic

PLATFORM_OWNER = "platform"


def topic_config(kafka: KafkaSpec, cleanup: str, retention_ms: int, tiered: bool | None, min_in_sync: int) -> dict[str, Scalar]:
    """What every topic says for itself, so that a broker default changed later changes nothing behind its back."""
    defaults = kafka.topic_defaults
    config: dict[str, Scalar] = {
        "cleanup.policy": cleanup,
        "compression.type": defaults.compression,
        "max.message.bytes": defaults.max_message,
        "min.insync.replicas": min_in_sync,
        "retention.ms": retention_ms,
        "segment.bytes": defaults.segment,
    }
    may_tier = kafka.tiered is not None and cleanup == "delete"
    if kafka.tiered is not None and (may_tier if tiered is None else tiered):
        config["remote.storage.enable"] = True
        config["local.retention.ms"] = kafka.tiered.hot if retention_ms == FOREVER else min(kafka.tiered.hot, retention_ms)
    return config


def min_isr(kafka: KafkaSpec, replicas: int, own: int | None) -> int:
    """The topic's own figure; else the cluster's, lowered where this topic has fewer replicas than the cluster's default."""
    if own is not None:
        return own
    return kafka.default_min_in_sync_replicas if replicas >= kafka.default_replicas else max(1, replicas - 1)


def internal_topic(
    kafka: KafkaSpec, name: str, origin: str, *, partitions: int = 1, cleanup: str = "compact", retention_ms: int = FOREVER
) -> Topic:
    """A topic of the platform itself: never tiered, with the cluster's replication, and by default compacted and kept."""
    replicas = kafka.default_replicas
    config = topic_config(kafka, cleanup, retention_ms, tiered=False, min_in_sync=min_isr(kafka, replicas, None))
    return Topic(
        name=name,
        resource_name=resource_name(name),
        partitions=partitions,
        replicas=replicas,
        config=dict(sorted(config.items())),
        owner=PLATFORM_OWNER,
        origin=origin,
    )
