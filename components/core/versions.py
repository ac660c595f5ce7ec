"""The version of everything the platform deploys, in one place."""

KAFKA = "4.3.1"
KAFKA_METADATA = "4.3-IV0"
"""The metadata version of Kafka 4.3; kept apart so that an upgrade can raise the binaries first and the format later."""

STRIMZI = "1.2.0"

KAFKA_IMAGE = f"apache/kafka:{KAFKA}"
"""The Kafka project's own image, used on the docker target; Strimzi brings its own on Kubernetes."""

SCHEMA_REGISTRY_CONFLUENT_IMAGE = "confluentinc/cp-schema-registry:8.3.2"
SCHEMA_REGISTRY_APICURIO_IMAGE = "apicurio/apicurio-registry:3.3.3"

HAPROXY_IMAGE = "haproxy:3.2.24-alpine"
"""The long-term branch; its configuration is checked with Debian's 2.6."""

DEBEZIUM = "3.5.0.Final"
CONNECT_IMAGE = f"quay.io/debezium/connect:{DEBEZIUM}"
"""Kafka Connect with Debezium's connectors, used on the docker target."""

VAULT_IMAGE = "hashicorp/vault:1.19.5"

POSTGRES_IMAGE = "postgres:17.6-bookworm"
POSTGRES_OPERATOR_IMAGE = "ghcr.io/cloudnative-pg/postgresql:17.6-standard-bookworm"
"""The same release as CloudNativePG's operator runs it on Kubernetes."""

MARIADB_IMAGE = "mariadb:11.4.8"
"""A long-term release, for development only; the tests run Debian's 10.11."""

CASSANDRA = "5.0.9"
CASSANDRA_IMAGE = f"cassandra:{CASSANDRA}"
"""For development only. Debezium's agent is for one line of its releases, and runs on no newer Java than it."""
DEBEZIUM_CASSANDRA = "3.4.1.Final"
"""The newest for Cassandra 5 that Maven Central has."""

REDIS_IMAGE = "redis:7.2.11-alpine"
"""Requirement B3 names 7.2, the last release under the BSD licence; the tests run Debian's 7.0."""

PROMETHEUS_IMAGE = "prom/prometheus:v3.5.0"
"""The long-term release; its rules and configuration are checked with Debian's 2.42."""
GRAFANA_IMAGE = "grafana/grafana:11.6.4"
KAFKA_EXPORTER_IMAGE = "danielqsj/kafka-exporter:v1.9.0"
"""What Strimzi's kafkaExporter is too. Requirement A8's kafka-lag-exporter is archived since 2024."""
PROBER_IMAGE = "prom/blackbox-exporter:v0.27.0"
REDIS_EXPORTER_IMAGE = "oliver006/redis_exporter:v1.74.0-alpine"
POSTGRES_EXPORTER_IMAGE = "quay.io/prometheuscommunity/postgres-exporter:v0.17.1"
"""On Kubernetes CloudNativePG's servers tell of themselves, and this one asks existing servers."""
NODE_EXPORTER_IMAGE = "prom/node-exporter:v1.9.1"
"""Reads one file and nothing else of the machine; the tests run Debian's 1.5."""

JAEGER_IMAGE = "jaegertracing/jaeger:2.13.0"
"""Jaeger 2 is a distribution of the OpenTelemetry Collector, and has all that the collector before it needs."""
