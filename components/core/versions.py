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
