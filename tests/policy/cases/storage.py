"""What is written stays written."""

from tests.policy.cases.making import BROKERS, KAFKA, ORDERS, ORDERS_SOURCE, config, manifests, spec, topic

STORAGE = (
    spec(
        "kafka-storage-persistent",
        "ephemeral",
        "kafka.brokers.storage.type",
        {"kafka.brokers.storage.type": "ephemeral"},
        BROKERS,
    ),
    spec(
        "kafka-storage-persistent",
        "docker",
        "kafka.controllers.storage.type",
        {"kafka.controllers": {"storage": {"type": "ephemeral"}}},
        base="docker",
    ),
    spec(
        "kafka-storage-kept",
        "claims go",
        "kafka.controllers.storage.keep",
        {"kafka.controllers.storage.keep": False},
        "KafkaNodePool/cdc/controllers",
    ),
    manifests(
        "kafka-tiered-metadata-replication",
        "one",
        "kafka.topicDefaults.replicas",
        KAFKA,
        config(rlmm_config_remote_log_metadata_topic_replication_factor=1),
        "Kafka",
    ),
    manifests(
        "kafka-tiered-metadata-replication",
        "not said",
        "kafka.topicDefaults.replicas",
        KAFKA,
        config(rlmm_config_remote_log_metadata_topic_replication_factor=None),
        "Kafka",
    ),
    spec(
        "kafka-tiered-credentials",
        "by value",
        'kafka.tiered.config["storage.aws.access.key.id"]',
        {"kafka.tiered.config": {"storage.aws.access.key.id": "${env:KEY}"}},
    ),
    spec("kafka-tiered-image", "the default image", "kafka.image", {"kafka.image": None}),
    spec(
        "kafka-tiered-store",
        "a folder",
        "kafka.tiered.store",
        {"tier": "production", "kafka.tiered": {"store": "local", "bucket": "b"}},
        base="docker",
    ),
    topic("kafka-tiered-compaction", "compacted", ORDERS_SOURCE, ORDERS, config={"cleanup.policy": "compact,delete"}),
    topic(
        "kafka-tiered-local-retention", "longer than the topic", ORDERS_SOURCE, ORDERS, config={"local.retention.ms": 10**12}
    ),
    topic("kafka-tiered-local-retention", "for ever", ORDERS_SOURCE, ORDERS, config={"local.retention.ms": -1}),
    topic(
        "kafka-tiered-local-retention",
        "bytes",
        ORDERS_SOURCE,
        ORDERS,
        config={"local.retention.bytes": 2, "retention.bytes": 1},
    ),
)
