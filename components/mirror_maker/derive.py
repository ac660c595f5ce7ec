"""What MirrorMaker takes, and what it needs of Kafka on both sides: topics, users and rights. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from components.kafka.acls import group_acl, merged_acls, topic_acl, transactional_acl
from components.kafka.spec import KafkaSpec
from components.kafka.state import AclBinding, KafkaState, Quota, Topic, User
from components.kafka.topics import PLATFORM_OWNER, internal_topic, min_isr
from components.mirror_maker import patterns
from components.mirror_maker.patterns import acl_pattern, covers, literal

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec
    from components.mirror_maker.spec import DisasterRecoverySpec, MirrorMakerSpec

USER, WRITER = "mirror-maker", "mirror-maker-writer"
"""MirrorMaker's users on the source, where it only reads, and on the standby. An environment can be both."""

EXCLUDED_TOPICS = (r"mm2.*\.internal", r".*\.checkpoints\.internal", "__.*", "heartbeats", ".+-connect-(blue|green)-.+")
"""What belongs to one cluster alone: MirrorMaker's, Kafka's and Connect's own."""

EXCLUDED_GROUPS = ("console-consumer-.*", "connect-.*", "__.*")
"""MirrorMaker's own default."""

LOCAL_REGISTRY_TOPICS = ("kafkasql-snapshots", "registry-events")
"""Apicurio's snapshots name files on the disk of the registry that took them, and its events are for others to read."""

STORAGE = {"config": "configs", "offset": "offsets", "status": "status"}
"""Connect's words for its three topics, and what MirrorMaker calls each."""

HEARTBEATS_TOPIC = "heartbeats"
"""Where MirrorMaker says that it lives."""

OFFSET_PARTITIONS, STATUS_PARTITIONS = 25, 5
"""Kafka Connect's own defaults."""

_STORED = ("Create", "Describe", "DescribeConfigs", "Read", "Write")
_MIRRORED = ("Alter", "AlterConfigs", "Create", "Describe", "DescribeConfigs", "Read", "Write")
_SOURCE = ("Describe", "DescribeConfigs", "Read")


def group_id(mirror: "MirrorMakerSpec") -> str:
    """The group of MirrorMaker's nodes, as its dedicated mode calls it."""
    return f"{mirror.source.cluster_alias}-mm2"


def storage_topic(mirror: "MirrorMakerSpec", what: str) -> str:
    """Where it keeps ``configs``, ``offsets``, ``status`` and ``offset-syncs``, as its dedicated mode calls them."""
    return f"mm2-{what}.{mirror.source.cluster_alias}.internal"


def checkpoints_topic(mirror: "MirrorMakerSpec") -> str:
    """Where it keeps the translated positions of groups."""
    return f"{mirror.source.cluster_alias}.checkpoints.internal"


def mirrored_topics(mirror: "MirrorMakerSpec", environment: "EnvironmentSpec") -> tuple[str, ...]:
    """Expressions of everything that is mirrored: what is written or the tenants', the registry's and the connectors'."""
    tenants, naming = environment.tenants, environment.naming
    found = list(mirror.topics or patterns.tenant_topics(tenants, naming))
    if mirror.connect_offsets:
        found += patterns.connector_offsets(tenants, naming)
    if mirror.registry:
        found += [literal(name) for name in registry_topics(environment)]
    return tuple(dict.fromkeys(found))


def excluded_topics(mirror: "MirrorMakerSpec", environment: "EnvironmentSpec") -> tuple[str, ...]:
    """Expressions of what is not: an expression for a tenant's topics covers its connectors' positions too."""
    own = () if mirror.connect_offsets else patterns.connector_offsets(environment.tenants, environment.naming)
    return tuple(dict.fromkeys([*mirror.excluded_topics, *own]))


def mirrored_groups(mirror: "MirrorMakerSpec", environment: "EnvironmentSpec") -> tuple[str, ...]:
    """Expressions of the groups whose positions are translated."""
    return mirror.groups or patterns.tenant_groups(environment.tenants, environment.naming)


def takes_topic(mirror: "MirrorMakerSpec", environment: "EnvironmentSpec", name: str) -> bool:
    """Whether ``name`` is mirrored."""
    return covers(mirrored_topics(mirror, environment), excluded_topics(mirror, environment), name)


def takes_group(mirror: "MirrorMakerSpec", environment: "EnvironmentSpec", name: str) -> bool:
    """Whether ``name`` is followed."""
    return covers(mirrored_groups(mirror, environment), mirror.excluded_groups, name)


