"""Brokers and controllers have room, and speak a format they know."""

import re
from collections.abc import Iterator

from components.core.quantities import format_bytes
from policies.model import EVERYWHERE, SHARED, Rule, Subject, Violation

MOST_HEAP_PERCENT = 60
_MINOR = re.compile(r"^([0-9]+)\.([0-9]+)")


def _heap(subject: Subject) -> Iterator[Violation]:
    kafka = subject.spec.kafka
    for name, pool in (("brokers", kafka.brokers), ("controllers", kafka.controllers)):
        memory = pool.resources.memory
        if pool.replicas and pool.heap_bytes * 100 > memory * MOST_HEAP_PERCENT:
            percent = pool.heap_bytes * 100 // memory
            yield Violation(
                f"kafka.{name}.jvm.heap", f"{format_bytes(pool.heap_bytes)} is {percent} % of {format_bytes(memory)}"
            )


def _metadata_version(subject: Subject) -> Iterator[Violation]:
    kafka = subject.spec.kafka
    if minor(kafka.metadata_version) > minor(kafka.version):
        yield Violation("kafka.metadataVersion", f"{kafka.metadata_version} is newer than Kafka {kafka.version}")


def minor(version: str) -> tuple[int, int]:
    """``4.3.1`` and ``4.3-IV0`` → ``(4, 3)``; the spec admits no other form."""
    match = _MINOR.match(version)
    if match is None:
        raise ValueError(f"{version!r} does not begin with <major>.<minor>")
    return int(match[1]), int(match[2])


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "kafka-heap",
        f"A node's heap is at most {MOST_HEAP_PERCENT} % of its memory",
        "The rest is page cache, from which Kafka serves reads, and the JVM's own; without it the node is killed.",
        "Lower jvm.heap, or leave it out for half of the memory.",
        "Apache Kafka documentation, operations, page cache; Strimzi documentation, jvmOptions",
        SHARED,
        _heap,
    ),
    Rule(
        "kafka-metadata-version",
        "The metadata format is not newer than the binaries",
        "A broker that does not know the format does not start, and there is no way back to an older one.",
        "Raise kafka.version first; raise kafka.metadataVersion once all nodes run it.",
        "Apache Kafka documentation, upgrade, metadata.version",
        EVERYWHERE,
        _metadata_version,
    ),
)
