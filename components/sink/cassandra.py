"""What the worker of a Cassandra pipeline is told, and the secrets that it reads rows again with. Pure."""

from typing import Any

from components.core.secrets import SecretFile, referenced
from components.environment import EnvironmentSpec
from components.kafka.derive import change_topic
from components.pipelines.spec import PipelineSpec

PASSWORD, CA = "cassandra.password", "cassandra-ca.pem"
PORT = 9042
_HOUR_MS = 3_600_000

Section = dict[str, Any]


def cassandra_section(environment: EnvironmentSpec, pipeline: PipelineSpec, folder: str) -> Section | None:
    """``None`` for pipelines of other sources."""
    source, merge = pipeline.source.cassandra, pipeline.cassandra
    if source is None:
        return None
    topics = {change_topic(pipeline, environment.naming, table): table for table in source.tables}
    tables = {
        name: ({"columns": dict(table.columns)} if table.columns else {})
        | ({"on_ambiguous": table.ambiguous} if table.ambiguous else {})
        for name, table in sorted(merge.tables.items())
    }
    section: Section = {
        "topics": sorted(topics),
        "sources": dict(sorted(topics.items())),
        "tables": {name: table for name, table in tables.items() if table},
        "on_ambiguous": merge.ambiguous,
        "horizon_hours": merge.horizon / _HOUR_MS,
    }
    if merge.rereads:
        agent = environment.cassandra_agent
        section["reread"] = {
            "hosts": [source.host],
            "port": source.port or PORT,
            "username": source.user,
            "password_file": f"{folder}/{PASSWORD}",
            **({} if agent is None else {"datacenter": agent.datacenter}),
            **({} if merge.ca is None else {"ca_file": f"{folder}/{CA}"}),
        }
    return section


def cassandra_secrets(pipeline: PipelineSpec) -> list[SecretFile]:
    """Every file that :func:`cassandra_section` names."""
    source, merge = pipeline.source.cassandra, pipeline.cassandra
    if source is None or not merge.rereads:
        return []
    password = referenced(source.password, PASSWORD, f"{pipeline.name}-source-database")
    return [password, *([] if merge.ca is None else [referenced(merge.ca, CA, f"{pipeline.name}-source-ca")])]
