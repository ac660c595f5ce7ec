"""Topics as the spec declares them. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from components.core.quantities import format_bytes, format_duration
from components.kafka.settings import OTHER_TOPIC_KEYS, OWNED_TOPIC_KEYS
from operations.adopting.parts import Draft, Plain, tenant_of
from operations.live.normal import MANAGED_ELSEWHERE, canonical
from operations.live.observed import ObservedKafka, ObservedTopic

Value = TypeVar("Value")
_COMPRESSIONS = frozenset({"lz4", "zstd", "snappy", "gzip", "producer", "uncompressed"})
_SAID = frozenset(OWNED_TOPIC_KEYS) - {"local.retention.ms", "remote.storage.enable"}
_MOST_32_BIT, _LEAST_SEGMENT = (1 << 31) - 1, 1 << 20


def effective(topic: ObservedTopic, kafka: ObservedKafka) -> dict[str, str]:
    """What holds for a topic, in Kafka's one spelling: what it says, over the broker's defaults."""
    both = {**{key: value for key, value in kafka.defaults.items() if value is not None}, **topic.config}
    return {key: canonical(key, value) for key, value in both.items()}


def declare_topics(kafka: ObservedKafka, draft: Draft, derived: Collection[str], plain: Collection[str]) -> Plain:
    """Every topic that is not Kafka's own goes into ``draft``; gives the defaults that most of them have. A pipeline can say
    little of its own topics: where there are ``derived`` ones, the defaults are theirs, and how long records are kept is that
    of the ``plain`` ones, of which it says nothing."""
    topics = [topic for topic in kafka.topics.values() if not topic.internal]
    even = [topic for topic in topics if len({len(replicas) for replicas in topic.assignment}) == 1]
    for topic in topics:
        if topic not in even:
            draft.leave("topic", topic.name, "its partitions have different numbers of replicas")
    configs = {topic.name: effective(topic, kafka) for topic in even}
    leading = [topic for topic in even if topic.name in derived] or even
    resting = [topic for topic in even if topic.name in plain] or even
    defaults = _defaults(leading, configs, [configs[topic.name] for topic in resting])
    for topic in even:
        draft.topics[topic.name] = _declared(topic, configs[topic.name], defaults, draft)
    return defaults


def _defaults(
    topics: Sequence[ObservedTopic], configs: Mapping[str, Mapping[str, str]], resting: Sequence[Mapping[str, str]]
) -> Plain:
    """What most topics have, as far as the spec takes it as a default; retention of those whose settings are ``resting``."""
    theirs = [configs[topic.name] for topic in topics]
    copies = [(topic.replicas, int(configs[topic.name].get("min.insync.replicas", 1))) for topic in topics]
    replicas, in_sync = _most([pair for pair in copies if pair[1] < pair[0] or pair == (1, 1)], (1, 1))
    found: Plain = {
        "partitions": _most([topic.partitions for topic in topics], 1),
        "replicas": replicas,
        "minInSyncReplicas": in_sync,
    }
    sizes: list[tuple[str, str, Callable[[str], str | None]]] = [
        ("retention", "retention.ms", _duration),
        ("segment", "segment.bytes", _segment),
        ("compression", "compression.type", lambda value: value if value in _COMPRESSIONS else None),
        ("maxMessage", "max.message.bytes", _size),
    ]
    for field, key, spelt in sizes:
        asked = resting if field == "retention" else theirs
        texts = [text for config in asked if (text := spelt(config.get(key, ""))) is not None]
        if texts:
            found[field] = _most(texts, texts[0])
    return found


def _most(values: Iterable[Value], otherwise: Value) -> Value:
    """The value that is there most often; of several the one that is written first in the alphabet."""
    counted = Counter(values)
    return min(counted, key=lambda value: (-counted[value], str(value))) if counted else otherwise


def _duration(value: str) -> str | None:
    return format_duration(int(value)) if value == "-1" or (value.isdecimal() and int(value) > 0) else None


def _size(value: str) -> str | None:
    return format_bytes(int(value)) if value.isdecimal() and 0 < int(value) <= _MOST_32_BIT else None


def _segment(value: str) -> str | None:
    return _size(value) if value.isdecimal() and int(value) >= _LEAST_SEGMENT else None


def _declared(topic: ObservedTopic, config: Mapping[str, str], defaults: Plain, draft: Draft) -> Plain:
    """One topic, with what differs from the defaults. What cannot be spelt is written raw, for the spec's own check to say."""
    found: Plain = {"name": topic.name}
    if (tenant := tenant_of(topic.name)) is not None:
        found["tenant"] = tenant
    figures: Plain = {
        "partitions": topic.partitions,
        "replicas": topic.replicas,
        "minInSyncReplicas": int(config.get("min.insync.replicas", 1)),
        "retention": _duration(config.get("retention.ms", "")) or config.get("retention.ms"),
        "segment": _segment(config.get("segment.bytes", "")) or config.get("segment.bytes"),
        "maxMessage": _size(config.get("max.message.bytes", "")) or config.get("max.message.bytes"),
    }
    same_replicas = topic.replicas == defaults["replicas"]
    for field, value in figures.items():
        needed = field == "minInSyncReplicas" and not same_replicas
        if value is not None and (value != defaults.get(field) or needed):
            found[field] = value
    if (cleanup := config.get("cleanup.policy", "delete")) != "delete":
        found["cleanup"] = cleanup
    if (most := config.get("retention.bytes", "-1")) != "-1":
        found["retentionSize"] = format_bytes(int(most)) if most.isdecimal() and int(most) > 0 else most
    further = _further(topic, config, defaults, draft)
    return {**found, "config": further} if further else found


def _further(topic: ObservedTopic, config: Mapping[str, str], defaults: Plain, draft: Draft) -> Plain:
    """What it says for itself in Kafka's own keys."""
    found: Plain = {}
    for key, value in sorted(topic.config.items()):
        if key in OTHER_TOPIC_KEYS and key not in MANAGED_ELSEWHERE and key != "compression.type":
            kind = OTHER_TOPIC_KEYS[key]
            found[key] = _typed(kind, canonical(key, value))
        elif key not in _SAID and key not in OTHER_TOPIC_KEYS and value not in {"false", "-2"}:
            draft.leave(
                "setting", f"{topic.name}: {key}", "the spec says it by kafka.tiered, of the whole cluster, or not at all"
            )
    compression = config.get("compression.type", "producer")
    return found if compression == defaults.get("compression") else {"compression.type": compression, **found}


def _typed(kind: Any, text: str) -> Any:
    try:
        return text == "true" if kind is bool else kind(text)
    except ValueError:
        return text
