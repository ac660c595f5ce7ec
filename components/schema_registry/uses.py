"""Which secrets the registries read. Pure."""

from collections.abc import Iterator

from components.core.secrets import Use
from components.environment import EnvironmentSpec
from components.schema_registry.derive import NAME, instances
from components.schema_registry.program import program
from components.schema_registry.spec import SchemaRegistrySpec


def secret_uses(environment: EnvironmentSpec, registry: SchemaRegistrySpec) -> Iterator[Use]:
    """All have the same."""
    containers = instances(registry)
    files = program(environment, registry, containers[0]).secrets
    yield Use(NAME, tuple(files), containers, (NAME,), pooled=True)
