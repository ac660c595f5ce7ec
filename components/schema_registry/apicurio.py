"""Apicurio's registry on Kafka storage: its configuration and how it starts. Pure."""

from components.core import properties_text
from components.core.properties_text import Scalar
from components.kafka.clients import KafkaClient, providers
from components.kafka.spec import KafkaSpec
from components.schema_registry.derive import APICURIO, GROUP, PORT
from components.schema_registry.derive import APICURIO_READY as READY
from components.schema_registry.spec import SchemaRegistrySpec
from components.schema_registry.way import CERTIFICATE, CERTIFICATE_KEY, Way

PROPERTIES = "application.properties"
LIVE = "/health/live"
USER = 1001
"""What the project's image runs as; its files belong to group 0."""

_LOG_MANAGER = "-Djava.util.logging.manager=org.jboss.logmanager.LogManager"
_DEPLOYED = "/deployments/quarkus-run.jar"


def configuration(kafka: KafkaSpec, client: KafkaClient, way: Way) -> str:
    """``application.properties`` over the image's own.

    It takes whatever ``apicurio.kafka.common`` has for its clients of Kafka, config providers included. Only where any client's
    first use makes a topic does it make its own. What the spec says nobody changes through the registry's interface.
    """
    journal, snapshots, events = APICURIO.topics
    common = {**client.properties(way.secrets), **(providers(client.rotated) if client.with_password else {})}
    clients: dict[str, Scalar] = {f"apicurio.kafka.common.{key}": _literally(value) for key, value in common.items()}
    return properties_text.dump(
        {
            "Kafka": {"apicurio.kafkasql.bootstrap.servers": client.bootstrap, **clients},
            "Storage": {
                "apicurio.storage.kind": "kafkasql",
                "apicurio.storage.read-only.enabled": way.read_only,
                "apicurio.config.dynamic.allow-all": False,
                "apicurio.kafkasql.topic": journal,
                "apicurio.kafkasql.snapshots.topic": snapshots,
                "apicurio.events.kafka.topic": events,
                "apicurio.kafkasql.topic.auto-create": kafka.auto_create_topics,
                "apicurio.kafkasql.consumer.group-prefix": f"{GROUP}-",
            },
            "HTTP": {
                "quarkus.http.host": way.address,
                **_listener(way),
                "quarkus.management.host": way.address,
                "quarkus.management.port": READY.port,
                "quarkus.http.access-log.enabled": False,
            },
        }
    )


def _listener(way: Way) -> dict[str, Scalar]:
    """A renewed certificate is read within the hour."""
    if not way.encrypted:
        return {"quarkus.http.port": PORT}
    return {
        "quarkus.http.insecure-requests": "disabled",
        "quarkus.http.ssl-port": PORT,
        "quarkus.http.ssl.certificate.files": f"{way.secrets}/{CERTIFICATE}",
        "quarkus.http.ssl.certificate.key-files": f"{way.secrets}/{CERTIFICATE_KEY}",
        "quarkus.http.ssl.certificate.reload-period": "1h",
    }


def _literally(value: str) -> str:
    """SmallRye Config puts something in the place of ``${…}`` unless a backslash stands before it."""
    return value.replace("${", "\\${")


def command(spec: SchemaRegistrySpec, folder: str) -> tuple[str, ...]:
    """Becomes the registry; its files are in ``folder``."""
    heap = f"{spec.heap_bytes >> 20}m"
    options = (f"-Xms{heap}", f"-Xmx{heap}", "-XX:+ExitOnOutOfMemoryError", _LOG_MANAGER)
    return ("java", *options, f"-Dsmallrye.config.locations={folder}/{PROPERTIES}", "-jar", _DEPLOYED)
