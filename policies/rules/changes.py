"""What a change must not do to what exists. A rule here sees an environment before and after."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.core.context import Tier
from components.core.quantities import format_bytes
from policies.footprint import Footprint, TopicFootprint
from policies.model import EVERYWHERE, OUTSIDE_DEVELOPMENT, Level, Rule, Violation, levels
from policies.rules.kafka_nodes import minor

_STRICTNESS: dict[Tier, int] = {"development": 0, "staging": 1, "production": 2}
_NOTICE = levels("advisory", "advisory", "advisory")
_SHARED: dict[Tier, Level] = dict(OUTSIDE_DEVELOPMENT) | {"development": "advisory"}


@dataclass(frozen=True, slots=True)
class Change:
    """An environment before and after one change."""

    before: Footprint
    after: Footprint

    @property
    def tier(self) -> Tier:
        """The stricter of both, so that lowering the tier excuses from nothing."""
        known: list[Tier] = [tier for tier in (self.before.tier, self.after.tier) if tier is not None]
        return max(known, key=_STRICTNESS.__getitem__, default="production")

    def kept_topics(self) -> Iterator[tuple[TopicFootprint, TopicFootprint]]:
        """Topics that are there before and after."""
        for name, topic in self.after.topics.items():
            if name in self.before.topics:
                yield self.before.topics[name], topic

    def removed_topics(self) -> Iterator[TopicFootprint]:
        """Topics that are there no more."""
        yield from (topic for name, topic in self.before.topics.items() if name not in self.after.topics)


def _setting(topic: TopicFootprint, field: str) -> str:
    own = topic.path.startswith("kafka.topics[") or topic.path.endswith(".dlq")
    return f"{topic.path}.{field}" if own else topic.path


def _partitions_shrink(change: Change) -> Iterator[Violation]:
    for before, after in change.kept_topics():
        if after.partitions < before.partitions:
            message = f"topic {after.name} goes from {before.partitions} partitions to {after.partitions}"
            yield Violation(_setting(after, "partitions"), message, after.resource)


def _partitions_grow(change: Change) -> Iterator[Violation]:
    for before, after in change.kept_topics():
        if after.partitions > before.partitions:
            message = f"topic {after.name} goes from {before.partitions} partitions to {after.partitions}"
            yield Violation(_setting(after, "partitions"), message, after.resource)


def _topic_removal(change: Change) -> Iterator[Violation]:
    """The object's id is the path of its waiver: a position in the spec could mean another topic tomorrow."""
    for topic in change.removed_topics():
        yield Violation("", f"topic {topic.name} and its records go", topic.resource)


def _user_removal(change: Change) -> Iterator[Violation]:
    for name, resource in change.before.users.items():
        if name not in change.after.users:
            yield Violation("", f"user {name} can no longer connect", resource)


def _replication_change(change: Change) -> Iterator[Violation]:
    for before, after in change.kept_topics():
        if after.replicas != before.replicas:
            message = f"topic {after.name} goes from {before.replicas} replica(s) to {after.replicas}"
            yield Violation(_setting(after, "replicas"), message, after.resource)


def _cleanup_change(change: Change) -> Iterator[Violation]:
    for before, after in change.kept_topics():
        if after.cleanup != before.cleanup:
            message = f"topic {after.name} goes from cleanup {before.cleanup} to {after.cleanup}"
            yield Violation(_setting(after, "cleanup"), message, after.resource)


def _tiering_off(change: Change) -> Iterator[Violation]:
    for before, after in change.kept_topics():
        if before.tiered and not after.tiered:
            yield Violation(_setting(after, "tiered"), f"topic {after.name} is tiered no more", after.resource)


def _storage_shrink(change: Change) -> Iterator[Violation]:
    for name, after in change.after.pools.items():
        before = change.before.pools.get(name)
        if before is None:
            continue
        path = f"kafka.{name}.storage"
        if len(after.volume_bytes) < len(before.volume_bytes):
            volumes = f"{len(before.volume_bytes)} volumes to {len(after.volume_bytes)}"
            yield Violation(f"{path}.volumes", f"each node of {name} goes from {volumes}")
        for was, now in zip(before.volume_bytes, after.volume_bytes, strict=False):
            if now < was:
                yield Violation(f"{path}.size", f"a volume of {name} goes from {format_bytes(was)} to {format_bytes(now)}")
                break


