"""Which secrets observability's programs read. Pure."""

from collections.abc import Iterator

from components.core.secrets import Use, referenced
from components.environment import EnvironmentSpec
from components.kafka.clients import kafka_client
from components.observability.companions import uses as companion_files
from components.observability.derive import USER
from components.observability.names import EXPORTER, GRAFANA
from components.observability.spec import ObservabilitySpec


def secret_uses(environment: EnvironmentSpec, observability: ObservabilitySpec) -> Iterator[Use]:
    """On Kubernetes Kafka's exporter is Strimzi's, and Grafana is not ours."""
    for name, files in companion_files(environment):
        yield Use(name, files, (name,))
    if environment.target != "docker":
        return
    yield Use(EXPORTER, kafka_client(environment.kafka, environment.context, USER).secrets, (EXPORTER,))
    password = observability.grafana.password
    if password is not None:
        yield Use(GRAFANA, (referenced(password, "admin.password", GRAFANA),), (GRAFANA,))
