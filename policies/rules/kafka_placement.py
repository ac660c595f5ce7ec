"""Nodes and replicas do not fail together."""

from collections.abc import Iterator
from typing import Any

from policies.model import OUTSIDE_DEVELOPMENT, PRODUCTION, Rule, Subject, Violation
from policies.rules.places import origin

_NODE = "kubernetes.io/hostname"
"""Spreading over nodes says nothing about failure domains."""


def _racks(subject: Subject) -> Iterator[Violation]:
    if subject.spec.kafka.racks is None:
        yield Violation("kafka.racks", "no failure domain is declared, so replicas may all be in one")


def _rack_awareness(subject: Subject) -> Iterator[Violation]:
    """Strimzi's ``rack`` tells brokers where they are and places no pod; the constraint places pods and tells nobody."""
    racks = {
        (m.body["metadata"].get("namespace"), m.name): (m.body["spec"]["kafka"].get("rack") or {}).get("topologyKey")
        for m in subject.of_kind("Kafka")
    }
    for pool in subject.of_kind("KafkaNodePool"):
        cluster = pool.body["metadata"]["labels"].get("strimzi.io/cluster")
        rack = racks.get((pool.namespace, cluster))
        spread = {str(c.get("topologyKey")) for c in _spread(pool.body) if c.get("whenUnsatisfiable") == "DoNotSchedule"}
        if rack is not None and rack not in spread:
            yield Violation("kafka.racks", f"no topologySpreadConstraint holds the pods apart by {rack}", pool.id)
        if rack is None and spread - {_NODE}:
            yield Violation(
                "kafka.racks", f"pods are spread over {sorted(spread - {_NODE})[0]}, which the brokers are not told of", pool.id
            )


def _spread(pool: dict[str, Any] | Any) -> list[dict[str, Any]]:
    template = pool["spec"].get("template") or {}
    return list((template.get("pod") or {}).get("topologySpreadConstraints") or [])


def _disruption_budget(subject: Subject) -> Iterator[Violation]:
    for kafka in subject.of_kind("Kafka"):
        template = kafka.body["spec"]["kafka"].get("template") or {}
        most = (template.get("podDisruptionBudget") or {}).get("maxUnavailable")
        if not isinstance(most, int) or most > 1:
            said = "is not set" if most is None else f"is {most}"
            yield Violation(origin(subject, kafka), f"maxUnavailable of the brokers' disruption budget {said}", kafka.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "kafka-racks",
        "Failure domains are declared",
        "Without them all replicas of a partition can sit in one zone, and go with it.",
        "Write kafka.racks: topology.kubernetes.io/zone (on docker: kafka.racks.names).",
        "Strimzi documentation, rack awareness; Apache Kafka documentation, broker.rack (KIP-36)",
        PRODUCTION,
        _racks,
    ),
    Rule(
        "kafka-rack-spread",
        "Rack awareness and pod placement go together",
        "Brokers that know their zone but were all scheduled in one still lose everything with it.",
        "Set kafka.racks, from which both are rendered.",
        "Strimzi documentation, rack: it adds no affinity by itself",
        OUTSIDE_DEVELOPMENT,
        _rack_awareness,
    ),
    Rule(
        "kafka-disruption-budget",
        "At most one broker is evicted at a time",
        "Two brokers drained together take partitions with min ISR 2 below it, and writes stop.",
        "Leave the disruption budget to the platform, which allows one.",
        "Strimzi documentation, podDisruptionBudget template; Kubernetes documentation, disruption budgets",
        OUTSIDE_DEVELOPMENT,
        _disruption_budget,
    ),
)
