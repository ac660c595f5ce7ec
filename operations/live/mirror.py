"""MirrorMaker as it runs: how far it has come, read from both clusters. Nothing is changed on either."""

import json
import time
from collections.abc import Mapping

from components.environment import EnvironmentSpec
from components.kafka.derive import change_topic, sink_group, source_tables
from components.mirror_maker import derive
from components.mirror_maker.spec import MirrorMakerSpec
from operations.live.kafka import Cluster, Partition, UnreachableError
from operations.mirror_status import (
    MirrorStatus,
    PartitionLag,
    Readiness,
    group_readiness,
    mirrored_positions,
    partition_lags,
    topic_lags,
    topic_readiness,
)


def observe_status(spec: EnvironmentSpec, mirror: MirrorMakerSpec, source: Cluster, standby: Cluster) -> MirrorStatus:
    """How far the standby is behind. A source that does not answer leaves the lag open; the standby must answer."""
    there = standby.partitions()
    mirrored = _places({name: count for name, count in there.items() if derive.takes_topic(mirror, spec, name)})
    times = standby.latest_times(mirrored)
    heartbeats = there.get(derive.HEARTBEATS_TOPIC, 0)
    alive = standby.latest_times([(derive.HEARTBEATS_TOPIC, partition) for partition in range(heartbeats)])
    stored = _stored(mirror, standby, there)
    try:
        lag = topic_lags(_lags(spec, mirror, source, stored))
    except UnreachableError:
        lag = None
    return MirrorStatus(mirror.rpo, lag, max(times.values(), default=None), max(alive.values(), default=None))


def _lags(
    spec: EnvironmentSpec, mirror: MirrorMakerSpec, source: Cluster, stored: Mapping[Partition, int]
) -> list[PartitionLag]:
    topics = {name: count for name, count in source.partitions().items() if derive.takes_topic(mirror, spec, name)}
    places = _places(topics)
    ends = source.end_offsets(places)
    positions = mirrored_positions(stored, source.begin_offsets(places))
    behind = {place: position for place, position in positions.items() if position < ends[place]}
    return partition_lags(positions, ends, source.first_times(behind), int(time.time() * 1000))


def _places(topics: Mapping[str, int]) -> list[Partition]:
    return [(topic, partition) for topic, partitions in sorted(topics.items()) for partition in range(partitions)]


def _stored(mirror: MirrorMakerSpec, standby: Cluster, topics: Mapping[str, int]) -> dict[Partition, int]:
    """The source's offset of the last mirrored record, as MirrorMaker keeps it: with exactlyOnce in the records' own
    transaction, else a flush interval behind at most. The key is ``[<connector>, {cluster, partition, topic}]``."""
    topic = derive.storage_topic(mirror, "offsets")
    found: dict[Partition, int] = {}
    for key, value in standby.newest(topic, topics.get(topic, 0)).items():
        _, place = json.loads(key)
        if value is not None and place.get("cluster") == mirror.source.cluster_alias and "topic" in place:
            found[place["topic"], place["partition"]] = value["offset"]
    return found


def observe_readiness(spec: EnvironmentSpec, standby: Cluster) -> list[Readiness]:
    """Whether every topic and group that the standby's own pipelines need is there."""
    there = standby.partitions()
    checks = topic_readiness({topic.name: topic.partitions for topic in spec.kafka_state.topics}, there)
    for pipeline in spec.pipelines:
        group = sink_group(pipeline, spec.naming)
        topics = [change_topic(pipeline, spec.naming, table) for table in source_tables(pipeline)]
        ends = standby.end_offsets(_places({name: there[name] for name in topics if name in there}))
        checks.append(group_readiness(group, topics, ends, standby.committed(group)))
    return checks
