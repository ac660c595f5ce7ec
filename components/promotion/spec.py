"""What an environment takes from the one before it, and where the two may differ (``cdc promote``)."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from components.core.errors import WrongValue, shown
from components.core.model import DnsLabel, SpecModel, setting

_PATTERN = re.compile(r"""(\*|[A-Za-z_][A-Za-z0-9_-]*)(\.(\*|[A-Za-z_][A-Za-z0-9_-]*)|\[(\*|[a-z0-9][-a-z0-9]*|"[^"]+")\])*""")

MOVES = (
    "tenants",
    "pipelines",
    "naming",
    "kafka.version",
    "kafka.metadataVersion",
    "*.image",
    "*.*.image",
)
"""Pipelines with their tables and schemas, who owns them, how they are named, and versions."""

OWN = (
    "tier",
    "target",
    "kubernetes",
    "kafka",
    "schemaRegistry",
    "haproxy",
    "connect",
    "cassandraAgent",
    "sink",
    "postgres",
    "redis",
    "mirrorMaker",
    "disasterRecovery",
    "vault",
    "observability",
    "tracing",
    "chaos",
    "backup",
    "development",
    "waivers",
    "promotion",
    "tenants[*].quota",
    "tenants[*].budget",
    "tenants[*].namespaces",
    "pipelines[*].source.*.host",
    "pipelines[*].source.*.port",
    "pipelines[*].source.*.user",
    "pipelines[*].source.*.password",
    "pipelines[*].sink.postgres.host",
    "pipelines[*].sink.postgres.port",
    "pipelines[*].sink.postgres.user",
    "pipelines[*].sink.postgres.password",
    "pipelines[*].sink.tasks",
    "pipelines[*].alerts",
    "pipelines[*].topic.partitions",
    "pipelines[*].topic.replicas",
    "pipelines[*].topic.minInSyncReplicas",
    "pipelines[*].topic.retention",
    "pipelines[*].tables[*].partitions",
    "pipelines[*].tables[*].replicas",
    "pipelines[*].tables[*].minInSyncReplicas",
    "pipelines[*].tables[*].retention",
    "pipelines[*].dlq.partitions",
    "pipelines[*].dlq.replicas",
    "pipelines[*].dlq.minInSyncReplicas",
    "pipelines[*].dlq.retention",
    "pipelines[*].sourceUser.quota",
    "pipelines[*].sinkUser.quota",
)
"""What each environment has of its own: where it runs, how large it is, and which servers and secrets it talks to."""


def _pattern(value: object) -> object:
    if isinstance(value, str) and _PATTERN.fullmatch(value):
        return value
    raise WrongValue(
        f"{shown(value)} is no pattern of spec paths", "write one such as kafka.brokers or pipelines[*].source.*.host"
    )


PathPattern = Annotated[str, BeforeValidator(_pattern), Field(json_schema_extra={"pattern": f"^({_PATTERN.pattern})$"})]


class PromotionSpec(SpecModel):
    """How ``cdc promote`` may change this environment.

    A pattern is a spec path whose steps may be ``*``; it covers what is below it. Where several match, the longest wins, and
    ``diverges`` before ``moves``. What differs and matches neither is refused.
    """

    sources: tuple[DnsLabel, ...] = setting(
        (), help="Environments that it may be promoted from; any when left out.", becomes="what cdc promote refuses"
    )
    moves: tuple[PathPattern, ...] = setting(
        MOVES, help="What a promotion brings here.", becomes="what cdc promote writes into this file"
    )
    diverges: tuple[PathPattern, ...] = setting(
        OWN, help="Where this environment may differ from the one it is promoted from.", becomes="what cdc promote leaves alone"
    )
