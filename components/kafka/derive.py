"""From what the user writes to the state Kafka must have: pipelines become topics, users, ACLs and quotas. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from pydantic.alias_generators import to_camel

from components.core.names import resource_name
from components.core.paths import format_step
from components.core.quantities import FOREVER
from components.kafka.acls import group_acl, merged_acls, topic_acl
from components.kafka.spec import KafkaSpec
from components.kafka.state import AclBinding, KafkaState, Quota, Topic, User
from components.kafka.topic_spec import TopicSpec
from components.kafka.topics import PLATFORM_OWNER, min_isr, topic_config
from components.kafka.user_spec import AclSpec, UserSpec
from components.pipelines.spec import AccessSpec, PipelineSpec, PipelineUserSpec, TopicOverridesSpec
from components.tenancy.spec import NamingSpec, QuotaSpec, TenantSpec

Role = Literal["source", "sink"]
_OVERRIDABLE = ("name", "partitions", "replicas", "min_in_sync_replicas", "retention", "max_message", "cleanup")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a derived object comes from: its pipeline, its owner, and the spec path that explains it."""

    pipeline: PipelineSpec
    owner: str
    origin: str


class _Override(NamedTuple):
    """What the user wants otherwise for derived topics, and where that is written."""

    path: str
    spec: TopicOverridesSpec


def derive_state(
    kafka: KafkaSpec, tenants: tuple[TenantSpec, ...], pipelines: tuple[PipelineSpec, ...], naming: NamingSpec
) -> KafkaState:
    """Every topic and user of the environment, sorted by name. Names may still collide: the environment's check says so."""
    owners = {tenant.name: tenant.owner for tenant in tenants}
    quotas = {tenant.name: tenant.quota for tenant in tenants}
    topics = [_declared_topic(kafka, topic, owners, index) for index, topic in enumerate(kafka.topics)]
    users = [_declared_user(user, owners, quotas, index) for index, user in enumerate(kafka.users)]
    for index, pipeline in enumerate(pipelines):
        place = _Place(pipeline, pipeline.owner or owners.get(pipeline.tenant, PLATFORM_OWNER), f"pipelines[{index}]")
        topics += _pipeline_topics(kafka, naming, place)
        users += _pipeline_users(naming, place, quotas.get(pipeline.tenant))
    return KafkaState(tuple(sorted(topics, key=lambda t: t.name)), tuple(sorted(users, key=lambda u: u.name)))


def format_name(pattern: str, pipeline: PipelineSpec, table: str = ".") -> str:
    """``{tenant}_{application}_{entity}`` filled for one pipeline and ``<database>.<table>``."""
    database, _, name = table.partition(".")
    return pattern.format(
        tenant=pipeline.tenant,
        application=pipeline.application or pipeline.name,
        pipeline=pipeline.name,
        entity=name,
        database=database,
        table=name,
    )


def sink_group(pipeline: PipelineSpec, naming: NamingSpec) -> str:
    """The consumer group that moves this pipeline's rows."""
    return pipeline.sink.group or format_name(naming.group, pipeline)


def pipeline_user(pipeline: PipelineSpec, role: Role) -> str:
    """The Kafka user that reads the pipeline's source, or the one that writes its rows."""
    return f"{pipeline.tenant}-{pipeline.name}-{role}"


def source_tables(pipeline: PipelineSpec) -> tuple[str, ...]:
    """Captured tables; none while the source is not yet chosen."""
    chosen = pipeline.source.chosen
    return chosen[1].tables if chosen else ()


def change_topic(pipeline: PipelineSpec, naming: NamingSpec, table: str) -> str:
    """The topic that carries one table's changes."""
    override = pipeline.tables.get(table)
    return (override.name if override else None) or format_name(naming.topic, pipeline, table)


def dlq_topic(pipeline: PipelineSpec, naming: NamingSpec) -> str:
    """The pipeline's dead letter queue."""
    return pipeline.dlq.name or format_name(naming.dlq, pipeline)


