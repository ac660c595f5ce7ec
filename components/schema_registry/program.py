"""What runs as a registry, whichever distribution was chosen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.core import versions
from components.core.secrets import SecretFile
from components.environment import EnvironmentSpec
from components.haproxy.backend import Check
from components.kafka.clients import kafka_client
from components.schema_registry import apicurio, confluent
from components.schema_registry.derive import APICURIO_READY, PORT, USER
from components.schema_registry.spec import SchemaRegistrySpec

FOLDER = "/etc/cdc"
SECRETS = "/run/secrets/schema-registry"


@dataclass(frozen=True, slots=True)
class Program:
    """One registry, on any target: ``files`` by their path in the container, ``secrets`` in :data:`SECRETS`. It is ``ready``
    once it has read what it knows."""

    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    secrets: tuple[SecretFile, ...]
    user: int
    group: int
    live: Check
    ready: Check


def program(spec: EnvironmentSpec, registry: SchemaRegistrySpec, host: str | None = None) -> Program:
    """``host`` is the name that it listens on; without one it listens on every address of its own network."""
    client = kafka_client(spec.kafka, spec.context, USER)
    if registry.distribution == "confluent":
        return Program(
            image=registry.image or versions.SCHEMA_REGISTRY_CONFLUENT_IMAGE,
            command=confluent.command(FOLDER),
            environment=confluent.environment(registry),
            files={f"{FOLDER}/{confluent.PROPERTIES}": confluent.configuration(registry, spec.kafka, client, host, SECRETS)},
            secrets=client.secrets,
            user=confluent.USER,
            group=confluent.USER,
            live=Check(PORT, "/"),
            ready=Check(PORT, "/subjects"),
        )
    return Program(
        image=registry.image or versions.SCHEMA_REGISTRY_APICURIO_IMAGE,
        command=apicurio.command(registry, FOLDER),
        environment={},
        files={f"{FOLDER}/{apicurio.PROPERTIES}": apicurio.configuration(spec.kafka, client, host, SECRETS)},
        secrets=client.secrets,
        user=apicurio.USER,
        group=0,
        live=Check(APICURIO_READY.port, apicurio.LIVE),
        ready=APICURIO_READY,
    )
