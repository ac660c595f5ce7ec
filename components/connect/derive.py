"""What Connect asks of Kafka, and what it gives HAProxy to stand in front of. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from components.backup.names import PODS as BACKUP_PODS
from components.connect.names import (
    COLOURS,
    COMPONENT,
    Colour,
    cluster_name,
    connector_name,
    offsets_topic,
    storage_topics,
    worker_user,
)
from components.connect.spec import ConnectSpec
from components.core.context import Target
from components.haproxy.backend import Backend, Server
from components.haproxy.derive import service_host
from components.kafka.acls import group_acl, merged_acls, topic_acl, transactional_acl
from components.kafka.derive import pipeline_user
from components.kafka.spec import KafkaSpec
from components.kafka.state import Grant, KafkaState, Quota, Topic, User
from components.kafka.topics import PLATFORM_OWNER, internal_topic
from components.pipelines.spec import PipelineSpec
from components.tenancy.spec import NamingSpec

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

REST_PORT = 8083
_STORED = ("Describe", "DescribeConfigs", "Read", "Write")
_PARTITIONS = {"config": 1, "offset": 25, "status": 5}
"""Connect's own figures; it takes no other than 1 for configurations, which it must read in order."""


def has_source_connector(pipeline: PipelineSpec) -> bool:
    """Whether Connect reads the pipeline's source. Cassandra is read by an agent of its own."""
    return pipeline.source.chosen is not None and pipeline.source.chosen[0] != "cassandra"


def has_sink_connector(pipeline: PipelineSpec) -> bool:
    """Whether Connect writes the pipeline's rows."""
    return pipeline.sink.via == "jdbc"


def kafka_state(connect: ConnectSpec, environment: "EnvironmentSpec") -> KafkaState:
    """Both colours' topics and users, and for each source connector a topic of offsets and the rights that it needs."""
    topics: list[Topic] = []
    users: list[User] = []
    grants: list[Grant] = []
    for colour in COLOURS:
        topics += _storage(environment.kafka, colour)
        users.append(_worker(environment.kafka, colour))
    owners = {tenant.name: tenant.owner for tenant in environment.tenants}
    for index, pipeline in enumerate(environment.pipelines):
        if has_source_connector(pipeline):
            owner = pipeline.owner or owners.get(pipeline.tenant, PLATFORM_OWNER)
            topics += _offsets(environment.kafka, environment.naming, pipeline, owner, f"pipelines[{index}]")
            grants.append(_exactly_once(environment.kafka, environment.naming, pipeline, environment.target))
    return KafkaState(tuple(topics), tuple(users), tuple(grants))


def _storage(kafka: KafkaSpec, colour: Colour) -> Iterator[Topic]:
    return (
        internal_topic(kafka, name, COMPONENT, partitions=_PARTITIONS[kind])
        for kind, name in storage_topics(kafka, colour).items()
    )


def _worker(kafka: KafkaSpec, colour: Colour) -> User:
    """What the workers do as themselves: their group, their three topics, and the transactions in which the leader of a
    cluster with exactly-once sources writes configurations (KIP-618)."""
    group = cluster_name(kafka, colour)
    acls = [group_acl(group), transactional_acl(f"connect-cluster-{group}")]
    acls += [topic_acl(topic, *_STORED) for topic in storage_topics(kafka, colour).values()]
    return User(
        name=worker_user(colour),
        authentication="scram-sha-512",
        quota=Quota(),
        acls=merged_acls(acls),
        owner=PLATFORM_OWNER,
        origin=COMPONENT,
    )


def _offsets(kafka: KafkaSpec, naming: NamingSpec, pipeline: PipelineSpec, owner: str, origin: str) -> Iterator[Topic]:
    for colour in COLOURS:
        topic = internal_topic(kafka, offsets_topic(pipeline, naming, colour), origin)
        yield replace(topic, owner=owner, tenant=pipeline.tenant, pipeline=pipeline.name)


def _exactly_once(kafka: KafkaSpec, naming: NamingSpec, pipeline: PipelineSpec, target: Target) -> Grant:
    """A source task writes its changes and its offsets in one transaction, whose id Connect makes of group, connector and task
    (KIP-618). A Debezium connector for MySQL or MariaDB has one task, 0."""
    acls = []
    for colour in COLOURS:
        acls.append(topic_acl(offsets_topic(pipeline, naming, colour), *_STORED))
        name = connector_name(pipeline.name, "source", colour, target)
        acls.append(transactional_acl(f"{cluster_name(kafka, colour)}-{name}-0"))
    return Grant(pipeline_user(pipeline, "source"), merged_acls(acls))


def worker_names(connect: ConnectSpec, kafka: KafkaSpec, colour: Colour) -> list[str]:
    """The containers of a colour's workers on docker."""
    return [f"{cluster_name(kafka, colour)}-{number}" for number in range(connect.workers(colour))]


def backends(environment: "EnvironmentSpec") -> tuple[Backend, ...]:
    """Connect's REST interface: the active colour's workers and no others. None where there is no Connect."""
    connect = environment.connect
    if connect is None:
        return ()
    servers = _servers(connect, environment)
    pods = {"strimzi.io/cluster": cluster_name(environment.kafka, connect.active), "strimzi.io/kind": "KafkaConnect"}
    on_kubernetes = environment.target == "kubernetes"
    clients = BACKUP_PODS if environment.backup is not None else {}
    labels = pods if on_kubernetes else {}
    return (Backend("connect", REST_PORT, servers, health_path="/health", pods=labels, clients=clients),)


def _servers(connect: ConnectSpec, environment: "EnvironmentSpec") -> tuple[Server, ...]:
    if environment.target == "docker":
        return tuple(Server(name, name, REST_PORT) for name in worker_names(connect, environment.kafka, connect.active))
    most = connect.autoscaling.most if connect.autoscaling is not None else connect.replicas
    name = f"{cluster_name(environment.kafka, connect.active)}-connect"
    return (Server(connect.active, service_host(environment, name), REST_PORT, instances=most),)
