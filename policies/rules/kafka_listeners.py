"""Nobody reads along, and nobody connects unnamed (requirement A17)."""

from collections.abc import Iterator

from components.core.quantities import format_duration
from components.kafka.listeners import CONTROLLER, REPLICATION, listener_name
from components.kafka.spec import ListenerSpec
from policies.model import EVERYWHERE, OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation
from policies.rules.places import origin
from policies.rules.settings import node_settings

_DAY_MS = 86_400_000
LEAST_RENEWAL_DAYS = 14
_PROTOCOLS = {"TLSv1.2", "TLSv1.3"}
_INTERNAL = {CONTROLLER, REPLICATION}


def _encryption(subject: Subject) -> Iterator[Violation]:
    for index, listener in enumerate(subject.spec.kafka.listeners):
        if not listener.tls:
            yield Violation(f"kafka.listeners[{index}].tls", f"listener {listener.name} is plain text")
    written = {
        name(listener) for listener in subject.spec.kafka.listeners if not listener.tls for name in (_plain, listener_name)
    }
    for resource, rendered, encrypted, _ in _rendered(subject):
        if not encrypted and rendered not in written and rendered not in _INTERNAL:
            yield Violation("kafka.listeners", f"listener {rendered} is rendered without TLS", resource)


def _authentication(subject: Subject) -> Iterator[Violation]:
    for index, listener in enumerate(subject.spec.kafka.listeners):
        if listener.authentication == "none":
            yield Violation(f"kafka.listeners[{index}].authentication", f"listener {listener.name} lets anyone in")
    anonymous = [listener for listener in subject.spec.kafka.listeners if listener.authentication == "none"]
    written = {name(listener) for listener in anonymous for name in (_plain, listener_name)}
    for resource, rendered, _, authenticated in _rendered(subject):
        if not authenticated and rendered not in written and rendered not in _INTERNAL:
            yield Violation("kafka.listeners", f"listener {rendered} is rendered without authentication", resource)


def _plain(listener: ListenerSpec) -> str:
    """Strimzi keeps a listener's name as it is written."""
    return listener.name


def _rendered(subject: Subject) -> Iterator[tuple[str, str, bool, bool]]:
    """(object, listener, encrypted, authenticated) of what is applied, so that the rules do not trust the rendering."""
    for kafka in subject.of_kind("Kafka"):
        for listener in kafka.body["spec"]["kafka"]["listeners"]:
            yield kafka.id, listener["name"], listener.get("tls", False), "authentication" in listener
    for node in subject.nodes if subject.spec.target == "docker" else ():
        protocols = dict(entry.split(":") for entry in node.settings["listener.security.protocol.map"].split(","))
        for entry in node.settings["listeners"].split(","):
            rendered = entry.partition("://")[0]
            protocol = protocols[rendered]
            certificate = node.settings.get(f"listener.name.{rendered.lower()}.ssl.client.auth") == "required"
            yield node.resource, rendered, protocol.endswith("SSL"), protocol.startswith("SASL") or certificate


def _exposed(subject: Subject) -> Iterator[Violation]:
    for index, listener in enumerate(subject.spec.kafka.listeners):
        if listener.type not in {"loadbalancer", "nodeport"}:
            continue
        if not listener.tls:
            yield Violation(f"kafka.listeners[{index}].tls", f"{listener.type} listener {listener.name} is plain text")
        if listener.authentication == "none":
            yield Violation(
                f"kafka.listeners[{index}].authentication", f"{listener.type} listener {listener.name} lets anyone in"
            )


def _internal(subject: Subject) -> Iterator[Violation]:
    if not subject.spec.kafka.tls.internal:
        yield Violation("kafka.tls.internal", "brokers and controllers talk to each other in plain text")
        return
    for resource, rendered, encrypted, authenticated in _rendered(subject):
        if rendered in _INTERNAL and not (encrypted and authenticated):
            yield Violation("kafka.tls.internal", f"listener {rendered} is rendered without mutual TLS", resource)


def _protocols(subject: Subject) -> Iterator[Violation]:
    encrypted = subject.spec.kafka.tls.internal or any(listener.tls for listener in subject.spec.kafka.listeners)
    for setting in node_settings(subject, "ssl.enabled.protocols") if encrypted else ():
        protocols = {part.strip() for part in (setting.value or "").split(",") if part.strip()}
        if not protocols or not protocols <= _PROTOCOLS:
            yield Violation("kafka.tls.protocols", f"ssl.enabled.protocols {setting.said}", setting.resource)


