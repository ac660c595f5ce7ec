"""Kafka Connect, blue and green (requirements A1, A4, A9)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.connect.connectors import connectors
from components.connect.names import COLOURS, cluster_name, storage_topics
from policies.model import ADVICE, EVERYWHERE, OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation, properties

_SECRET_KEYS = ("password", "jaas.config", "user.info", "secret", "token")
_RESOLVED = "${"


@dataclass(frozen=True, slots=True)
class _Cluster:
    """One Connect cluster as it is rendered: its group, and its three topics by Connect's words for them."""

    resource: str
    group: str
    topics: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Rendered:
    """One connector as it is rendered; ``cluster`` is the group of the cluster that it is for, ``restarts`` the bound of the
    operator's, ``None`` for none."""

    resource: str
    cluster: str
    config: Mapping[str, str]
    restarts: int | None


def _clusters(subject: Subject) -> Iterator[_Cluster]:
    """One for each cluster on Kubernetes, one for each worker on docker."""
    for manifest in subject.of_kind("KafkaConnect"):
        spec = manifest.body["spec"]
        topics = {kind: spec.get(f"{kind}StorageTopic", "") for kind in ("config", "offset", "status")}
        yield _Cluster(manifest.id, spec.get("groupId", ""), topics)
    for workload in subject.rendered.workloads:
        for path, body in workload.files.items():
            if path.endswith("/connect.properties"):
                settings = properties(body)
                topics = {kind: settings.get(f"{kind}.storage.topic", "") for kind in ("config", "offset", "status")}
                yield _Cluster(workload.id, settings.get("group.id", ""), topics)


def _connectors(subject: Subject) -> Iterator[_Rendered]:
    for manifest in subject.of_kind("KafkaConnector"):
        spec = manifest.body["spec"]
        restart = spec.get("autoRestart", {})
        bound = 0 if not restart.get("enabled") else restart.get("maxRestarts")
        config = {"connector.class": spec["class"], **spec["config"]}
        yield _Rendered(manifest.id, manifest.body["metadata"]["labels"]["strimzi.io/cluster"], config, bound)
    connect = subject.spec.connect
    for path, text in subject.rendered.files.items():
        if path.startswith("connect/connectors/") and path.endswith(".json") and connect is not None:
            colour = path.split("/")[2]
            group = next((cluster_name(subject.spec.kafka, known) for known in COLOURS if known == colour), colour)
            yield _Rendered(path, group, json.loads(text), connect.max_restarts)


def _apart(subject: Subject) -> Iterator[Violation]:
    """Workers of one group share their topics; nobody else does."""
    groups: dict[str, str] = {}
    topics: dict[str, str] = {}
    for cluster in _clusters(subject):
        for kind, topic in cluster.topics.items():
            owner = topics.setdefault(topic, cluster.group)
            if owner != cluster.group:
                yield Violation("connect", f"keeps its {kind}s in {topic}, as {owner} does", cluster.resource)
        if subject.spec.target == "kubernetes":
            other = groups.setdefault(cluster.group, cluster.resource)
            if other != cluster.resource:
                yield Violation("connect", f"has the group {cluster.group} of {other}", cluster.resource)
    if groups or topics:
        wanted = {cluster_name(subject.spec.kafka, colour) for colour in COLOURS}
        missing = wanted - {cluster.group for cluster in _clusters(subject)}
        if missing:
            yield Violation("connect", f"there is no cluster {', '.join(sorted(missing))}")


def _internal_topics(subject: Subject) -> Iterator[Violation]:
    """What the cluster's own default brings is told once, by the rule about that."""
    if subject.spec.connect is None:
        return
    topics = {topic.name: topic for topic in subject.state.topics}
    least = min(3, subject.spec.kafka.default_replicas)
    for colour in COLOURS:
        for kind, name in storage_topics(subject.spec.kafka, colour).items():
            topic = topics.get(name)
            if topic is None:
                yield Violation("connect", f"topic {name} is not declared: Connect would make it, or not start")
                continue
            wrong = []
            if topic.replicas < least:
                wrong.append(f"has {topic.replicas} replicas")
            if topic.config["cleanup.policy"] != "compact":
                wrong.append(f"has cleanup {topic.config['cleanup.policy']}")
            if kind == "config" and topic.partitions != 1:
                wrong.append(f"has {topic.partitions} partitions")
            if wrong:
                yield Violation("connect", f"{name} {' and '.join(wrong)}", subject.topic_resource(topic))


def _server_ids(subject: Subject) -> Iterator[Violation]:
    """Of both colours, whichever is rendered; and of what is rendered."""
    derived = [
        _Named(f"{one.name} on {colour}", one.config, "connect.serverIds")
        for colour in COLOURS
        for one in connectors(subject.spec, colour)
    ]
    yield from _shared_ids(derived)
    yield from _shared_ids([_Named(one.resource, one.config, "connect", one.resource) for one in _connectors(subject)])


@dataclass(frozen=True, slots=True)
class _Named:
    """A connector's configuration, and what a finding about it says."""

    name: str
    config: Mapping[str, str]
    path: str
    resource: str | None = None


def _shared_ids(found: list[_Named]) -> Iterator[Violation]:
    taken: dict[str, str] = {}
    for one in found:
        number = one.config.get("database.server.id")
        if number is not None and taken.setdefault(number, one.name) != one.name:
            yield Violation(one.path, f"{one.name} has the replication id {number} of {taken[number]}", one.resource)


