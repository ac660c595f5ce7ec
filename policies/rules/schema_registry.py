"""The schema registry keeps what it knows, and keeps readers able to read (requirements A3 and A7)."""

from collections.abc import Iterator

from components.core.quantities import FOREVER
from components.schema_registry.derive import DISTRIBUTIONS, is_encrypted
from policies.model import ADVICE, EVERYWHERE, OUTSIDE_DEVELOPMENT, PRODUCTION, SHARED, Rule, Subject, Violation

_FEWEST, _WITH_A_SPARE = 2, 3


def _compatibility(subject: Subject) -> Iterator[Violation]:
    registry = subject.spec.schema_registry
    if registry is None:
        return
    if registry.compatibility == "NONE":
        yield Violation("schemaRegistry.compatibility", "any schema may replace any other")
    for index, entry in enumerate(registry.subjects):
        if entry.compatibility == "NONE":
            yield Violation(f"schemaRegistry.subjects[{index}].compatibility", f"any schema may follow in {entry.subject}")


def _replicas(subject: Subject) -> Iterator[Violation]:
    registry = subject.spec.schema_registry
    if registry is not None and registry.replicas < _FEWEST:
        yield Violation("schemaRegistry.replicas", f"{registry.replicas} registry is none while it restarts")


def _spare(subject: Subject) -> Iterator[Violation]:
    registry = subject.spec.schema_registry
    if registry is not None and registry.replicas < _WITH_A_SPARE:
        yield Violation("schemaRegistry.replicas", f"with {registry.replicas}, losing one during a roll-out leaves too few")


def _storage(subject: Subject) -> Iterator[Violation]:
    registry = subject.spec.schema_registry
    if registry is None:
        return
    distribution = DISTRIBUTIONS[registry.distribution]
    topics = {topic.name: topic for topic in subject.state.topics}
    for name in distribution.topics:
        topic = topics.get(name)
        if topic is None:
            yield Violation("schemaRegistry", f"nothing makes its topic {name}")
            continue
        wrong = []
        if topic.partitions != 1:
            wrong.append(f"has {topic.partitions} partitions")
        if topic.config["cleanup.policy"] != distribution.cleanup:
            wrong.append(f"has cleanup {topic.config['cleanup.policy']}")
        if int(topic.config["retention.ms"]) != FOREVER:
            wrong.append("forgets old records")
        if wrong:
            yield Violation(topic.origin, f"{name} {' and '.join(wrong)}", subject.topic_resource(topic))


def _schema(subject: Subject) -> Iterator[Violation]:
    registry = subject.spec.schema_registry
    for index, entry in enumerate(registry.subjects if registry is not None else ()):
        if entry.file is None:
            yield Violation(f"schemaRegistry.subjects[{index}].file", f"{entry.subject} has a compatibility and no schema")


def _encryption(subject: Subject) -> Iterator[Violation]:
    if subject.spec.schema_registry is not None and not is_encrypted(subject.spec):
        yield Violation("schemaRegistry.tls.enabled", "what the registries are asked crosses the network in the clear")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "registry-encryption",
        "The registries speak TLS",
        "Whoever is on the way from HAProxy to them could change a schema, and with it what every record means.",
        "Leave schemaRegistry.tls.enabled out, and give the registries a certificate.",
        "Requirement A17: TLS everywhere",
        PRODUCTION,
        _encryption,
    ),
    Rule(
        "registry-compatibility",
        "Schemas may only change so that somebody can still read",
        "With NONE, one deployment makes every record before or after it unreadable to the other side.",
        "Write BACKWARD or stricter; change a schema in two steps where that is in the way.",
        "Requirement A3; Confluent documentation, schema evolution and compatibility",
        SHARED,
        _compatibility,
    ),
    Rule(
        "registry-replicas",
        "There are at least two schema registries",
        "Producers and consumers stop at the first schema they have not seen while the only registry is down.",
        "Set schemaRegistry.replicas to 3.",
        "Requirement A7",
        OUTSIDE_DEVELOPMENT,
        _replicas,
    ),
    Rule(
        "registry-spare",
        "There is a third schema registry",
        "With two, a node that fails while the other one is rolled out takes the service away.",
        "Set schemaRegistry.replicas to 3.",
        "Requirement A7: Schema Registry x3",
        ADVICE,
        _spare,
    ),
    Rule(
        "registry-storage",
        "What a registry knows is in one partition, and is never forgotten",
        "The topic is its only memory, read from first to last; an id that is lost there makes records unreadable.",
        "Leave the registry's topics to the platform.",
        "Confluent documentation, kafkastore.topic; Apicurio Registry documentation, Kafka storage",
        EVERYWHERE,
        _storage,
    ),
    Rule(
        "registry-subject-schema",
        "A declared subject has a schema",
        "What is not declared cannot be judged before it is deployed: the first who finds out is the producer.",
        "Name the schema's file, so that cdc schemas registers it.",
        "Requirement A3: an incompatible schema is refused before it is deployed",
        ADVICE,
        _schema,
    ),
)
