"""How far a standby is behind its source, and whether it could take over now. Pure: from what was observed to a verdict."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """What of one partition is not mirrored yet: at most so many records, the first of them so old (milliseconds)."""

    topic: str
    partition: int
    records: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class TopicLag:
    """The same of a topic: the sum of its partitions' records, and the oldest."""

    topic: str
    partitions: int
    records: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """``lag`` is ``None`` where the source does not answer. ``complete_until`` is the time of the newest mirrored record, and
    ``alive_at`` MirrorMaker's own latest sign of life (docker only), in milliseconds since 1970."""

    rpo: int
    lag: tuple[TopicLag, ...] | None
    complete_until: int | None
    alive_at: int | None

    @property
    def behind(self) -> int | None:
        """What would be lost if the source were gone now, in milliseconds."""
        return None if self.lag is None else max((topic.milliseconds for topic in self.lag), default=0)

    @property
    def within(self) -> bool:
        """Whether no more than the RPO would be lost; what cannot be measured is not within it."""
        return self.behind is not None and self.behind <= self.rpo


@dataclass(frozen=True, slots=True)
class Readiness:
    """One thing that must hold before consumers are sent to the standby; ``problem`` is empty where it does."""

    what: str
    problem: str


def mirrored_positions(stored: Mapping[Partition, int], begins: Mapping[Partition, int]) -> dict[Partition, int]:
    """The next offset to mirror: behind the one that MirrorMaker has stored, and never before what the source still has."""
    return {place: max(begin, stored[place] + 1 if place in stored else begin) for place, begin in begins.items()}


def partition_lags(
    positions: Mapping[Partition, int], ends: Mapping[Partition, int], waiting_since: Mapping[Partition, int], now: int
) -> list[PartitionLag]:
    """Lag by partition. ``waiting_since`` has the time of the first record behind each position; a partition that is not in it
    holds no record there: what its offsets still count are marks of transactions."""
    return [
        PartitionLag(topic, partition, ends[topic, partition] - position, max(0, now - waiting_since[topic, partition]))
        if (topic, partition) in waiting_since
        else PartitionLag(topic, partition, 0, 0)
        for (topic, partition), position in sorted(positions.items())
    ]


def topic_lags(lags: Iterable[PartitionLag]) -> tuple[TopicLag, ...]:
    """By topic, the one that is furthest behind first."""
    by_topic: defaultdict[str, list[PartitionLag]] = defaultdict(list)
    for lag in lags:
        by_topic[lag.topic].append(lag)
    topics = (
        TopicLag(topic, len(parts), sum(part.records for part in parts), max(part.milliseconds for part in parts))
        for topic, parts in by_topic.items()
    )
    return tuple(sorted(topics, key=lambda lag: (-lag.milliseconds, -lag.records, lag.topic)))


def topic_readiness(expected: Mapping[str, int], found: Mapping[str, int]) -> list[Readiness]:
    """Whether every topic that the standby's spec expects is there, with its partitions."""
    checks = []
    for topic, partitions in sorted(expected.items()):
        there = found.get(topic)
        problem = "is not there yet" if there is None else f"has {there} partition(s), not {partitions}"
        checks.append(Readiness(f"topic {topic}", "" if there == partitions else problem))
    return checks


def group_readiness(
    group: str, topics: Iterable[str], ends: Mapping[Partition, int], committed: Mapping[Partition, int]
) -> Readiness:
    """Whether a group's position is translated in each partition of its topics that holds anything. Without one it would begin
    at the beginning, or at the end."""
    wanted = set(topics)
    missing = [f"{t}-{p}" for (t, p), end in sorted(ends.items()) if t in wanted and end > 0 and (t, p) not in committed]
    shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return Readiness(f"group {group}", f"has no position in {shown}" if missing else "")
