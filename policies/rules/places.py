"""Where in the spec something comes from, for violations found in what was derived or rendered from it."""

import re
from typing import Literal

from pydantic.alias_generators import to_camel

from components.core.paths import format_step
from components.core.rendered import Manifest, Workload
from components.kafka.derive import source_tables
from components.kafka.state import Topic
from policies.model import Subject

_PIPELINE = re.compile(r"^pipelines\[([0-9]+)\]")
_TABLE = re.compile(r"\.tables\[([0-9]+)\]$")
_WRITTEN = {
    "partitions": "partitions",
    "replicas": "replicas",
    "min_in_sync_replicas": "minInSyncReplicas",
    "retention": "retention",
    "max_message": "maxMessage",
    "name": "name",
}
TopicField = Literal["partitions", "replicas", "min_in_sync_replicas", "retention", "max_message", "name"]


def topic_setting(subject: Subject, topic: Topic, field: TopicField) -> str:
    """The spec path that sets ``field`` of ``topic``: its own, its pipeline's override, or where it comes from."""
    written = _WRITTEN[field]
    if topic.origin.startswith("kafka.topics[") or topic.origin.endswith(".dlq"):
        return f"{topic.origin}.{written}"
    pipeline_at = _PIPELINE.match(topic.origin)
    table_at = _TABLE.search(topic.origin)
    if pipeline_at is None or table_at is None:
        return topic.origin
    pipeline = subject.spec.pipelines[int(pipeline_at[1])]
    table = source_tables(pipeline)[int(table_at[1])]
    if table in pipeline.tables and getattr(pipeline.tables[table], field) is not None:
        return f"{pipeline_at[0]}.tables{format_step(table)}.{written}"
    if getattr(pipeline.topic, field) is not None:
        return f"{pipeline_at[0]}.topic.{written}"
    return topic.origin


def origin(subject: Subject, rendered: Manifest | Workload) -> str:
    """The part of the spec that a rendered object comes from."""
    if isinstance(rendered, Workload):
        return _component(rendered.component)
    if rendered.kind == "KafkaTopic":
        return next((t.origin for t in subject.state.topics if t.resource_name == rendered.name), "kafka.topics")
    if rendered.kind == "KafkaUser":
        return next((u.origin for u in subject.state.users if u.name == rendered.name), "kafka.users")
    if rendered.kind == "KafkaNodePool":
        return f"kafka.{rendered.name}" if rendered.name in {"brokers", "controllers"} else "kafka"
    return _component(rendered.component)


def _component(component: str) -> str:
    """Components and spec fields share their names, however words are joined; the foundation's objects come from no single
    field."""
    first = component.partition("/")[0]
    return "" if first == "foundation" else to_camel(first.replace("-", "_"))
