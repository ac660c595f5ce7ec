"""A pipeline's schema changes, as its worker's settings say them, and the topic that they are told to. Pure."""

import re
from typing import Any

from components.kafka.derive import dlq_topic
from components.pipelines.schema_changes import SchemaChangesSpec
from components.pipelines.spec import PipelineSpec
from components.tenancy.spec import NamingSpec

Section = dict[str, Any]


def audit_topic(pipeline: PipelineSpec, naming: NamingSpec) -> str | None:
    """The topic of what was changed and decided; None where none is wanted."""
    return f"{dlq_topic(pipeline, naming)}_schema_audit" if pipeline.schema_changes.audit else None


def evolution_section(pipeline: PipelineSpec, naming: NamingSpec) -> Section:
    """What differs from the worker's own defaults."""
    changes, schema = pipeline.schema_changes, pipeline.sink.postgres.schema_name
    plain = SchemaChangesSpec()
    said = {
        "breaking": (changes.breaking, plain.breaking),
        "dropped": (changes.dropped, plain.dropped),
        "widen": (changes.widen, plain.widen),
        "rewrite_max_bytes": (changes.rewrite_limit, plain.rewrite_limit),
        "audit_topic": (audit_topic(pipeline, naming), None),
    }
    section: Section = {name: value for name, (value, default) in said.items() if value != default}
    rules = [
        {"tables": re.escape(_target(schema, table)), **rule.model_dump(exclude_none=True)}
        for table, rule in sorted(changes.tables.items())
    ]
    indexes = [
        {"table": _target(schema, index.table), "columns": list(index.columns), "method": index.method}
        for index in changes.indexes
    ]
    return section | ({"rules": rules} if rules else {}) | ({"indexes": indexes} if indexes else {})


def _target(schema: str, table: str) -> str:
    return f"{schema}.{table.partition('.')[2]}"
