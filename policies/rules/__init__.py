"""All rules, by area. A new rule is one entry in its module's RULES; a new module is one line here."""

from collections.abc import Mapping

from policies.model import Rule, Subject
from policies.rules import (
    backup,
    chaos,
    connect,
    deployments,
    development,
    disaster_recovery,
    environment,
    foundation,
    haproxy,
    hardening,
    kafka_access,
    kafka_listeners,
    kafka_nodes,
    kafka_placement,
    kafka_quotas,
    kafka_replication,
    kafka_storage,
    kafka_topics,
    literal_secrets,
    names,
    network,
    observability,
    personal_data,
    pipelines,
    postgres,
    redis,
    scaling,
    schema_registry,
    sink,
    standing_by,
    transport,
    vault,
    workloads,
)

AREAS: Mapping[str, tuple[Rule[Subject], ...]] = {
    "environment": (*environment.RULES, *foundation.RULES, *development.RULES),
    "secrets": (*literal_secrets.RULES, *vault.RULES),
    "kafka-replication": (*kafka_replication.RULES, *kafka_placement.RULES),
    "kafka-storage": kafka_storage.RULES,
    "kafka-security": (*kafka_listeners.RULES, *kafka_access.RULES),
    "kafka-clients": kafka_quotas.RULES,
    "kafka-topics": (*kafka_topics.RULES, *kafka_nodes.RULES),
    "pipelines": (*pipelines.RULES, *personal_data.RULES),
    "connect": connect.RULES,
    "sink": (*sink.RULES, *postgres.RULES, *redis.RULES),
    "schema-registry": (*schema_registry.RULES, *haproxy.RULES),
    "disaster-recovery": (*disaster_recovery.RULES, *standing_by.RULES, *backup.RULES),
    "observability": observability.RULES,
    "names": names.RULES,
    "workloads": (*workloads.RULES, *hardening.RULES, *deployments.RULES, *scaling.RULES),
    "network": (*network.RULES, *transport.RULES),
    "chaos": chaos.RULES,
}
"""Rules of one environment, by what they are about."""

ALL: tuple[Rule[Subject], ...] = tuple(rule for area in AREAS.values() for rule in area)

__all__ = ["ALL", "AREAS"]
