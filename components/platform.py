"""Composes the components in order. A new component is one line here."""

from collections.abc import Callable
from dataclasses import dataclass

from components.backup import render as backup
from components.cassandra_agent import render as cassandra_agent
from components.chaos import render as chaos
from components.connect import render as connect
from components.core.rendered import Rendered, merge
from components.development import render as development
from components.environment import EnvironmentSpec
from components.foundation import render as foundation
from components.haproxy import render as haproxy
from components.kafka import render as kafka
from components.mirror_maker import render as mirror_maker
from components.observability import render as observability
from components.postgres import render as postgres
from components.redis import render as redis
from components.schema_registry import render as schema_registry
from components.sink import render as sink
from components.tracing import render as tracing
from components.vault import render as vault


@dataclass(frozen=True, slots=True)
class Part:
    """One component: how it is rendered, and the name of its Pulumi class, loaded only where Pulumi runs."""

    render: Callable[[EnvironmentSpec], Rendered]
    component: str


PARTS = (
    Part(foundation.render, "components.foundation.component:Foundation"),
    Part(development.render, "components.development.component:Development"),
    Part(kafka.render, "components.kafka.component:KafkaCluster"),
    Part(mirror_maker.render, "components.mirror_maker.component:MirrorMaker"),
    Part(schema_registry.render, "components.schema_registry.component:SchemaRegistry"),
    Part(connect.render, "components.connect.component:KafkaConnect"),
    Part(cassandra_agent.render, "components.cassandra_agent.component:CassandraAgent"),
    Part(postgres.render, "components.postgres.component:Postgres"),
    Part(redis.render, "components.redis.component:Redis"),
    Part(sink.render, "components.sink.component:SinkWorkers"),
    Part(haproxy.render, "components.haproxy.component:Haproxy"),
    Part(tracing.render, "components.tracing.component:Tracing"),
    Part(observability.render, "components.observability.component:Observability"),
    Part(vault.render, "components.vault.component:Vault"),
    Part(backup.render, "components.backup.component:Backup"),
    Part(chaos.render, "components.chaos.component:Chaos"),
)
"""In the order in which they stand on each other."""


def render(spec: EnvironmentSpec) -> Rendered:
    """The whole environment as plain values. Pure and deterministic: the same spec gives the same values in the same order."""
    return merge(part.render(spec) for part in PARTS)