def _declared_topic(kafka: KafkaSpec, topic: TopicSpec, owners: Mapping[str, str], index: int) -> Topic:
    replicas = topic.replicas or kafka.default_replicas
    config = topic_config(
        kafka,
        topic.cleanup,
        kafka.topic_defaults.retention if topic.retention is None else topic.retention,
        topic.tiered,
        min_isr(kafka, replicas, topic.min_in_sync_replicas),
    )
    own = {"retention.bytes": topic.retention_size, "segment.bytes": topic.segment, "max.message.bytes": topic.max_message}
    config.update({key: value for key, value in own.items() if value is not None})
    config.update(topic.config)
    return Topic(
        name=topic.name,
        resource_name=topic.resource_name or resource_name(topic.name),
        partitions=topic.partitions or kafka.topic_defaults.partitions,
        replicas=replicas,
        config=dict(sorted(config.items())),
        owner=topic.owner or owners.get(topic.tenant or "", PLATFORM_OWNER),
        origin=f"kafka.topics[{index}]",
        tenant=topic.tenant or "",
    )


def _derived_topic(
    kafka: KafkaSpec,
    place: _Place,
    name: str,
    *overrides: _Override,
    partitions: int | None = None,
    cleanup: str = "delete",
    retention_ms: int | None = None,
    tiered: bool | None = None,
) -> Topic:
    """A topic with ``overrides``, the nearest first, over the given figures, over the cluster's defaults."""
    chosen, said_at = _chosen(overrides)
    replicas = chosen["replicas"] or kafka.default_replicas
    retention = chosen["retention"] if chosen["retention"] is not None else retention_ms
    config = topic_config(
        kafka,
        chosen["cleanup"] or cleanup,
        kafka.topic_defaults.retention if retention is None else retention,
        tiered,
        min_isr(kafka, replicas, chosen["min_in_sync_replicas"]),
    )
    if chosen["max_message"] is not None:
        config["max.message.bytes"] = chosen["max_message"]
    return Topic(
        name=name,
        resource_name=resource_name(name),
        partitions=chosen["partitions"] or partitions or kafka.topic_defaults.partitions,
        replicas=replicas,
        config=dict(sorted(config.items())),
        owner=place.owner,
        origin=place.origin,
        tenant=place.pipeline.tenant,
        pipeline=place.pipeline.name,
        said_at=said_at,
    )


