"""Writes survive the loss of a broker (requirements A2 and B2)."""

from collections.abc import Iterator

from components.core.paths import format_step
from components.kafka.state import Topic
from policies.model import EVERYWHERE, OUTSIDE_DEVELOPMENT, PRODUCTION, Rule, Subject, Violation
from policies.rules.places import topic_setting
from policies.rules.settings import broker_settings, node_settings, setting_path, whole_number

LEAST_REPLICAS = 3
LEAST_IN_SYNC = 2
LEAST_CONTROLLERS = 3
_INTERNAL_TOPICS = (
    ("offsets.topic.replication.factor", None),
    ("transaction.state.log.replication.factor", "transaction.state.log.min.isr"),
    ("share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"),
)
"""Replication factor and min ISR of Kafka's own topics; the offsets topic takes the broker's ``min.insync.replicas``."""
_DEFAULT_FACTOR = "default.replication.factor"


def _min_isr(topic: Topic) -> int | None:
    value = topic.config.get("min.insync.replicas")
    return None if value is None else int(value)


def _replication_factor(subject: Subject) -> Iterator[Violation]:
    """A topic that takes a bad default is named by the default alone: one finding, not ten thousand."""
    kafka = subject.spec.kafka
    default = kafka.default_replicas
    if default < LEAST_REPLICAS:
        takers = sum(topic.replicas == default for topic in subject.state.topics)
        path = "kafka.brokers.replicas" if kafka.topic_defaults.replicas is None else "kafka.topicDefaults.replicas"
        yield Violation(path, f"topics have {default} replica(s) by default; {takers} take that")
    for topic in subject.state.topics:
        if topic.replicas < LEAST_REPLICAS and topic.replicas != default:
            yield Violation(
                topic_setting(subject, topic, "replicas"),
                f"topic {topic.name} has {topic.replicas} replica(s)",
                subject.topic_resource(topic),
            )


def _internal_topics(subject: Subject) -> Iterator[Violation]:
    """Controllers fill in what the creator of a topic leaves out; brokers create Kafka's own topics."""
    default = list(node_settings(subject, _DEFAULT_FACTOR))
    said = [setting for setting in default if setting.value is not None]
    judged = [(_DEFAULT_FACTOR, said or default)]
    judged += [(key, list(broker_settings(subject, key))) for key, _ in _INTERNAL_TOPICS]
    for key, settings in judged:
        for setting in settings:
            factor = whole_number(setting.value)
            if factor is None or factor < LEAST_REPLICAS:
                yield Violation(setting_path(key), f"{key} {setting.said}", setting.resource)


def _internal_min_isr(subject: Subject) -> Iterator[Violation]:
    for factor_key, key in _INTERNAL_TOPICS:
        if key is None:
            continue
        factors = [whole_number(setting.value) for setting in broker_settings(subject, factor_key)]
        least_factor = min((factor for factor in factors if factor is not None), default=0)
        for setting in broker_settings(subject, key):
            min_isr = whole_number(setting.value)
            if min_isr is None or not LEAST_IN_SYNC <= min_isr < least_factor:
                yield Violation(setting_path(key), f"{key} {setting.said}, of {least_factor} replicas", setting.resource)


def _min_in_sync(subject: Subject) -> Iterator[Violation]:
    kafka = subject.spec.kafka
    default = (kafka.default_replicas, kafka.default_min_in_sync_replicas)
    if not LEAST_IN_SYNC <= default[1] < default[0]:
        yield Violation("kafka.topicDefaults.minInSyncReplicas", f"{default[1]} of {default[0]} replicas by default")
    for topic in subject.state.topics:
        min_isr = _min_isr(topic)
        if min_isr is not None and not LEAST_IN_SYNC <= min_isr < topic.replicas and (topic.replicas, min_isr) != default:
            yield Violation(
                topic_setting(subject, topic, "min_in_sync_replicas"),
                f"topic {topic.name} needs {min_isr} of {topic.replicas} replicas in sync",
                subject.topic_resource(topic),
            )


def _min_isr_explicit(subject: Subject) -> Iterator[Violation]:
    for topic in subject.state.topics:
        if _min_isr(topic) is None:
            yield Violation(
                topic_setting(subject, topic, "min_in_sync_replicas"),
                f"topic {topic.name} does not say min.insync.replicas",
                subject.topic_resource(topic),
            )


