"""What the user writes about topics: those that no pipeline derives, and what every topic has."""

from collections.abc import Mapping
from typing import Literal

from components.core.model import DnsLabel, Scalar, SpecModel, TopicName, setting
from components.core.quantities import ByteSize, MessageSize, Retention, SegmentSize

_MIB, _GIB = 1 << 20, 1 << 30
_DAY = 86_400_000


class TopicDefaultsSpec(SpecModel):
    """What a topic has unless it says otherwise."""

    partitions: int = setting(
        10, help="Number of partitions.", becomes="num.partitions and each topic's partitions", ge=1, le=100_000
    )
    replicas: int | None = setting(
        None,
        help="Replication factor; 3, or the number of brokers when fewer.",
        becomes="default.replication.factor and each topic's replicas",
        ge=1,
        le=32_767,
    )
    min_in_sync_replicas: int | None = setting(
        None,
        help="Replicas that must have a write; one less than replicas (at least 1).",
        becomes="min.insync.replicas",
        ge=1,
        le=32_767,
    )
    retention: Retention = setting(7 * _DAY, help="How long records are kept.", becomes="retention.ms")
    dlq_retention: Retention = setting(30 * _DAY, help="How long dead letters are kept.", becomes="retention.ms of DLQ topics")
    segment: SegmentSize = setting(_GIB, help="Size of one log segment.", becomes="segment.bytes")
    compression: Literal["lz4", "zstd", "snappy", "gzip", "producer", "uncompressed"] = setting(
        "lz4", help="Compression on disk.", becomes="compression.type"
    )
    max_message: MessageSize = setting(_MIB, help="Largest record batch.", becomes="max.message.bytes")


class TopicSpec(SpecModel):
    """A topic that no pipeline derives."""

    name: TopicName = setting(help="The topic's name.", becomes="KafkaTopic.spec.topicName")
    resource_name: DnsLabel | None = setting(
        None,
        help="Name of the Kubernetes object, when the one made of the topic's name collides.",
        becomes="KafkaTopic.metadata.name",
    )
    tenant: DnsLabel | None = setting(None, help="The tenant that owns it.", becomes="label cdc.platform/tenant")
    owner: str | None = setting(
        None, help="Who answers for it, when not the tenant's owner.", becomes="annotation cdc.platform/owner", min_length=1
    )
    partitions: int | None = setting(None, help="Number of partitions.", becomes="KafkaTopic.spec.partitions", ge=1, le=100_000)
    replicas: int | None = setting(None, help="Replication factor.", becomes="KafkaTopic.spec.replicas", ge=1, le=32_767)
    min_in_sync_replicas: int | None = setting(
        None, help="Replicas that must have a write.", becomes="min.insync.replicas", ge=1, le=32_767
    )
    retention: Retention | None = setting(None, help="How long records are kept.", becomes="retention.ms")
    retention_size: ByteSize | None = setting(None, help="Most bytes kept per partition.", becomes="retention.bytes")
    segment: SegmentSize | None = setting(None, help="Size of one log segment.", becomes="segment.bytes")
    max_message: MessageSize | None = setting(None, help="Largest record batch.", becomes="max.message.bytes")
    cleanup: Literal["delete", "compact", "compact,delete"] = setting(
        "delete", help="What happens to old records.", becomes="cleanup.policy"
    )
    tiered: bool | None = setting(
        None,
        help="Whether old segments go to the object store; yes when the cluster tiers and the topic only deletes.",
        becomes="remote.storage.enable",
    )
    config: Mapping[str, Scalar] = setting(
        dict, help="Further topic configuration in Kafka's own keys.", becomes="KafkaTopic.spec.config"
    )
