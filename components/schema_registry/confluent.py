"""Confluent's Schema Registry: its configuration and how it starts. Pure."""

from components.core import properties_text
from components.core.properties_text import Scalar
from components.kafka.clients import KafkaClient
from components.kafka.spec import KafkaSpec
from components.schema_registry.derive import CONFLUENT, GROUP, PORT
from components.schema_registry.spec import SchemaRegistrySpec

PROPERTIES = "schema-registry.properties"
START = "schema-registry-start"
ADDRESS_VARIABLE = "POD_IP"
USER = 1000
"""``appuser`` of Confluent's images."""

_PROVIDERS: dict[str, Scalar] = {
    "config.providers": "directory,env",
    "config.providers.directory.class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
    "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    "config.providers.env.param.allowlist.pattern": ADDRESS_VARIABLE,
}


def configuration(spec: SchemaRegistrySpec, kafka: KafkaSpec, client: KafkaClient, host: str | None, secrets: str) -> str:
    """``schema-registry.properties``. ``host`` is the name it listens on and is known by to the other registries; without one
    it listens everywhere, and they know it by its address. ``secrets`` is its folder of them."""
    [topic] = CONFLUENT.topics
    store: dict[str, Scalar] = {f"kafkastore.{key}": value for key, value in client.properties(secrets).items()}
    store |= {
        "kafkastore.topic": topic,
        "kafkastore.topic.replication.factor": kafka.default_replicas,
        "kafkastore.group.id": f"{GROUP}-store",
        "kafkastore.timeout.ms": 10_000,
    }
    registry: dict[str, Scalar] = {
        "listeners": f"http://{host or '0.0.0.0'}:{PORT}",  # noqa: S104 - a container's own network
        "host.name": host or f"${{env:{ADDRESS_VARIABLE}}}",
        "inter.instance.protocol": "http",
        "leader.eligibility": True,
        "schema.registry.group.id": GROUP,
        "schema.compatibility.level": spec.compatibility.lower(),
    }
    return properties_text.dump({"Kafka": store, "Registry": registry, "Where secrets and addresses come from": _PROVIDERS})


def environment(spec: SchemaRegistrySpec) -> dict[str, str]:
    """What its start script reads. Its log goes to the container's, and its garbage collector keeps none."""
    heap = f"{spec.heap_bytes >> 20}m"
    return {
        "EXTRA_ARGS": "-name schemaRegistry",
        "LOG_DIR": "/tmp/logs",  # noqa: S108 - the container's own
        "SCHEMA_REGISTRY_HEAP_OPTS": f"-Xms{heap} -Xmx{heap}",
    }


def command(folder: str) -> tuple[str, ...]:
    """Becomes the registry; its files are in ``folder``."""
    return (START, f"{folder}/{PROPERTIES}")
