"""What a stack tells its users: where to connect, and what exists. Pure."""

import hashlib
import json
from typing import Any

from components.environment import EnvironmentSpec
from components.kafka.clients import bootstrap
from components.kafka.derive import change_topic, dlq_topic, sink_group, source_tables
from components.kafka.state import KafkaState


def stack_outputs(spec: EnvironmentSpec) -> dict[str, Any]:
    """Plain values; no secret, only where one is kept."""
    state = spec.kafka_state
    return {
        "environment": spec.name,
        "tier": spec.tier,
        "target": spec.target,
        "kafka": {
            "cluster": spec.kafka.name,
            "version": spec.kafka.version,
            "bootstrap": {listener.name: bootstrap(spec.kafka, spec.context, listener) for listener in spec.kafka.listeners},
            "topics": len(state.topics),
            "users": len(state.users),
            "topicsAndUsers": {"appliedBy": applied_by(spec), "digest": state_digest(state)},
            **({"clusterCaSecret": f"{spec.kafka.name}-cluster-ca-cert"} if spec.target == "kubernetes" else {}),
        },
        "pipelines": {pipeline.name: _pipeline(spec, index) for index, pipeline in enumerate(spec.pipelines)},
    }


def applied_by(spec: EnvironmentSpec) -> str:
    """Who brings topics and users to the cluster."""
    return spec.kubernetes.topics_and_users if spec.target == "kubernetes" else "desired-state.json"


def state_digest(state: KafkaState) -> str:
    """SHA-256 over every topic and user: a preview shows that they change even where the stack does not register them."""
    plain = [[t.name, t.partitions, t.replicas, sorted(t.config.items())] for t in state.topics]
    users = [[u.name, u.authentication, repr(u.quota), repr(u.acls)] for u in state.users]
    return hashlib.sha256(json.dumps([plain, users]).encode()).hexdigest()


def _pipeline(spec: EnvironmentSpec, index: int) -> dict[str, Any]:
    pipeline = spec.pipelines[index]
    return {
        "topics": [change_topic(pipeline, spec.naming, table) for table in source_tables(pipeline)],
        "dlq": dlq_topic(pipeline, spec.naming),
        "group": sink_group(pipeline, spec.naming),
    }
