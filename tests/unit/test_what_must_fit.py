"""What single fields cannot see: the parts of an environment must fit together."""

from typing import Any

import pytest

from tests.strategies.examples import messages, pipeline, problems_of, shop


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"kafka.topicDefaults.replicas": 4}, "kafka.topicDefaults.replicas", "there are 3"),
        ({"kafka.topics": [{"name": "x", "replicas": 4}]}, "kafka.topics[0].replicas", "there are 3"),
        ({"pipelines[0].topic.replicas": 4}, "pipelines[0].topic.replicas", "there are 3"),
        ({"pipelines[0].dlq.replicas": 4}, "pipelines[0].dlq.replicas", "there are 3"),
        (
            {'pipelines[0].tables["shop.orders"].replicas': 4},
            'pipelines[0].tables["shop.orders"].replicas',
            "there are 3",
        ),
        ({"kafka.topicDefaults.minInSyncReplicas": 3}, "kafka.topicDefaults.minInSyncReplicas", "no room"),
        ({"kafka.topicDefaults.minInSyncReplicas": 4}, "kafka.topicDefaults.minInSyncReplicas", "no room"),
        (
            {"kafka.topics": [{"name": "x", "replicas": 2, "minInSyncReplicas": 2}]},
            "kafka.topics[0].minInSyncReplicas",
            "write at most 1",
        ),
        ({"pipelines[0].topic.minInSyncReplicas": 3}, "pipelines[0].topic.minInSyncReplicas", "no room"),
        ({"kafka.brokers": 101}, "kafka.brokers.replicas", "above 100"),
        ({"kafka.brokers": 0}, "kafka.brokers.replicas", "at least one broker"),
        ({"kafka.topics": [{"name": "a.b"}, {"name": "a_b"}]}, "kafka.topics[1]", "Kafka's metrics"),
        ({"kafka.topics": [{"name": "A_b"}, {"name": "a-b"}]}, "kafka.topics[1]", "the Kubernetes name"),
        ({"kafka.topics": [{"name": "x"}, {"name": "x"}]}, "kafka.topics[1]", "has the name of x"),
        ({"kafka.topics": [{"name": "shop_orders_orders"}]}, "pipelines[0].source.mysql.tables[0]", "the name of"),
        ({"pipelines[0].tenant": "nobody"}, "pipelines[0].tenant", "use one of: shop"),
        ({"kafka.users[0].tenant": "nobody"}, "kafka.users[0].tenant", "use one of: shop"),
        ({"tenants[1]": {"name": "shop", "owner": "x"}}, "tenants[1].name", "already tenants[0]"),
        ({"kafka.users[1]": {"name": "admin"}}, "kafka.users[1]", "already made by kafka.users[0]"),
        ({"kafka.users[1]": {"name": "shop-orders-sink"}}, "pipelines[0].sinkUser", "already made by"),
        ({"kafka.config": {"log.dirs": "/x"}}, 'kafka.config["log.dirs"]', "set by the platform"),
        ({"kafka.config": {"num.partitions": 1}}, 'kafka.config["num.partitions"]', "kafka.topicDefaults.partitions"),
        ({"kafka.config": {"ssl.enabled.protocols": "x"}}, 'kafka.config["ssl.enabled.protocols"]', "kafka.tls.protocols"),
        (
            {"kafka.topics": [{"name": "x", "config": {"retention.ms": 1}}]},
            'kafka.topics[0].config["retention.ms"]',
            "set retention",
        ),
        (
            {"kafka.topics": [{"name": "x", "config": {"delete.retention": 1}}]},
            'kafka.topics[0].config["delete.retention"]',
            "did you mean delete.retention.ms?",
        ),
        (
            {"kafka.topics": [{"name": "x", "config": {"segment.ms": "7d"}}]},
            'kafka.topics[0].config["segment.ms"]',
            "not a whole number",
        ),
        ({"kafka.topics": [{"name": "__consumer_offsets"}]}, "kafka.topics[0].name", "internal topics"),
        ({"kafka.topics": [{"name": "x", "tiered": True}]}, "kafka.topics[0].tiered", "no tiered storage"),
        ({"kafka.authorization.superUsers": ["boss"]}, "kafka.authorization.superUsers[0]", "use one of: admin"),
        ({"kafka.listeners": [{"name": "a", "port": 9404}]}, "kafka.listeners[0].port", "metrics"),
        (
            {"kafka.listeners": [{"name": "a", "port": 9092}, {"name": "b", "port": 9092}]},
            "kafka.listeners[1].port",
            "listeners[0]",
        ),
        (
            {"kafka.listeners": [{"name": "a", "port": 9092}, {"name": "a", "port": 9093}]},
            "kafka.listeners[1].name",
            "listeners[0]",
        ),
        (
            {"kafka.listeners": [{"name": "a", "port": 9092, "tls": False, "authentication": "tls"}]},
            "kafka.listeners[0].authentication",
            "encrypted",
        ),
        ({"kafka.listeners": [{"name": "a", "port": 9092, "type": "host"}]}, "kafka.listeners[0].type", "kubernetes target"),
        ({"kafka.tls.internal": False}, "kafka.tls.internal", "always encrypts"),
        ({"kafka.tls.renewBefore": "365d"}, "kafka.tls.renewBefore", "renew for ever"),
        ({"kafka.tls.renewBefore": "12h"}, "kafka.tls.renewBefore", "less than a day"),
        ({"kafka.tiered": {"bucket": "b", "store": "local"}}, "kafka.tiered.store", "one machine"),
        ({"kafka.name": "1st"}, "kafka.name", "a letter first"),
        ({"kafka.name": "x" * 36}, "kafka.name", "at most 35"),
        ({"kafka.version": "4.2.0"}, "kafka.metadataVersion", "newer than Kafka 4.2.0"),
        ({"kafka.quotas.connectionRate": "0.5/s"}, "kafka.quotas.connectionRate", "whole"),
        ({"kafka.brokers": {"jvm": "4Gi"}}, "kafka.brokers.jvm.heap", "half of the memory"),
        ({"kafka.brokers": {"resources": {"memory": "1MiB"}}}, "kafka.brokers.resources.memory", "less than 1MiB"),
        ({"kafka.brokers": {"resources": {"cpu": 2, "cpuLimit": 1}}}, "kafka.brokers.resources.cpuLimit", "less than"),
        (
            {"kafka.users[0].authentication": "tls", "kafka.users[0].password": "vault:a#b"},
            "kafka.users[0].password",
            "certificate",
        ),
        (
            {"kafka.users[0].acls": [{"resource": "topic", "operations": ["Read"]}]},
            "kafka.users[0].acls[0].name",
            "needs a name",
        ),
        ({"kubernetes.namespace": "kube-system"}, "kubernetes.namespace", "Kubernetes' own"),
        ({"kubernetes.namespace": "strimzi"}, "kubernetes.namespace", "operator's"),
        ({"naming.pattern": "("}, "naming.pattern", "not a regular expression"),
        ({"naming.pattern": "^[a-z]+$"}, "pipelines[0].dlq", "does not match naming.pattern"),
        ({"naming.topic": "{team}_{entity}"}, "naming.topic", "unknown placeholder {team}"),
        ({"naming.topic": "{tenant!r}"}, "naming.topic", "no form or conversion"),
        ({"naming.topic": "{tenant:>9}"}, "naming.topic", "no form or conversion"),
        ({"naming.topic": "{tenant"}, "naming.topic", "not a name pattern"),
        ({"naming.topic": "{tenant}"}, "pipelines[0].source.mysql.tables[1]", "has the name of"),
        ({"naming.topic": "{tenant} {entity}"}, "pipelines[0].source.mysql.tables[0]", "not a topic name"),
        ({"pipelines[0].topic.name": "x"}, "pipelines[0].topic.name", "cannot serve all tables"),
        ({"pipelines[0].source": {}}, "pipelines[0].source", "exactly one source"),
        (
            {"pipelines[0].source.cassandra": {"host": "c", "password": "vault:a#b", "tables": ["a.b"]}},
            "pipelines[0].source",
            "one",
        ),
        (
            {"pipelines[0].source.mysql.tables[2]": "shop.orders"},
            "pipelines[0].source.mysql.tables[2]",
            "listed twice; keep one",
        ),
        (
            {'pipelines[0].tables["shop.x"].partitions': 1},
            'pipelines[0].tables["shop.x"]',
            "use one of shop.orders, shop.lines",
        ),
        ({"pipelines[0].name": "x" * 60}, "pipelines[0].sourceUser", "longer than 63"),
        (
            {"pipelines[1]": {**pipeline("other"), "source": shop()["pipelines"][0]["source"]}},
            "pipelines[1].source.mysql.tables[0]",
            "already captured by pipelines[0].source.mysql.tables[0]",
        ),
        ({"pipelines[1]": pipeline("orders")}, "pipelines[1].name", "already pipelines[0]"),
        ({"pipelines[1]": pipeline("other"), "naming.group": "g"}, "naming.group", "that of pipelines[0] and pipelines[1]"),
        (
            {"pipelines[1]": pipeline("other", sink={"postgres": {"database": "w"}, "group": "shop_orders_sink"})},
            "pipelines[1].sink.group",
            "that of pipelines[0]",
        ),
        ({"tenants[0].budget.produce": "19MB/s"}, "tenants[0].budget.produce", "add up to"),
        ({"tenants[0].budget.controllerMutations": "1/s"}, "tenants[0].budget.controllerMutations", "add up to 20"),
        (
            {"tenants[0].budget.produce": "90MB/s", "kafka.quotas.default": {"consume": "1MB/s"}},
            "tenants[0].budget.produce",
            "no bound",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], path: str, message: str) -> None:
    found = messages(problems_of(shop(changes)))
    assert message in found.get(path, f"nothing about {path}: {found}")
    assert all(text.partition("; ")[2] for text in found.values())


@pytest.mark.parametrize(
    ("listeners", "brokers", "path", "message"),
    [
        ([("a", 19092), ("b", 19093)], 3, "kafka.listeners[1].port", "listeners[0]"),
        ([("a", 65534)], 3, "kafka.listeners[0].port", "65536"),
    ],
)
def test_host_listeners_need_room_for_every_broker(
    listeners: list[tuple[str, int]], brokers: int, path: str, message: str
) -> None:
    kafka = {"brokers": brokers, "listeners": [{"name": name, "port": port, "type": "host"} for name, port in listeners]}
    assert message in messages(problems_of({"tier": "development", "target": "docker", "kafka": kafka}))[path]
