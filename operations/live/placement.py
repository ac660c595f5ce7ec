"""Where replicas go when a topic is to have more or fewer of them. Pure."""

import json
from collections import Counter
from collections.abc import Sequence

from operations.live.observed import Assignment, Broker

_INTERNAL = "__"


def is_internal(topic: str) -> bool:
    """Whether Kafka, or whoever works on Kafka for us, keeps its own state in it."""
    return topic.startswith(_INTERNAL)


def spread(before: Assignment, replicas: int, brokers: Sequence[Broker]) -> Assignment:
    """Each partition on ``replicas`` brokers. Those that have it keep it, in their order; what is added goes to racks that have
    none of it, then to the brokers that have the least; what is taken away is the last. No more than there are brokers."""
    racks = {broker.id: broker.rack or str(broker.id) for broker in brokers}
    load = Counter({broker.id: 0 for broker in brokers})
    load.update(broker for partition in before for broker in partition)
    after = []
    for partition in before:
        chosen = list(partition[:replicas])
        while len(chosen) < replicas and set(racks) - set(chosen):
            used = Counter(racks.get(broker) for broker in chosen)
            best = min(set(racks) - set(chosen), key=lambda broker: (used[racks[broker]], load[broker], broker))
            chosen.append(best)
            load[best] += 1
        after.append(tuple(chosen))
    return tuple(after)


def reassignment(topic: str, after: Assignment) -> str:
    """The file that ``kafka-reassign-partitions --reassignment-json-file`` takes."""
    partitions = [{"topic": topic, "partition": number, "replicas": list(to)} for number, to in enumerate(after)]
    return json.dumps({"version": 1, "partitions": partitions})


def moved(before: Assignment, after: Assignment) -> int:
    """How many replicas are new to their broker."""
    return sum(len(set(new) - set(old)) for old, new in zip(before, after, strict=True))
