"""What runs as a registry, whichever distribution was chosen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.core import versions
from components.core.secrets import SecretFile, referenced
from components.environment import EnvironmentSpec
from components.haproxy.backend import Check
from components.kafka.clients import kafka_client
from components.schema_registry import apicurio, confluent
from components.schema_registry.derive import APICURIO_READY, CA, PORT, SECRET, USER, is_encrypted, is_read_only
from components.schema_registry.spec import SchemaRegistrySpec
from components.schema_registry.way import CERTIFICATE, CERTIFICATE_KEY, Way

FOLDER = "/etc/cdc"
SECRETS = "/run/secrets/schema-registry"


@dataclass(frozen=True, slots=True)
class Program:
    """One registry, on any target: ``files`` by their path in the container, ``secrets`` in :data:`SECRETS`. It is ``ready``
    once it has read what it knows. ``encrypted`` says whether what it is asked at its own port is; other ports never are."""

    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    secrets: tuple[SecretFile, ...]
    user: int
    group: int
    live: Check
    ready: Check
    encrypted: bool

    def scheme(self, check: Check) -> str:
        """How ``check`` is asked."""
        return "HTTPS" if self.encrypted and check.port == PORT else "HTTP"


def program(spec: EnvironmentSpec, registry: SchemaRegistrySpec, host: str | None = None) -> Program:
    """``host`` is the name that it listens on; without one it listens on every address of its own network."""
    client = kafka_client(spec.kafka, spec.context, USER)
    way = Way(host, SECRETS, is_encrypted(spec), is_read_only(spec))
    secrets = (*client.secrets, *(_certificates(registry) if way.encrypted else ()))
    if registry.distribution == "confluent":
        return Program(
            image=registry.image or versions.SCHEMA_REGISTRY_CONFLUENT_IMAGE,
            command=confluent.command(FOLDER, way),
            environment=confluent.environment(registry),
            files={f"{FOLDER}/{confluent.PROPERTIES}": confluent.configuration(registry, spec.kafka, client, way)},
            secrets=secrets,
            user=confluent.USER,
            group=confluent.USER,
            live=Check(PORT, "/"),
            ready=Check(PORT, "/subjects"),
            encrypted=way.encrypted,
        )
    return Program(
        image=registry.image or versions.SCHEMA_REGISTRY_APICURIO_IMAGE,
        command=apicurio.command(registry, FOLDER),
        environment={},
        files={f"{FOLDER}/{apicurio.PROPERTIES}": apicurio.configuration(spec.kafka, client, way)},
        secrets=secrets,
        user=apicurio.USER,
        group=0,
        live=Check(APICURIO_READY.port, apicurio.LIVE),
        ready=APICURIO_READY,
        encrypted=way.encrypted,
    )


def _certificates(registry: SchemaRegistrySpec) -> tuple[SecretFile, ...]:
    own = ((registry.tls.certificate, CERTIFICATE), (registry.tls.key, CERTIFICATE_KEY), (registry.tls.ca, CA))
    return tuple(referenced(reference, name, SECRET) for reference, name in own)