def _fewer_nodes(change: Change) -> Iterator[Violation]:
    for name, before in change.before.pools.items():
        after = change.after.pools.get(name)
        now = 0 if after is None else after.replicas
        if now < before.replicas:
            yield Violation(f"kafka.{name}.replicas", f"{name} go from {before.replicas} to {now}")


def _undrained(change: Change) -> Iterator[Violation]:
    before, after = change.before.pools.get("brokers"), change.after.pools.get("brokers")
    now = 0 if after is None else after.replicas
    if before is not None and now < before.replicas and not change.after.drains:
        message = f"brokers go from {before.replicas} to {now}, and nothing moves off them what they hold"
        yield Violation("kafka.brokers.replicas", message)


def _colour(change: Change) -> Iterator[Violation]:
    """A switch makes the same change to the spec as a hand does: that connectors have moved is not in it."""
    before, after = change.before.colour, change.after.colour
    if before and after and before != after:
        yield Violation("connect.active", f"the connectors go from {before} to {after}")


def _identity(change: Change) -> Iterator[Violation]:
    fields = {"environment": "name", "target": "target", "namespace": "kubernetes.namespace", "cluster": "kafka.name"}
    for field, path in fields.items():
        before, after = getattr(change.before, field), getattr(change.after, field)
        if before != after:
            yield Violation(path, f"the {field} goes from {before} to {after}")


def _listener_change(change: Change) -> Iterator[Violation]:
    for name, port in change.before.listeners.items():
        now = change.after.listeners.get(name)
        if now is None:
            yield Violation("kafka.listeners", f"listener {name} on port {port} goes")
        elif now != port:
            yield Violation("kafka.listeners", f"listener {name} moves from port {port} to {now}")


def _metadata_downgrade(change: Change) -> Iterator[Violation]:
    before, after = change.before.metadata_version, change.after.metadata_version
    if before and after and _format(after) < _format(before):
        yield Violation("kafka.metadataVersion", f"the metadata format goes from {before} back to {after}")


def _format(version: str) -> tuple[int, int, int]:
    """``4.3-IV0`` → ``(4, 3, 0)``; ``4.3`` means its last step."""
    step = version.partition("-IV")[2]
    return (*minor(version), int(step) if step else 999)


def _version_downgrade(change: Change) -> Iterator[Violation]:
    before, after = change.before.version, change.after.version
    if before and after and [int(part) for part in after.split(".")] < [int(part) for part in before.split(".")]:
        yield Violation("kafka.version", f"Kafka goes from {before} back to {after}")


def _tier_lowered(change: Change) -> Iterator[Violation]:
    before, after = change.before.tier, change.after.tier
    if before is not None and after is not None and _STRICTNESS[after] < _STRICTNESS[before]:
        yield Violation("tier", f"the tier goes from {before} to {after}")


