"""Which secrets the workers of both colours read. Pure."""

from collections.abc import Iterator

from components.connect.access import secrets
from components.connect.derive import worker_names
from components.connect.names import COLOURS, cluster_name
from components.connect.spec import ConnectSpec
from components.core.secrets import Use
from components.environment import EnvironmentSpec


def secret_uses(environment: EnvironmentSpec, connect: ConnectSpec) -> Iterator[Use]:
    """One for each colour."""
    for colour in COLOURS:
        name = cluster_name(environment.kafka, colour)
        workers = tuple(worker_names(connect, environment.kafka, colour))
        yield Use(name, secrets(environment, colour), workers, (f"{name}-connect-api",), pooled=True)
