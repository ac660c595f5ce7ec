"""What a pipeline needs to lose nothing (requirements A1, A4 and B7)."""

from collections import defaultdict
from collections.abc import Iterator

from components.core.quantities import FOREVER, format_duration
from components.kafka.derive import dlq_topic, sink_group
from components.kafka.state import Topic
from policies.model import EVERYWHERE, OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation


def is_schema_history(topic: Topic) -> bool:
    """Whether a connector keeps its schema history in ``topic``."""
    return bool(topic.pipeline) and topic.name.endswith("_schema_history")


def _own_topics(subject: Subject) -> dict[str, dict[str, Topic]]:
    """Topics by pipeline, then by name."""
    found: defaultdict[str, dict[str, Topic]] = defaultdict(dict)
    for topic in subject.state.topics:
        if topic.pipeline:
            found[topic.pipeline][topic.name] = topic
    return found


def _dlq(subject: Subject) -> Iterator[Violation]:
    own = _own_topics(subject)
    for index, pipeline in enumerate(subject.spec.pipelines):
        name = dlq_topic(pipeline, subject.spec.naming)
        dlq = own[pipeline.name].get(name) if pipeline.name in own else None
        if dlq is None:
            yield Violation(f"pipelines[{index}].dlq", f"pipeline {pipeline.name} has no dead letter queue {name}")
        elif "compact" in str(dlq.config["cleanup.policy"]):
            yield Violation(
                f"pipelines[{index}].dlq.cleanup",
                f"{name} is compacted: dead letters overwrite one another",
                subject.topic_resource(dlq),
            )


def _dlq_retention(subject: Subject) -> Iterator[Violation]:
    own = _own_topics(subject)
    for index, pipeline in enumerate(subject.spec.pipelines):
        topics = own.get(pipeline.name, {})
        dlq = topics.get(dlq_topic(pipeline, subject.spec.naming))
        changes = [_retention(t) for t in topics.values() if ".source." in t.origin]
        if dlq is None or not changes or _retention(dlq) >= max(changes):
            continue
        longest = next(t for t in topics.values() if ".source." in t.origin and _retention(t) == max(changes))
        yield Violation(
            f"pipelines[{index}].dlq.retention",
            f"{dlq.name} keeps records {_shown(dlq)}, and {longest.name} {_shown(longest)}",
            subject.topic_resource(dlq),
        )


def _retention(topic: Topic) -> float:
    milliseconds = int(topic.config["retention.ms"])
    return float("inf") if milliseconds == FOREVER else milliseconds


def _shown(topic: Topic) -> str:
    return format_duration(int(topic.config["retention.ms"]))


def _schema_history(subject: Subject) -> Iterator[Violation]:
    for topic in filter(is_schema_history, subject.state.topics):
        config = topic.config
        wrong = []
        if topic.partitions != 1:
            wrong.append(f"has {topic.partitions} partitions")
        if int(config.get("retention.ms", 0)) != FOREVER or int(config.get("retention.bytes", -1)) != -1:
            wrong.append("forgets old records")
        if config.get("cleanup.policy") != "delete":
            wrong.append(f"has cleanup {config.get('cleanup.policy')}")
        if wrong:
            yield Violation(topic.origin, f"schema history {topic.name} {' and '.join(wrong)}", subject.topic_resource(topic))


def _groups(subject: Subject) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, pipeline in enumerate(subject.spec.pipelines):
        group = sink_group(pipeline, subject.spec.naming)
        other = first.setdefault(group, index)
        if other != index:
            yield Violation(f"pipelines[{index}].sink.group", f"{group} is the group of pipelines[{other}] too")


def _owner(subject: Subject) -> Iterator[Violation]:
    owners = {tenant.name: tenant.owner for tenant in subject.spec.tenants}
    for index, pipeline in enumerate(subject.spec.pipelines):
        owner = owners.get(pipeline.tenant, "") if pipeline.owner is None else pipeline.owner
        if not owner.strip():
            yield Violation(f"pipelines[{index}].owner", f"nobody answers for pipeline {pipeline.name}")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "pipeline-dlq",
        "Every pipeline has a dead letter queue that keeps every letter",
        "A bad record without a place to go is lost, or stops the pipeline; a compacted queue keeps one letter per key.",
        "Leave the DLQ to the platform, and its cleanup at delete.",
        "Requirements A4 and B7; Apache Kafka documentation, errors.deadletterqueue.topic.name",
        EVERYWHERE,
        _dlq,
    ),
    Rule(
        "pipeline-dlq-retention",
        "Dead letters are kept at least as long as the changes they come from",
        "A letter is mended and replayed later than its neighbours were read; it must not be gone by then.",
        "Raise the pipeline's dlq.retention or kafka.topicDefaults.dlqRetention.",
        "Requirement A4: every bad record can be replayed",
        SHARED,
        _dlq_retention,
    ),
    Rule(
        "pipeline-schema-history",
        "A schema history has one partition and never forgets",
        "Debezium reads it from the first record to the last, in order, before it can decode a single change.",
        "Leave the schema history topic to the platform.",
        "Debezium documentation, schema history topic",
        EVERYWHERE,
        _schema_history,
    ),
    Rule(
        "pipeline-consumer-group",
        "No two pipelines share a consumer group",
        "They would rebalance each other at every restart, and each would commit offsets for both.",
        "Give each pipeline a sink.group of its own, or leave it to naming.group.",
        "Requirement B2; Apache Kafka documentation, consumer groups",
        EVERYWHERE,
        _groups,
    ),
    Rule(
        "pipeline-owner",
        "Every pipeline has an owner",
        "An alert at night needs somebody to wake.",
        "Set the pipeline's owner, or its tenant's.",
        "Requirement A16",
        OUTSIDE_DEVELOPMENT,
        _owner,
    ),
)