RULES: tuple[Rule[Change], ...] = (
    Rule(
        "change-partitions-shrink",
        "The number of partitions never shrinks",
        "Kafka cannot take a partition away: the topic would have to be made anew, and lose its records.",
        "Keep the number, or create a new topic and move its readers.",
        "Apache Kafka documentation, modifying topics",
        EVERYWHERE,
        _partitions_shrink,
    ),
    Rule(
        "change-partitions-grow",
        "A growing number of partitions is noticed",
        "Keys move to other partitions: a row's changes from before and after are read out of order.",
        "Stop the source and drain its readers first, or create a new topic.",
        "Apache Kafka documentation, modifying topics",
        _NOTICE,
        _partitions_grow,
    ),
    Rule(
        "change-topic-removal",
        "No topic goes without its own approval",
        "Its records cannot be brought back, and a rename is a removal too.",
        "Approve each one: a waiver of this rule whose path is the object's id, with owner, reason and expiry.",
        "Strimzi documentation: deleting a KafkaTopic deletes the topic",
        _SHARED,
        _topic_removal,
    ),
    Rule(
        "change-user-removal",
        "A user that goes is noticed",
        "Its clients are refused from then on.",
        "Make sure that nothing connects as that user any more.",
        "Strimzi documentation, deleting a KafkaUser",
        _NOTICE,
        _user_removal,
    ),
    Rule(
        "change-replication-factor",
        "A changed replication factor is noticed",
        "Every replica that is added is copied whole, over the network and disks that clients use.",
        "Do it when load is low; on Kubernetes it needs kafka.cruiseControl.",
        "Strimzi documentation, changing the replication factor of a topic",
        _NOTICE,
        _replication_change,
    ),
    Rule(
        "change-cleanup-policy",
        "A changed cleanup policy is noticed",
        "Compaction drops all but the last record of a key, and refuses records without one; deletion drops what is old.",
        "Make sure that nobody needs what will be dropped.",
        "Apache Kafka documentation, cleanup.policy",
        _NOTICE,
        _cleanup_change,
    ),
    Rule(
        "change-tiering-off",
        "A tiered topic stays tiered",
        "What lies in the object store goes, or the change is refused.",
        "Keep it tiered, or copy the topic to a new one.",
        "KIP-950, disabling tiered storage of a topic",
        _SHARED,
        _tiering_off,
    ),
    Rule(
        "change-storage-shrink",
        "No disk shrinks or goes",
        "A claim cannot shrink, and a volume that leaves takes its replicas along.",
        "Keep the size; move replicas off a volume before it leaves.",
        "Kubernetes documentation, resizing persistent volumes; Strimzi documentation, JBOD",
        EVERYWHERE,
        _storage_shrink,
    ),
    Rule(
        "change-fewer-nodes",
        "A pool that shrinks is noticed",
        "A broker that leaves with its replicas leaves partitions short; a controller that leaves weakens the quorum.",
        "Move its replicas first (kafka.cruiseControl does it by itself), and remove controllers one at a time.",
        "Strimzi documentation, scaling node pools; KIP-853",
        _NOTICE,
        _fewer_nodes,
    ),
    Rule(
        "change-broker-drain",
        "No broker goes with replicas on it",
        "Its copies are gone: partitions run short of them, and where it had the last one, without their records.",
        "Declare kafka.cruiseControl, whose automatic rebalance empties brokers before they go; on docker, where there is "
        "none, move their replicas with kafka-reassign-partitions and waive this.",
        "Requirement A12; Strimzi documentation, auto-rebalancing when scaling down",
        _SHARED,
        _undrained,
    ),
    Rule(
        "change-connect-colour",
        "A swapped colour of Connect is noticed",
        "Only cdc connect switch moves connectors with their positions. Where connect.active was changed by hand, they are "
        "made anew on the other colour: with a second snapshot, or from where they were when they last ran there.",
        "Set connect.active back and run cdc connect switch, which changes it itself; where it did, this is only to be read.",
        "Requirement A9; docs/runbooks/connect-switch.md",
        _NOTICE,
        _colour,
    ),
    Rule(
        "change-identity",
        "The environment stays what and where it is",
        "Under another name, namespace or target everything is created anew, and empty, beside the old one.",
        "Create another environment and migrate to it.",
        "Strimzi documentation: a cluster's name and namespace are fixed",
        _SHARED,
        _identity,
    ),
    Rule(
        "change-listener",
        "A listener that goes or moves is noticed",
        "Its clients cannot connect any more.",
        "Add the new listener first, move the clients, then remove the old one.",
        "Strimzi documentation, listeners",
        _NOTICE,
        _listener_change,
    ),
    Rule(
        "change-metadata-downgrade",
        "The metadata format is never lowered",
        "Kafka has no way back where a newer format changed what is stored; a cluster asked to go back does not start.",
        "Keep kafka.metadataVersion.",
        "Apache Kafka documentation, metadata.version downgrade; KIP-778",
        EVERYWHERE,
        _metadata_downgrade,
    ),
    Rule(
        "change-version-downgrade",
        "An older Kafka is noticed",
        "It runs only while the metadata format is one that it knows.",
        "Go back only within the format's minor version.",
        "Apache Kafka documentation, downgrading",
        _NOTICE,
        _version_downgrade,
    ),
    Rule(
        "change-tier-lowered",
        "A tier is not lowered in passing",
        "With it most rules stop being mandatory, and what holds data stops being protected.",
        "Create another environment, or waive this with the reason.",
        "Tiers decide the levels of all rules",
        EVERYWHERE,
        _tier_lowered,
    ),
)