def _chosen(overrides: tuple[_Override, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    """By field: the nearest override's value (``None`` where none says any), and the path of those that are said."""
    chosen: dict[str, Any] = dict.fromkeys(_OVERRIDABLE)
    said_at: dict[str, str] = {}
    for field in _OVERRIDABLE:
        for override in overrides:
            if (value := getattr(override.spec, field)) is not None:
                chosen[field], said_at[field] = value, f"{override.path}.{to_camel(field)}"
                break
    return chosen, said_at


def _pipeline_topics(kafka: KafkaSpec, naming: NamingSpec, place: _Place) -> Iterator[Topic]:
    """Change topics and the DLQ; and what a relational connector keeps for itself.

    Schema history: one partition, infinite retention, never tiered (Debezium's own demand). Signals and heartbeats: one
    partition each.
    """
    pipeline = place.pipeline
    kind = pipeline.source.chosen[0] if pipeline.source.chosen else "mysql"
    for index, table in _first_places(source_tables(pipeline)):
        overrides = [_Override(f"{place.origin}.topic", pipeline.topic)]
        if table in pipeline.tables:
            overrides.insert(0, _Override(f"{place.origin}.tables{format_step(table)}", pipeline.tables[table]))
        origin = replace(place, origin=f"{place.origin}.source.{kind}.tables[{index}]")
        yield _derived_topic(kafka, origin, change_topic(pipeline, naming, table), *overrides)
    yield _derived_topic(
        kafka,
        replace(place, origin=f"{place.origin}.dlq"),
        dlq_topic(pipeline, naming),
        _Override(f"{place.origin}.dlq", pipeline.dlq),
        retention_ms=kafka.topic_defaults.dlq_retention,
        partitions=1,
    )
    if kind != "cassandra":
        for suffix, retention in (("schema_history", FOREVER), ("signals", None), ("heartbeat", None)):
            name = f"{format_name(naming.internal, pipeline)}_{suffix}"
            yield _derived_topic(kafka, place, name, partitions=1, retention_ms=retention, tiered=False)


def _first_places(tables: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Each table once: that one is listed twice is the pipeline's own problem, and not that its topics collide."""
    first: dict[str, int] = {}
    return ((index, table) for index, table in enumerate(tables) if first.setdefault(table, index) == index)


def _quota(own: QuotaSpec, tenant: QuotaSpec | None) -> Quota:
    def pick(field: str) -> int | float | None:
        value: int | float | None = getattr(own, field)
        fallback: int | float | None = None if tenant is None else getattr(tenant, field)
        return fallback if value is None else value

    produce, consume, request = (pick(field) for field in ("produce", "consume", "request"))
    return Quota(
        produce=None if produce is None else int(produce),
        consume=None if consume is None else int(consume),
        request=None if request is None else int(request),
        controller_mutations=pick("controller_mutations"),
    )


def _access(access: AccessSpec) -> Iterator[AclBinding]:
    yield from (topic_acl(pattern, "Describe", "Read") for pattern in access.reads)
    yield from (topic_acl(pattern, "Describe", "Write") for pattern in access.writes)


def _declared_user(user: UserSpec, owners: Mapping[str, str], quotas: Mapping[str, QuotaSpec], index: int) -> User:
    acls = [topic_acl(pattern, "Describe", "Write") for pattern in user.produces]
    acls += [topic_acl(pattern, "Describe", "Read") for pattern in user.consumes]
    acls += [group_acl(pattern) for pattern in user.groups]
    acls += [_declared_acl(acl) for acl in user.acls]
    return User(
        name=user.name,
        authentication=user.authentication,
        quota=_quota(user.quota, quotas.get(user.tenant or "")),
        acls=merged_acls(acls),
        owner=user.owner or owners.get(user.tenant or "", PLATFORM_OWNER),
        origin=f"kafka.users[{index}]",
        password=user.password,
        tenant=user.tenant or "",
    )


def _declared_acl(acl: AclSpec) -> AclBinding:
    name = "kafka-cluster" if acl.resource == "cluster" else acl.name
    return AclBinding(acl.resource, name, acl.pattern, tuple(sorted(acl.operations)), acl.host)


def _pipeline_users(naming: NamingSpec, place: _Place, quota: QuotaSpec | None) -> Iterator[User]:
    """Least privilege: the source writes its own topics and reads its own history; the sink reads them and writes the DLQ."""
    pipeline = place.pipeline
    changes = [change_topic(pipeline, naming, table) for table in source_tables(pipeline)]
    dlq = dlq_topic(pipeline, naming)
    source = [topic_acl(topic, "Describe", "Write") for topic in [*changes, dlq]]
    if pipeline.source.chosen and pipeline.source.chosen[0] != "cassandra":
        prefix = format_name(naming.internal, pipeline)
        source.append(topic_acl(f"{prefix}_schema_history", "Describe", "DescribeConfigs", "Read", "Write"))
        source += [topic_acl(f"{prefix}_signals", "Describe", "Read"), topic_acl(f"{prefix}_heartbeat", "Describe", "Write")]
        source += [group_acl(f"{prefix}_schema_history"), group_acl(f"{prefix}_signals")]
    sink = [topic_acl(topic, "Describe", "Read") for topic in changes]
    sink += [topic_acl(dlq, "Describe", "Write"), group_acl(sink_group(pipeline, naming))]
    yield _pipeline_user(place, "source", source, pipeline.source_user, quota)
    yield _pipeline_user(place, "sink", sink, pipeline.sink_user, quota)


def _pipeline_user(
    place: _Place, role: Role, acls: list[AclBinding], overrides: PipelineUserSpec, quota: QuotaSpec | None
) -> User:
    pipeline = place.pipeline
    return User(
        name=pipeline_user(pipeline, role),
        authentication="scram-sha-512",
        quota=_quota(overrides.quota, quota),
        acls=merged_acls([*acls, *_access(overrides.access)]),
        owner=place.owner,
        origin=f"{place.origin}.{role}User",
        tenant=pipeline.tenant,
        pipeline=pipeline.name,
    )
