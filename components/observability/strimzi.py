"""What Strimzi's objects are told about metrics. Nothing where observability is not declared. Pure."""

from components.core.jmx import metrics_config
from components.core.kubernetes import Body, container_security, pod_security, resources
from components.environment import EnvironmentSpec
from components.observability.names import CONNECT_METRICS, KAFKA_METRICS


def kafka_metrics(spec: EnvironmentSpec) -> Body:
    """For ``Kafka.spec.kafka``."""
    return {} if spec.observability is None else metrics_config(KAFKA_METRICS)


def connect_metrics(spec: EnvironmentSpec) -> Body:
    """For ``KafkaConnect.spec``."""
    return {} if spec.observability is None else metrics_config(CONNECT_METRICS)


def kafka_exporter(spec: EnvironmentSpec) -> Body:
    """For ``Kafka.spec``: the exporter of consumer lag, of all groups and topics."""
    observed = spec.observability
    if observed is None:
        return {}
    body: Body = {
        "groupRegex": ".*",
        "topicRegex": ".*",
        "resources": resources(observed.kafka_exporter.resources),
        "template": {
            "pod": {"priorityClassName": spec.context.priority_class("service"), "securityContext": pod_security()},
            "container": {"securityContext": container_security()},
        },
    }
    image = observed.kafka_exporter.image
    return {"kafkaExporter": body if image is None else {**body, "image": image}}