def _unclean_election(subject: Subject) -> Iterator[Violation]:
    key = "unclean.leader.election.enable"
    for setting in node_settings(subject, key):
        if setting.value == "true":
            yield Violation(setting_path(key), f"{key} {setting.said}", setting.resource)
    for topic in subject.state.topics:
        if str(topic.config.get(key, False)).lower() == "true":
            yield Violation(
                f"{topic.origin}.config{format_step(key)}", f"topic {topic.name} allows it", subject.topic_resource(topic)
            )


def _quorum(subject: Subject) -> Iterator[Violation]:
    controllers = subject.spec.kafka.controllers.replicas
    if controllers == 0:
        yield Violation("kafka.controllers.replicas", "the brokers are the controllers too")
    elif controllers < LEAST_CONTROLLERS or controllers % 2 == 0:
        yield Violation("kafka.controllers.replicas", f"{controllers} controller(s)")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "kafka-replication-factor",
        "Every topic has at least three replicas",
        "With fewer, the loss of one broker during another's maintenance loses acknowledged records or stops writes.",
        "Set kafka.topicDefaults.replicas, or the topic's own replicas, to 3, with at least 3 brokers.",
        "Requirement A2; Apache Kafka documentation, default.replication.factor",
        OUTSIDE_DEVELOPMENT,
        _replication_factor,
    ),
    Rule(
        "kafka-internal-replication-factor",
        "Kafka's own topics have at least three replicas",
        "Consumer offsets, transactions and share-group state lost with one broker cannot be made again.",
        "Set kafka.topicDefaults.replicas to 3, with at least 3 brokers.",
        "Requirement A2; Apache Kafka documentation, offsets.topic.replication.factor, "
        "transaction.state.log.replication.factor, share.coordinator.state.topic.replication.factor (KIP-932)",
        OUTSIDE_DEVELOPMENT,
        _internal_topics,
    ),
    Rule(
        "kafka-min-in-sync-replicas",
        "At least two replicas acknowledge a write, and one may be missing",
        "With one, an acknowledged write can live on a single disk; with all of them, one broker's restart stops writes.",
        "Set minInSyncReplicas to 2 with 3 replicas.",
        "Requirement A2; Apache Kafka documentation, min.insync.replicas",
        OUTSIDE_DEVELOPMENT,
        _min_in_sync,
    ),
    Rule(
        "kafka-min-isr-explicit",
        "Every topic says its own min.insync.replicas",
        "A topic that leans on the broker's default loses its guarantee when somebody changes that default.",
        "Leave it to the platform, which writes it for every topic.",
        "Apache Kafka documentation, min.insync.replicas",
        OUTSIDE_DEVELOPMENT,
        _min_isr_explicit,
    ),
    Rule(
        "kafka-internal-min-isr",
        "At least two replicas acknowledge a write to the transaction and share-group topics, and one may be missing",
        "Their defaults do not follow the replication factor; too few lose state, too many stop every transaction.",
        "Set kafka.topicDefaults.minInSyncReplicas to 2 with 3 replicas.",
        "Requirement A2; Apache Kafka documentation, transaction.state.log.min.isr, share.coordinator.state.topic.min.isr",
        OUTSIDE_DEVELOPMENT,
        _internal_min_isr,
    ),
    Rule(
        "kafka-unclean-leader-election",
        "A replica that lags is never elected leader",
        "An unclean election drops acknowledged records without a word.",
        "Leave unclean.leader.election.enable out of kafka.config and of the topic's config.",
        "Apache Kafka documentation, unclean.leader.election.enable",
        EVERYWHERE,
        _unclean_election,
    ),
    Rule(
        "kafka-controller-quorum",
        "An odd number of at least three dedicated controllers",
        "Three survive one loss; an even number adds a voter and no safety; on shared nodes load delays elections.",
        "Set kafka.controllers to 3 (or 5).",
        "Strimzi documentation, KRaft node pools; Apache Kafka documentation, KRaft deployment",
        PRODUCTION,
        _quorum,
    ),
)