def _one_colour(subject: Subject) -> Iterator[Violation]:
    if subject.spec.connect is None:
        return
    active = cluster_name(subject.spec.kafka, subject.spec.connect.active)
    for connector in _connectors(subject):
        if connector.cluster != active:
            yield Violation("connect.active", f"is for {connector.cluster}, and {active} is active", connector.resource)


def _restarts(subject: Subject) -> Iterator[Violation]:
    for connector in _connectors(subject):
        if connector.restarts is None:
            yield Violation("connect.maxRestarts", "is started again without end", connector.resource)


def _dead_letters(subject: Subject) -> Iterator[Violation]:
    for connector in _connectors(subject):
        if "Sink" not in connector.config["connector.class"]:
            continue
        if connector.config.get("errors.tolerance") != "all" or not connector.config.get("errors.deadletterqueue.topic.name"):
            yield Violation("connect", "has no dead letter queue", connector.resource)
        elif connector.config.get("errors.deadletterqueue.context.headers.enable") != "true":
            yield Violation("connect", "does not say in its dead letters why they are dead", connector.resource)


def _sources_tolerate_nothing(subject: Subject) -> Iterator[Violation]:
    for connector in _connectors(subject):
        if "Sink" not in connector.config["connector.class"] and connector.config.get("errors.tolerance", "none") != "none":
            yield Violation("connect", "passes over what it cannot convert, and nobody is told", connector.resource)


def _exactly_once(subject: Subject) -> Iterator[Violation]:
    for connector in _connectors(subject):
        if "Sink" not in connector.config["connector.class"] and connector.config.get("exactly.once.support") != "required":
            yield Violation("connect", "may write a change twice", connector.resource)


def _credentials(subject: Subject) -> Iterator[Violation]:
    for connector in _connectors(subject):
        for key, value in connector.config.items():
            if key.endswith(_SECRET_KEYS) and _RESOLVED not in str(value):
                yield Violation("connect", f"{key} is no reference of a config provider", connector.resource)


def _lineage(subject: Subject) -> Iterator[Violation]:
    if subject.spec.connect is not None and subject.spec.connect.lineage == "none":
        yield Violation("connect.lineage", "no record says where it comes from")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "connect-colours-apart",
        "Blue and green share neither group nor topics",
        "Workers of one group are one cluster: what runs on the one would be moved to the other by itself, and run twice.",
        "Leave the names of groups and topics to the platform.",
        "Requirement A9; Apache Kafka documentation, Kafka Connect, group.id",
        EVERYWHERE,
        _apart,
    ),
    Rule(
        "connect-internal-topics",
        "Connect's own topics have three replicas and are compacted",
        "They hold every connector's configuration and position; a connector without its position begins with a new snapshot.",
        "Raise kafka.topicDefaults.replicas to 3, and leave these topics to the platform.",
        "Requirement A2; Apache Kafka documentation, Kafka Connect, config.storage.topic",
        SHARED,
        _internal_topics,
    ),
    Rule(
        "connect-server-ids",
        "No two connectors have one replication id",
        "A database that is asked twice with one id hangs up on the first, again and again.",
        "Give one of them another id in connect.serverIds.",
        "Debezium documentation, database.server.id",
        EVERYWHERE,
        _server_ids,
    ),
    Rule(
        "connect-one-colour",
        "Connectors are on the active colour alone",
        "On both, each change would be written twice.",
        "Leave connectors to the platform, and move them with cdc connect switch.",
        "Requirement A9",
        EVERYWHERE,
        _one_colour,
    ),
    Rule(
        "connect-restarts-bounded",
        "A failed connector is not started again for ever",
        "One that fails over and over loads its source with snapshots and lock requests, and looks alive in every dashboard.",
        "Set connect.maxRestarts.",
        "Strimzi documentation, autoRestart.maxRestarts",
        OUTSIDE_DEVELOPMENT,
        _restarts,
    ),
    Rule(
        "connect-sink-dlq",
        "Every sink connector has a dead letter queue with reasons",
        "One bad record stops the sink, or is lost without a trace.",
        "Leave errors.* of sinks to the platform.",
        "Requirement A4; Apache Kafka documentation, errors.deadletterqueue.topic.name",
        EVERYWHERE,
        _dead_letters,
    ),
    Rule(
        "connect-source-errors",
        "A source connector passes over nothing",
        "Connect has no dead letter queue for sources: what one tolerates is a change that is lost.",
        "Leave errors.tolerance of sources to the platform.",
        "Apache Kafka documentation, errors.tolerance; KIP-298",
        EVERYWHERE,
        _sources_tolerate_nothing,
    ),
    Rule(
        "connect-exactly-once",
        "A source connector writes each change once",
        "A worker that dies writes its last changes again otherwise, and a switch of colours would repeat them.",
        "Leave exactly.once.support of sources to the platform.",
        "Requirement A9; KIP-618",
        SHARED,
        _exactly_once,
    ),
    Rule(
        "connect-credentials",
        "Credentials of connectors come from a config provider",
        "Connect keeps configurations in a topic and shows them to whoever asks.",
        "Write references, such as ${directory:<folder>:<file>}.",
        "Requirement A19; KIP-297",
        EVERYWHERE,
        _credentials,
    ),
    Rule(
        "connect-lineage",
        "Every change says where it comes from",
        "A wrong value in the target cannot be followed back to its source without it.",
        "Set connect.lineage to header, or field where headers are lost on the way.",
        "Requirement A10",
        ADVICE,
        _lineage,
    ),
)
