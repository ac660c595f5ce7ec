"""Which pipelines have sink workers, and what those ask of Kafka. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.kafka.acls import topic_acl, transactional_acl
from components.kafka.derive import dlq_topic, pipeline_user, sink_group
from components.kafka.state import Grant, KafkaState
from components.kafka.topics import internal_topic
from components.pipelines.spec import PipelineSpec
from components.sink.schema_changes import audit_topic

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec


def pipelines(environment: "EnvironmentSpec") -> Iterator[tuple[int, PipelineSpec]]:
    """Pipelines that a worker writes, with their places."""
    for index, pipeline in enumerate(environment.pipelines):
        if pipeline.sink.via == "sink-worker" and pipeline.source.chosen is not None:
            yield index, pipeline


def worker_name(pipeline: PipelineSpec) -> str:
    """The name of a pipeline's Deployment, and the beginning of its containers' names."""
    return f"sink-{pipeline.name}"


def kafka_state(environment: "EnvironmentSpec") -> KafkaState:
    """A worker sends dead letters in transactions, and after a crash reads what of them was committed."""
    grants, topics = [], []
    for index, pipeline in pipelines(environment):
        group, dlq = sink_group(pipeline, environment.naming), dlq_topic(pipeline, environment.naming)
        acls = [topic_acl(dlq, "Describe", "Read"), transactional_acl(f"{group}.outbox")]
        if (audit := audit_topic(pipeline, environment.naming)) is not None:
            origin = f"pipelines[{index}].schemaChanges.audit"
            topics.append(internal_topic(environment.kafka, audit, origin, cleanup="delete"))
            acls.append(topic_acl(audit, "Describe", "Write"))
        grants.append(Grant(pipeline_user(pipeline, "sink"), tuple(acls)))
    return KafkaState(topics=tuple(topics), grants=tuple(grants))