def registry_topics(environment: "EnvironmentSpec") -> tuple[str, ...]:
    """The topics that hold the schema registry's contents; none where the environment has no registry of its own."""
    registry = environment.schema_registry
    topics = () if registry is None else registry.kafka_state(environment).topics
    return tuple(topic.name for topic in topics if topic.name not in LOCAL_REGISTRY_TOPICS)


def with_mirrored(state: KafkaState, mirror: "MirrorMakerSpec", environment: "EnvironmentSpec") -> KafkaState:
    """``state`` with the topics marked that MirrorMaker makes: until this environment takes over, nobody else may."""
    if mirror.failed_over:
        return state
    taken, left = mirrored_topics(mirror, environment), excluded_topics(mirror, environment)
    topics = (replace(topic, mirrored=True) if covers(taken, left, topic.name) else topic for topic in state.topics)
    return replace(state, topics=tuple(topics))


def standby_state(mirror: "MirrorMakerSpec", environment: "EnvironmentSpec") -> KafkaState:
    """MirrorMaker's own topics, with the cluster's replication, and the user that writes what it mirrors."""
    user = User(
        name=WRITER,
        authentication="scram-sha-512",
        quota=Quota(produce=100_000_000, consume=20_000_000, request=200, controller_mutations=50),
        acls=merged_acls(list(_standby_acls(mirror, environment))),
        owner=PLATFORM_OWNER,
        origin="mirrorMaker",
    )
    return KafkaState(tuple(_own_topics(mirror, environment)), (user,))


def _own_topics(mirror: "MirrorMakerSpec", environment: "EnvironmentSpec") -> Iterator[Topic]:
    own = {
        storage_topic(mirror, "configs"): 1,
        storage_topic(mirror, "offsets"): OFFSET_PARTITIONS,
        storage_topic(mirror, "status"): STATUS_PARTITIONS,
        storage_topic(mirror, "offset-syncs"): 1,
        checkpoints_topic(mirror): 1,
        **({HEARTBEATS_TOPIC: 1} if environment.target == "docker" else {}),
    }
    for name, partitions in own.items():
        topic = internal_topic(environment.kafka, name, "mirrorMaker", partitions=partitions)
        yield (
            topic if mirror.replication_factor is None else _with_replicas(topic, environment.kafka, mirror.replication_factor)
        )


def _with_replicas(topic: Topic, kafka: KafkaSpec, replicas: int) -> Topic:
    config = {**topic.config, "min.insync.replicas": min_isr(kafka, replicas, None)}
    said_at = {"replicas": "mirrorMaker.replicationFactor", "min_in_sync_replicas": "mirrorMaker.replicationFactor"}
    return replace(topic, replicas=replicas, config=config, said_at=said_at)


def _standby_acls(mirror: "MirrorMakerSpec", environment: "EnvironmentSpec") -> Iterator[AclBinding]:
    """On what is mirrored everything but deletion; a group's position is committed by who may read group and topic."""
    group = group_id(mirror)
    for expression in mirrored_topics(mirror, environment):
        yield topic_acl(acl_pattern(expression), *_MIRRORED)
    for expression in mirrored_groups(mirror, environment):
        yield group_acl(acl_pattern(expression))
    yield topic_acl("mm2-*", *_STORED)
    yield topic_acl(checkpoints_topic(mirror), *_STORED)
    yield topic_acl(HEARTBEATS_TOPIC, *_STORED)
    yield group_acl(group)
    yield transactional_acl(f"connect-cluster-{group}")
    yield transactional_acl(f"{group}-*")
    yield AclBinding("cluster", "kafka-cluster", "literal", ("Describe",))


def source_state(recovery: "DisasterRecoverySpec", environment: "EnvironmentSpec") -> KafkaState:
    """The user that the standby's MirrorMaker reads as. It writes nothing here: its own topics are all in the standby."""
    tenants, naming = environment.tenants, environment.naming
    expressions = [*patterns.tenant_topics(tenants, naming), *patterns.connector_offsets(tenants, naming)]
    expressions += [literal(name) for name in registry_topics(environment)]
    acls = [topic_acl(pattern, *_SOURCE) for pattern in (*map(acl_pattern, expressions), *recovery.reads)]
    groups = [*map(acl_pattern, patterns.tenant_groups(tenants, naming)), *recovery.groups]
    acls += [replace(group_acl(pattern), operations=("Describe",)) for pattern in groups]
    acls.append(AclBinding("cluster", "kafka-cluster", "literal", ("Describe",)))
    quota = recovery.quota
    user = User(
        name=USER,
        authentication="scram-sha-512",
        quota=Quota(quota.produce, quota.consume, quota.request, quota.controller_mutations),
        acls=merged_acls(acls),
        owner=PLATFORM_OWNER,
        origin="disasterRecovery",
        password=recovery.password,
    )
    return KafkaState((), (user,))
