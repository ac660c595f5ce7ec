"""What follows from a pipeline: topics, users, ACLs, quotas, and that pipelines do not touch each other."""

from typing import Any

import pytest

from components.core.quantities import FOREVER
from components.kafka.state import AclBinding, KafkaState, Quota, Topic, User
from tests.strategies.examples import build, pipeline, shop


def state(changes: dict[str, Any] | None = None) -> KafkaState:
    return build(shop(changes)).kafka_state


def topic(changes: dict[str, Any], name: str) -> Topic:
    return next(topic for topic in state(changes).topics if topic.name == name)


def user(changes: dict[str, Any], name: str) -> User:
    return next(user for user in state(changes).users if user.name == name)


def test_a_pipeline_becomes_its_topics() -> None:
    assert [topic.name for topic in state().topics] == [
        "shop_orders_dlq",
        "shop_orders_heartbeat",
        "shop_orders_lines",
        "shop_orders_orders",
        "shop_orders_schema_history",
        "shop_orders_signals",
    ]


def test_a_cassandra_pipeline_has_no_connectors_own_topics() -> None:
    """Debezium for Cassandra is no connector: it keeps no schema history and takes no signals."""
    found = state({"pipelines": [pipeline("events", ("ks.views",), "cassandra")]})
    assert [topic.name for topic in found.topics] == ["shop_events_dlq", "shop_events_views"]


def test_a_change_topic_has_every_figure_for_itself() -> None:
    """A default of the brokers that is changed later changes no topic behind its back."""
    found = topic({}, "shop_orders_orders")
    assert found == Topic(
        name="shop_orders_orders",
        resource_name="shop-orders-orders",
        partitions=10,
        replicas=3,
        config={
            "cleanup.policy": "delete",
            "compression.type": "lz4",
            "max.message.bytes": 1 << 20,
            "min.insync.replicas": 2,
            "retention.ms": 604_800_000,
            "segment.bytes": 1 << 30,
        },
        owner="team-shop",
        origin="pipelines[0].source.mysql.tables[0]",
        tenant="shop",
        pipeline="orders",
    )


@pytest.mark.parametrize("tiered", [{}, {"kafka.tiered": {"bucket": "b"}}])
def test_schema_history_is_one_partition_for_ever_and_never_tiered(tiered: dict[str, Any]) -> None:
    """Debezium's own demand: it reads the whole topic, in order, before it reads anything else."""
    changes = {**tiered, "pipelines[0].topic": {"partitions": 7, "retention": "1d", "cleanup": "compact"}}
    found = topic(changes, "shop_orders_schema_history")
    assert found.partitions == 1
    assert found.config["retention.ms"] == FOREVER
    assert found.config["cleanup.policy"] == "delete"
    assert "remote.storage.enable" not in found.config


def test_the_dead_letter_queue_keeps_longer_than_the_topics() -> None:
    found = topic({}, "shop_orders_dlq")
    assert (found.partitions, found.config["retention.ms"]) == (1, 30 * 86_400_000)


@pytest.mark.parametrize(
    ("changes", "partitions", "said_at"),
    [
        ({}, 10, None),
        ({"kafka.topicDefaults.partitions": 4}, 4, None),
        ({"kafka.topicDefaults.partitions": 4, "pipelines[0].topic.partitions": 5}, 5, "pipelines[0].topic.partitions"),
        (
            {"pipelines[0].topic.partitions": 5, 'pipelines[0].tables["shop.orders"].partitions': 6},
            6,
            'pipelines[0].tables["shop.orders"].partitions',
        ),
    ],
)
def test_the_nearest_override_wins(changes: dict[str, Any], partitions: int, said_at: str | None) -> None:
    found = topic(changes, "shop_orders_orders")
    assert (found.partitions, found.said_at.get("partitions")) == (partitions, said_at)


def test_overrides_of_one_table_are_not_another_tables() -> None:
    changes = {'pipelines[0].tables["shop.orders"]': {"partitions": 6, "retention": "1d", "replicas": 2, "maxMessage": "5MB"}}
    assert topic(changes, "shop_orders_lines") == topic({}, "shop_orders_lines")
    own = topic(changes, "shop_orders_orders")
    assert (own.partitions, own.replicas, own.config["retention.ms"]) == (6, 2, 86_400_000)
    assert own.config["max.message.bytes"] == 5_000_000


