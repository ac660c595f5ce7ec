"""Confluent's Schema Registry: its configuration and how it starts. Pure."""

from components.core import properties_text
from components.core.properties_text import Scalar
from components.kafka.clients import KafkaClient, providers
from components.kafka.spec import KafkaSpec
from components.schema_registry.derive import CA, CONFLUENT, GROUP, PORT
from components.schema_registry.spec import SchemaRegistrySpec
from components.schema_registry.way import CERTIFICATE, CERTIFICATE_KEY, Way

PROPERTIES = "schema-registry.properties"
START = "schema-registry-start"
ADDRESS_VARIABLE = "POD_IP"
KEYSTORE = "/tmp/keystore.pem"  # noqa: S108 - the container's own, in memory
USER = 1000
"""``appuser`` of Confluent's images."""

_ENVIRONMENT: dict[str, Scalar] = {
    "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    "config.providers.env.param.allowlist.pattern": ADDRESS_VARIABLE,
}


def configuration(spec: SchemaRegistrySpec, kafka: KafkaSpec, client: KafkaClient, way: Way) -> str:
    """``schema-registry.properties``. Where it listens everywhere, the other registries know it by its address.

    A registry of a standby is never the leader, and without one nothing is registered; it writes a record that means nothing to
    its topic all the same when it starts, to find its end (``KafkaStore.getLatestOffset``).
    """
    [topic] = CONFLUENT.topics
    store: dict[str, Scalar] = {f"kafkastore.{key}": value for key, value in client.properties(way.secrets).items()}
    store |= {
        "kafkastore.topic": topic,
        "kafkastore.topic.replication.factor": kafka.default_replicas,
        "kafkastore.group.id": f"{GROUP}-store",
        "kafkastore.timeout.ms": 10_000,
    }
    if client.tls:
        store["kafkastore.ssl.endpoint.identification.algorithm"] = "https"
    registry: dict[str, Scalar] = {
        "listeners": f"{way.scheme}://{way.address}:{PORT}",
        "host.name": way.host or f"${{env:{ADDRESS_VARIABLE}}}",
        "inter.instance.protocol": way.scheme,
        "leader.eligibility": not way.read_only,
        "schema.registry.group.id": GROUP,
        "schema.compatibility.level": spec.compatibility.lower(),
        **(_encryption(way) if way.encrypted else {}),
    }
    return properties_text.dump(
        {"Kafka": store, "Registry": registry, "Where secrets and addresses come from": _providers(client)}
    )


def _providers(client: KafkaClient) -> dict[str, Scalar]:
    found = providers(client.rotated)
    return {**found, "config.providers": f"{found['config.providers']},env", **_ENVIRONMENT}


def _encryption(way: Way) -> dict[str, Scalar]:
    """Its own certificate, and the CA by which it knows the leader. On Kubernetes registries know each other by addresses,
    which no certificate names, so that names are not compared there; what is said of names here would hold for its clients of
    Kafka too, were it not said of them by itself (``addSchemaRegistryConfigsToClientProperties``).

    Clients' ``Host`` is HAProxy's name, and that of probes an address: Jetty would refuse both as no name of the certificate.
    """
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": KEYSTORE,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": f"{way.secrets}/{CA}",
        "ssl.endpoint.identification.algorithm": "" if way.host is None else "https",
        "sni.host.check.enabled": False,
    }


def environment(spec: SchemaRegistrySpec) -> dict[str, str]:
    """What its start script reads. Its log goes to the container's, and its garbage collector keeps none."""
    heap = f"{spec.heap_bytes >> 20}m"
    return {
        "EXTRA_ARGS": "-name schemaRegistry",
        "LOG_DIR": "/tmp/logs",  # noqa: S108 - the container's own
        "SCHEMA_REGISTRY_HEAP_OPTS": f"-Xms{heap} -Xmx{heap}",
    }


def command(folder: str, way: Way) -> tuple[str, ...]:
    """Becomes the registry; its files are in ``folder``. It wants key and chain in one file, which is made in memory; it is
    started anew for a renewed one."""
    start = (START, f"{folder}/{PROPERTIES}")
    if not way.encrypted:
        return start
    files = f"{way.secrets}/{CERTIFICATE_KEY} {way.secrets}/{CERTIFICATE}"
    return ("sh", "-c", f"umask 077 && cat {files} > {KEYSTORE} && exec {' '.join(start)}")
