"""Which secrets the agents read. Pure."""

from collections.abc import Iterator

from components.cassandra_agent.properties import agent_name, secrets
from components.core.secrets import Use
from components.environment import EnvironmentSpec


def secret_uses(environment: EnvironmentSpec) -> Iterator[Use]:
    """One for each pipeline from Cassandra; on Kubernetes the pods are Cassandra's."""
    for pipeline in environment.pipelines:
        if pipeline.source.cassandra is not None:
            name = agent_name(environment, pipeline)
            yield Use(name, secrets(environment, pipeline, pipeline.source.cassandra), (name,))