@pytest.mark.parametrize(
    ("replicas", "own", "in_sync"), [(None, None, 2), (3, None, 2), (2, None, 1), (1, None, 1), (2, 1, 1), (3, 1, 1)]
)
def test_fewer_replicas_need_fewer_in_sync(replicas: int | None, own: int | None, in_sync: int) -> None:
    """A topic of one replica that demands two in sync could never be written."""
    changes = {"pipelines[0].topic": {"replicas": replicas, "minInSyncReplicas": own}}
    assert topic(changes, "shop_orders_orders").config["min.insync.replicas"] == in_sync


@pytest.mark.parametrize(
    ("own", "tiered", "local"),
    [
        ({}, True, 86_400_000),
        ({"retention": "1h"}, True, 3_600_000),
        ({"retention": "forever"}, True, 86_400_000),
        ({"cleanup": "compact"}, False, None),
        ({"cleanup": "compact,delete"}, False, None),
    ],
)
def test_topics_that_only_delete_are_tiered_where_the_cluster_tiers(
    own: dict[str, Any], tiered: bool, local: int | None
) -> None:
    """Kafka refuses to tier a compacted topic, and to keep more locally than altogether."""
    config = topic({"kafka.tiered": {"bucket": "b"}, "pipelines[0].topic": own}, "shop_orders_orders").config
    assert (config.get("remote.storage.enable", False), config.get("local.retention.ms")) == (tiered, local)


def test_a_declared_topic_may_stay_out_of_the_tiered_store() -> None:
    changes = {"kafka.tiered": {"bucket": "b"}, "kafka.topics": [{"name": "a"}, {"name": "b", "tiered": False}]}
    assert topic(changes, "a").config["remote.storage.enable"] is True
    assert "remote.storage.enable" not in topic(changes, "b").config


def test_a_declared_topic_has_its_own_figures() -> None:
    own = {"name": "A_b", "resourceName": "ab", "owner": "me", "retentionSize": "1GiB", "segment": "1MiB", "maxMessage": "2MB"}
    found = topic({"kafka.topics": [{**own, "config": {"segment.ms": 5}, "cleanup": "compact"}]}, "A_b")
    assert (found.resource_name, found.owner, found.origin) == ("ab", "me", "kafka.topics[0]")
    assert found.config == {
        "cleanup.policy": "compact",
        "compression.type": "lz4",
        "max.message.bytes": 2_000_000,
        "min.insync.replicas": 2,
        "retention.bytes": 1 << 30,
        "retention.ms": 604_800_000,
        "segment.bytes": 1 << 20,
        "segment.ms": 5,
    }


# Names


@pytest.mark.parametrize(
    ("naming", "names"),
    [
        ({"topic": "cassandra.{database}.{table}"}, {"cassandra.shop.orders", "cassandra.shop.lines"}),
        ({"dlq": "dead.{pipeline}"}, {"dead.orders"}),
        ({"internal": "connect-{tenant}"}, {"connect-shop_schema_history", "connect-shop_signals", "connect-shop_heartbeat"}),
    ],
)
def test_names_follow_the_convention(naming: dict[str, str], names: set[str]) -> None:
    assert names <= {topic.name for topic in state({"naming": naming}).topics}


def test_an_application_stands_for_the_pipeline_in_topic_names_only() -> None:
    names = {topic.name for topic in state({"pipelines[0].application": "web"}).topics}
    assert {"shop_web_orders", "shop_orders_dlq"} <= names


def test_a_topic_may_be_named_by_its_override() -> None:
    changes = {'pipelines[0].tables["shop.orders"].name': "legacy.orders", "pipelines[0].dlq.name": "legacy.dead"}
    assert {"legacy.orders", "legacy.dead"} <= {topic.name for topic in state(changes).topics}
    writes = {acl.name for acl in user(changes, "shop-orders-source").acls}
    assert {"legacy.orders", "legacy.dead"} <= writes
    assert "shop_orders_orders" not in writes


# Users


def acl(name: str, *operations: str, resource: Any = "topic", pattern: Any = "literal") -> AclBinding:
    return AclBinding(resource, name, pattern, operations)


