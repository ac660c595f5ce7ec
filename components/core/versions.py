"""The version of everything the platform deploys, in one place."""

KAFKA = "4.3.1"
KAFKA_METADATA = "4.3-IV0"
"""The metadata version of Kafka 4.3; kept apart so that an upgrade can raise the binaries first and the format later."""

STRIMZI = "1.2.0"

KAFKA_IMAGE = f"apache/kafka:{KAFKA}"
"""The Kafka project's own image, used on the docker target; Strimzi brings its own on Kubernetes."""
