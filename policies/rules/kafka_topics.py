"""Topics are made on purpose, fit their brokers and have an end (requirement B2)."""

from collections.abc import Iterator

from components.core.quantities import FOREVER, format_bytes
from policies.model import ADVICE, OUTSIDE_DEVELOPMENT, Rule, Subject, Violation
from policies.rules.pipelines import is_schema_history
from policies.rules.places import topic_setting
from policies.rules.settings import broker_settings, setting_path

MOST_PARTITIONS_PER_BROKER = 4_000


def _auto_creation(subject: Subject) -> Iterator[Violation]:
    key = "auto.create.topics.enable"
    for setting in broker_settings(subject, key):
        if setting.value != "false":
            yield Violation(setting_path(key), f"{key} {setting.said}", setting.resource)


def _message_size(subject: Subject) -> Iterator[Violation]:
    most = subject.spec.kafka.topic_defaults.max_message
    for topic in subject.state.topics:
        own = int(topic.config.get("max.message.bytes", most))
        if own > most:
            yield Violation(
                topic_setting(subject, topic, "max_message"),
                f"topic {topic.name} takes batches of {format_bytes(own)}, the cluster {format_bytes(most)}",
                subject.topic_resource(topic),
            )


def _unbounded(subject: Subject) -> Iterator[Violation]:
    for topic in subject.state.topics:
        config = topic.config
        endless = int(config.get("retention.ms", 0)) == FOREVER and int(config.get("retention.bytes", -1)) == -1
        tiered = str(config.get("remote.storage.enable", False)).lower() == "true"
        if endless and not tiered and "compact" not in str(config.get("cleanup.policy")) and not is_schema_history(topic):
            yield Violation(
                topic_setting(subject, topic, "retention"),
                f"topic {topic.name} keeps every record on the brokers' disks for ever",
                subject.topic_resource(topic),
            )


def _partitions_per_broker(subject: Subject) -> Iterator[Violation]:
    brokers = subject.spec.kafka.brokers.replicas
    replicas = sum(topic.partitions * topic.replicas for topic in subject.state.topics)
    each = -(-replicas // brokers)
    if each > MOST_PARTITIONS_PER_BROKER:
        yield Violation("kafka.brokers.replicas", f"{replicas:,} partition replicas on {brokers} brokers: {each:,} on each")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "kafka-topic-auto-creation",
        "A client's first use creates no topic",
        "A misspelt name becomes a topic with nobody's settings, owner or ACLs, and records vanish into it.",
        "Leave kafka.autoCreateTopics off, and declare the topic.",
        "Apache Kafka documentation, auto.create.topics.enable (its default is true)",
        OUTSIDE_DEVELOPMENT,
        _auto_creation,
    ),
    Rule(
        "kafka-topic-message-size",
        "No topic takes larger batches than the cluster's default",
        "Consumers, mirrors and Connect workers are sized by that figure; a larger batch stalls the smallest of them.",
        "Lower the topic's maxMessage, or raise kafka.topicDefaults.maxMessage for all.",
        "Apache Kafka documentation, message.max.bytes and max.message.bytes",
        ADVICE,
        _message_size,
    ),
    Rule(
        "kafka-topic-unbounded",
        "A topic that is neither compacted nor tiered has an end",
        "It fills the disks, and a broker whose disk is full stops.",
        "Set a retention or a retentionSize, or compact or tier the topic.",
        "Apache Kafka documentation, retention.ms and retention.bytes",
        ADVICE,
        _unbounded,
    ),
    Rule(
        "kafka-partitions-per-broker",
        f"At most {MOST_PARTITIONS_PER_BROKER:,} partition replicas on a broker",
        "Each costs open files, memory and time at every failover and restart.",
        "Lower partitions (kafka.topicDefaults.partitions), or add brokers.",
        "Confluent, Apache Kafka supports 200K partitions per cluster (2018); a guideline, not a limit of KRaft",
        ADVICE,
        _partitions_per_broker,
    ),
)