def test_the_source_writes_its_topics_and_reads_only_its_own_history_and_signals() -> None:
    assert set(user({}, "shop-orders-source").acls) == {
        acl("shop_orders_orders", "Describe", "Write"),
        acl("shop_orders_lines", "Describe", "Write"),
        acl("shop_orders_dlq", "Describe", "Write"),
        acl("shop_orders_schema_history", "Describe", "DescribeConfigs", "Read", "Write"),
        acl("shop_orders_signals", "Describe", "Read"),
        acl("shop_orders_heartbeat", "Describe", "Write"),
        acl("shop_orders_schema_history", "Describe", "Read", resource="group"),
        acl("shop_orders_signals", "Describe", "Read", resource="group"),
    }


def test_the_sink_reads_its_topics_in_its_group_and_writes_only_the_dead_letters() -> None:
    assert set(user({}, "shop-orders-sink").acls) == {
        acl("shop_orders_orders", "Describe", "Read"),
        acl("shop_orders_lines", "Describe", "Read"),
        acl("shop_orders_dlq", "Describe", "Write"),
        acl("shop_orders_sink", "Describe", "Read", resource="group"),
    }


def test_a_cassandra_source_writes_and_no_more() -> None:
    changes = {"pipelines": [pipeline("events", ("ks.views",), "cassandra")]}
    assert set(user(changes, "shop-events-source").acls) == {
        acl("shop_events_views", "Describe", "Write"),
        acl("shop_events_dlq", "Describe", "Write"),
    }


def test_rights_can_be_added_to_a_pipelines_user() -> None:
    access = {"reads": ["audit*", "shop_orders_orders"], "writes": ["*"]}
    found = set(user({"pipelines[0].sourceUser.access": access}, "shop-orders-source").acls)
    assert {
        acl("audit", "Describe", "Read", pattern="prefix"),
        acl("shop_orders_orders", "Describe", "Read", "Write"),
        acl("*", "Describe", "Write"),
    } <= found


def test_a_declared_user_gets_what_it_asks_for() -> None:
    own = {
        "name": "bi",
        "produces": ["a"],
        "consumes": ["a", "b*"],
        "groups": ["g*"],
        "acls": [
            {"resource": "cluster", "operations": ["IdempotentWrite", "Describe"]},
            {"resource": "topic", "name": "a", "operations": ["Read"], "host": "10.0.0.1"},
        ],
    }
    assert user({"kafka.users[1]": own}, "bi").acls == (
        AclBinding("cluster", "kafka-cluster", "literal", ("Describe", "IdempotentWrite")),
        AclBinding("group", "g", "prefix", ("Describe", "Read")),
        AclBinding("topic", "a", "literal", ("Describe", "Read", "Write")),
        AclBinding("topic", "a", "literal", ("Read",), "10.0.0.1"),
        AclBinding("topic", "b", "prefix", ("Describe", "Read")),
    )


@pytest.mark.parametrize(
    ("changes", "quota"),
    [
        ({}, Quota()),
        ({"tenants[0].quota": {"produce": "1MB/s", "request": "50%"}}, Quota(produce=1_000_000, request=50)),
        (
            {"tenants[0].quota": {"produce": "1MB/s", "request": "50%"}, "pipelines[0].sinkUser.quota": {"produce": "2MB/s"}},
            Quota(produce=2_000_000, request=50),
        ),
        ({"pipelines[0].sinkUser.quota.controllerMutations": "0.5/s"}, Quota(controller_mutations=0.5)),
    ],
)
def test_a_quota_is_the_users_own_figure_by_figure_or_the_tenants(changes: dict[str, Any], quota: Quota) -> None:
    assert user(changes, "shop-orders-sink").quota == quota


@pytest.mark.parametrize(
    ("changes", "owner"),
    [({}, "team-shop"), ({"pipelines[0].owner": "team-orders"}, "team-orders")],
)
def test_what_a_pipeline_derives_belongs_to_its_owner_or_its_tenants(changes: dict[str, Any], owner: str) -> None:
    found = state(changes)
    assert {topic.owner for topic in found.topics} == {owner}
    assert {user.owner for user in found.users if user.pipeline} == {owner}
    assert user(changes, "admin").owner == "platform"


def test_everything_is_sorted_by_name() -> None:
    found = state({"kafka.topics": [{"name": "z"}, {"name": "a"}], "kafka.users": [{"name": "z"}, {"name": "a"}]})
    assert [topic.name for topic in found.topics] == sorted(topic.name for topic in found.topics)
    assert [user.name for user in found.users] == sorted(user.name for user in found.users)