def _renewal(subject: Subject) -> Iterator[Violation]:
    before = subject.spec.kafka.tls.renew_before
    if before < LEAST_RENEWAL_DAYS * _DAY_MS:
        yield Violation("kafka.tls.renewBefore", f"certificates are renewed {format_duration(before)} before they end")
        return
    for kafka in subject.of_kind("Kafka"):
        for authority in ("clusterCa", "clientsCa"):
            days = (kafka.body["spec"].get(authority) or {}).get("renewalDays", 0)
            if days < LEAST_RENEWAL_DAYS:
                yield Violation("kafka.tls.renewBefore", f"{authority} is renewed {days} days before it ends", kafka.id)


def _authority_kept(subject: Subject) -> Iterator[Violation]:
    for kafka in subject.of_kind("Kafka"):
        for authority in ("clusterCa", "clientsCa"):
            if (kafka.body["spec"].get(authority) or {}).get("generateSecretOwnerReference", True):
                yield Violation(origin(subject, kafka), f"the secrets of {authority} go with the Kafka object", kafka.id)


def _network(subject: Subject) -> Iterator[Violation]:
    for kafka in subject.of_kind("Kafka"):
        for index, listener in enumerate(kafka.body["spec"]["kafka"]["listeners"]):
            peers = listener.get("networkPolicyPeers") or []
            anyone = any(not peer or not any(peer.values()) for peer in peers)
            if listener["type"] == "internal" and (not peers or anyone):
                yield Violation(
                    f"kafka.listeners[{index}]", f"listener {listener['name']} can be reached from every pod", kafka.id
                )


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "kafka-listener-encryption",
        "Every listener is encrypted",
        "Records, and with PLAIN passwords too, can be read by whoever sits on the path.",
        "Set the listener's tls to true.",
        "Requirement A17; Apache Kafka documentation, security",
        OUTSIDE_DEVELOPMENT,
        _encryption,
    ),
    Rule(
        "kafka-listener-authentication",
        "Every listener asks who is there",
        "An unnamed client has no ACL and no quota of its own: it is anybody.",
        "Set the listener's authentication to scram-sha-512 or tls.",
        "Requirements A17 and A18; Apache Kafka documentation, security",
        OUTSIDE_DEVELOPMENT,
        _authentication,
    ),
    Rule(
        "kafka-exposed-listener",
        "A listener that can be reached from outside is encrypted and authenticated, in every tier",
        "A load balancer or node port is open to a whole network, whatever the environment is for.",
        "Set tls to true and authentication to scram-sha-512 or tls, or make the listener internal.",
        "Requirement A17; Strimzi documentation, external listeners",
        EVERYWHERE,
        _exposed,
    ),
    Rule(
        "kafka-internal-encryption",
        "Brokers and controllers talk to each other through mutual TLS",
        "Replication carries every record, and the controller's port accepts whoever claims to be a broker.",
        "Leave kafka.tls.internal on.",
        "Requirement A17; Apache Kafka documentation, security.inter.broker.protocol",
        OUTSIDE_DEVELOPMENT,
        _internal,
    ),
    Rule(
        "kafka-tls-version",
        "Only TLS 1.2 and 1.3 are accepted, and the broker says so",
        "Older versions are broken; a broker that names none accepts whatever its Java does.",
        "Leave kafka.tls.protocols at TLSv1.3, or add TLSv1.2 for old clients.",
        "RFC 8996; Apache Kafka documentation, ssl.enabled.protocols",
        EVERYWHERE,
        _protocols,
    ),
    Rule(
        "kafka-certificate-renewal",
        f"Certificates are renewed at least {LEAST_RENEWAL_DAYS} days before they end",
        "Renewal restarts every broker, and may wait for a maintenance window or for somebody to mend it.",
        f"Set kafka.tls.renewBefore to {LEAST_RENEWAL_DAYS}d or more.",
        "Strimzi documentation, renewalDays (its default is 30)",
        OUTSIDE_DEVELOPMENT,
        _renewal,
    ),
    Rule(
        "kafka-authority-kept",
        "The certificate authorities outlive the Kafka object",
        "With them go the trust of every client and every user's certificate: a restored cluster would be a stranger.",
        "Leave generateSecretOwnerReference to the platform, which turns it off.",
        "Strimzi documentation, generateSecretOwnerReference",
        OUTSIDE_DEVELOPMENT,
        _authority_kept,
    ),
    Rule(
        "kafka-listener-network",
        "Who may reach a listener is listed",
        "Strimzi allows every pod in the cluster where a listener names no peers.",
        "Give the tenant its namespaces, and label the platform's own clients.",
        "Strimzi documentation, networkPolicyPeers",
        SHARED,
        _network,
    ),
)
