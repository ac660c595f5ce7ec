"""Who a node listens to, and how each side proves who it is: the listener sections of ``server.properties``. Pure."""

from components.core.context import Context
from components.core.model import Scalar
from components.kafka.logins import FIRST, MECHANISMS
from components.kafka.nodes import CONTROLLER_PORT, Node
from components.kafka.spec import KafkaSpec, ListenerSpec

Section = dict[str, Scalar]

REPLICATION_PORT = 9091
REPLICATION = f"REPLICATION-{REPLICATION_PORT}"
CONTROLLER = f"CONTROLLER-{CONTROLLER_PORT}"
"""Names carry the port (Strimzi's habit): the ports of client listeners begin at 9092, so no client's name is one of these."""

SECRETS = "/run/secrets/kafka"
KEYSTORE_FILE, CLUSTER_CA_FILE, CLIENTS_CA_FILE = "keystore.pem", "cluster-ca.pem", "clients-ca.pem"
KEYSTORE = f"{SECRETS}/{KEYSTORE_FILE}"
"""The node's private key, then its certificate chain. Its certificate's CN, and one of its names, is the node's name."""
CLUSTER_CA = f"{SECRETS}/{CLUSTER_CA_FILE}"
"""What signs nodes' certificates: whoever holds one of those is a super user."""
CLIENTS_CA = f"{SECRETS}/{CLIENTS_CA_FILE}"
"""What signs clients' certificates; apart from the other, so that issuing one to a client never makes it a node."""

NODE_PRINCIPAL = "node:"
"""Begins the principals of nodes. No user can have such a name, neither by certificate nor by password."""

_COMMON_NAME = "^CN=([a-zA-Z0-9._-]+)(,.*)?$"
_SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PROTOCOLS = {
    (False, False): "PLAINTEXT",
    (True, False): "SSL",
    (False, True): "SASL_PLAINTEXT",
    (True, True): "SASL_SSL",
}
"""Kafka's security protocol by (encrypted, with a password)."""


def listener_name(listener: ListenerSpec) -> str:
    """A client listener's name in Kafka: ``clients`` on port 9093 → ``CLIENTS-9093``."""
    return f"{listener.name.upper()}-{listener.port}"


def published_port(listener: ListenerSpec, node: Node) -> int:
    """The port of 127.0.0.1 through which a ``host`` listener of one node is reached from the machine itself."""
    return listener.port + node.id


def needs_certificate(kafka: KafkaSpec, node: Node) -> bool:
    """Whether a node encrypts anything."""
    return kafka.tls.internal or (node.is_broker and any(listener.tls for listener in kafka.listeners))


def listeners(kafka: KafkaSpec, node: Node) -> Section:
    """Where a node listens, what it tells others, and the protocol of each. It binds to its own name's address only."""
    names = _own_listeners(kafka, node)
    section: Section = {"listeners": ",".join(f"{name}://{node.name}:{port}" for name, port, _ in names)}
    if node.is_broker:
        section["advertised.listeners"] = ",".join(
            [f"{REPLICATION}://{node.name}:{REPLICATION_PORT}", *(_advertised(entry, node) for entry in kafka.listeners)]
        )
        section["inter.broker.listener.name"] = REPLICATION
    section["controller.listener.names"] = CONTROLLER
    protocols = {CONTROLLER: _internal_protocol(kafka), **{name: protocol for name, _, protocol in names}}
    section["listener.security.protocol.map"] = ",".join(f"{name}:{protocol}" for name, protocol in protocols.items())
    return section


def _own_listeners(kafka: KafkaSpec, node: Node) -> list[tuple[str, int, str]]:
    """(name, port, protocol) of what a node listens on."""
    internal = _internal_protocol(kafka)
    found = [(CONTROLLER, CONTROLLER_PORT, internal)] if node.is_controller else []
    if node.is_broker:
        found.append((REPLICATION, REPLICATION_PORT, internal))
        found += [(listener_name(entry), entry.port, _protocol(entry)) for entry in kafka.listeners]
    return found


def _internal_protocol(kafka: KafkaSpec) -> str:
    return _PROTOCOLS[kafka.tls.internal, False]


def _protocol(listener: ListenerSpec) -> str:
    return _PROTOCOLS[listener.tls, listener.authentication == "scram-sha-512"]


def _advertised(listener: ListenerSpec, node: Node) -> str:
    address = f"127.0.0.1:{published_port(listener, node)}" if listener.type == "host" else f"{node.name}:{listener.port}"
    return f"{listener_name(listener)}://{address}"


def tls(kafka: KafkaSpec, node: Node) -> Section:
    """Keys and certificates as PEM files: they need no passwords, so that none has to stand here."""
    if not needs_certificate(kafka, node):
        return {}
    section = _stores(kafka)
    section["ssl.enabled.protocols"] = ",".join(kafka.tls.protocols)
    return section


def _stores(kafka: KafkaSpec) -> Section:
    section: Section = {"ssl.keystore.type": "PEM", "ssl.keystore.location": KEYSTORE}
    if kafka.tls.internal:
        section |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": CLUSTER_CA}
    return section


def internal_client(kafka: KafkaSpec) -> Section:
    """How a node is a client of its own cluster's brokers, on the replication listener."""
    return {"security.protocol": _internal_protocol(kafka), **(_stores(kafka) if kafka.tls.internal else {})}


def internal_authentication(kafka: KafkaSpec, node: Node) -> Section:
    """Between nodes: both sides show a certificate of the cluster, and anyone whose name is no node's is refused."""
    if not kafka.tls.internal:
        return {}
    section: Section = {}
    for held, name in ((node.is_controller, CONTROLLER), (node.is_broker, REPLICATION)):
        if held:
            section[own_key(name, "ssl.client.auth")] = "required"
            section[own_key(name, "ssl.principal.mapping.rules")] = f"RULE:{_COMMON_NAME}/{NODE_PRINCIPAL}$1/"
    return section


def client_authentication(kafka: KafkaSpec, node: Node, context: Context) -> Section:
    """How clients prove who they are, listener by listener."""
    section: Section = {}
    for listener in kafka.listeners if node.is_broker else ():
        name = listener_name(listener)
        if listener.authentication == "tls":
            section[own_key(name, "ssl.client.auth")] = "required"
            section[own_key(name, "ssl.principal.mapping.rules")] = f"RULE:{_COMMON_NAME}/$1/"
            section[own_key(name, "ssl.truststore.location")] = CLIENTS_CA
        elif listener.authentication == "scram-sha-512":
            mechanisms = MECHANISMS if context.rotates_logins else (FIRST,)
            section[own_key(name, "sasl.enabled.mechanisms")] = ",".join(mechanisms)
            for mechanism in mechanisms:
                section[own_key(name, f"{mechanism.lower()}.sasl.jaas.config")] = _SCRAM_LOGIN
    return section


def own_key(listener: str, setting: str) -> str:
    """A setting of one listener alone; Kafka wants the listener's name in lower case there."""
    return f"listener.name.{listener.lower()}.{setting}"
