"""Clients, topics, nodes, pipelines and names."""

from tests.policy import environments as env
from tests.policy.cases.making import BROKER, DLQ, KAFKA, Case, config, manifests, spec, topic

CLIENTS = (
    spec(
        "kafka-client-quota",
        "no bound",
        "kafka.users[0].quota",
        {"kafka.users[0].quota": {"consume": "1MB/s"}, "kafka.quotas.default": {"consume": "1MB/s"}},
        "KafkaUser/cdc/platform-admin",
    ),
    spec(
        "kafka-default-quota", "no request share", "kafka.quotas.default.request", {"kafka.quotas.default.request": env.REMOVED}
    ),
    spec(
        "kafka-default-quota",
        "no mutation rate",
        "kafka.quotas.default.controllerMutations",
        {"kafka.quotas.default.controllerMutations": env.REMOVED},
    ),
    spec("kafka-connection-rate", "no limit", "kafka.quotas.connectionRate", {"kafka.quotas.connectionRate": None}, KAFKA),
    Case(
        "kafka-connection-rate",
        "docker",
        lambda: env.with_properties("max.connection.creation.rate=100", "max.connection.creation.rate=0"),
        "kafka.quotas.connectionRate",
        BROKER,
        "docker",
    ),
)

TOPICS = (
    spec("kafka-topic-auto-creation", "on", "kafka.autoCreateTopics", {"kafka.autoCreateTopics": True}, KAFKA),
    manifests(
        "kafka-topic-auto-creation",
        "not said",
        "kafka.autoCreateTopics",
        KAFKA,
        config(auto_create_topics_enable=None),
        "Kafka",
    ),
    spec(
        "kafka-topic-message-size",
        "larger",
        "pipelines[0].topic.maxMessage",
        {"pipelines[0].topic": {"maxMessage": "8MiB"}},
        "KafkaTopic/cdc/shop-orders-orders",
    ),
    spec(
        "kafka-topic-unbounded",
        "for ever on disk",
        "kafka.topics[0].retention",
        {"kafka.topics": [{"name": "shop_a", "tenant": "shop", "retention": "forever", "tiered": False}]},
        "KafkaTopic/cdc/shop-a",
    ),
    spec(
        "kafka-partitions-per-broker",
        "too many",
        "kafka.brokers.replicas",
        {"kafka.topics": [{"name": "shop_a", "tenant": "shop", "partitions": 5_000}]},
    ),
    spec("kafka-heap", "three quarters", "kafka.brokers.jvm.heap", {"kafka.brokers.jvm.heap": "6Gi"}),
    Case(
        "kafka-metadata-version",
        "newer than Kafka",
        lambda: env.with_parts(kafka=env.good().spec.kafka.model_copy(update={"version": "4.2.0"})),
        "kafka.metadataVersion",
    ),
)

PIPELINES = (
    Case("pipeline-dlq", "no DLQ", lambda: env.without_topic(DLQ), "pipelines[0].dlq"),
    spec(
        "pipeline-dlq",
        "compacted",
        "pipelines[0].dlq.cleanup",
        {"pipelines[0].dlq": {"cleanup": "compact"}},
        "KafkaTopic/cdc/shop-orders-dlq",
    ),
    spec(
        "pipeline-dlq-retention",
        "shorter",
        "pipelines[2].dlq.retention",
        {"pipelines[2].dlq": {"retention": "7d"}},
        "KafkaTopic/cdc/billing-invoices-dlq",
    ),
    spec(
        "pipeline-dlq-retention",
        "changes for ever",
        "pipelines[0].dlq.retention",
        {"pipelines[0].topic": {"retention": "forever"}},
        "KafkaTopic/cdc/shop-orders-dlq",
    ),
    topic("pipeline-schema-history", "two partitions", "pipelines[0]", "shop_orders_schema_history", partitions=2),
    topic("pipeline-schema-history", "forgets", "pipelines[0]", "shop_orders_schema_history", config={"retention.ms": 1}),
    topic(
        "pipeline-schema-history",
        "compacted",
        "pipelines[0]",
        "shop_orders_schema_history",
        config={"cleanup.policy": "compact"},
    ),
    Case(
        "pipeline-consumer-group", "shared", lambda: env.with_parts(naming=env.naming(group="one")), "pipelines[1].sink.group"
    ),
    spec("pipeline-owner", "blank", "pipelines[0].owner", {"pipelines[0].owner": " "}),
)

NAMES = (
    spec("naming-pattern", "none", "naming.pattern", {"naming.pattern": env.REMOVED}),
    spec(
        "naming-tenant-prefix",
        "another beginning",
        'pipelines[0].tables["shop.orders"].name',
        {'pipelines[0].tables["shop.orders"].name': "shopping_orders"},
        "KafkaTopic/cdc/shopping-orders",
    ),
    spec(
        "naming-convention",
        "Cassandra's own",
        "naming.topic",
        {"naming.topic": "cassandra.{database}.{table}", "naming.pattern": "."},
    ),
    spec("owner", "a topic", "kafka.topics[0].owner", {"kafka.topics": [{"name": "shop_a"}]}),
    spec("owner", "a user", "kafka.users[0].owner", {"kafka.users[0].owner": env.REMOVED}),
    spec("owner", "a tenant", "tenants[1].owner", {"tenants[1].owner": " "}),
)
