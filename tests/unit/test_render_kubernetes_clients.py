"""What Strimzi and Kubernetes are told of clients: listeners, networks, limits, topics and users."""

from typing import Any

import pytest

from tests.unit.on_kubernetes import kafka, manifest, rendered, spec

# Listeners and the network


def test_listeners_open_to_the_platforms_clients_and_to_tenants_namespaces() -> None:
    changes = {
        "tenants[0].namespaces": ["shop", "shop-batch"],
        "tenants[1]": {"name": "b", "owner": "b", "namespaces": ["shop", "b"]},
        "kafka.listeners": [{"name": "clients", "port": 9093}, {"name": "out", "port": 9094, "type": "loadbalancer"}],
    }
    internal, outer = kafka(changes)["listeners"]
    assert internal["networkPolicyPeers"] == [
        {"podSelector": {"matchLabels": {"cdc.platform/kafka-client": "true"}}},
        *(
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
            for name in ("b", "shop", "shop-batch")
        ),
    ]
    assert outer == {
        "name": "out",
        "port": 9094,
        "type": "loadbalancer",
        "tls": True,
        "authentication": {"type": "scram-sha-512"},
        "configuration": {"maxConnectionCreationRate": 100},
    }


def test_a_listener_without_authentication_says_nothing_of_it() -> None:
    changes = {"kafka.listeners": [{"name": "plain", "port": 9092, "tls": False, "authentication": "none"}]}
    assert "authentication" not in kafka(changes)["listeners"][0]
    assert kafka(changes)["listeners"][0]["tls"] is False


def test_clients_may_reach_the_listeners_and_no_other_port() -> None:
    changes = {"kafka.listeners": [{"name": "a", "port": 9093}, {"name": "b", "port": 9099}]}
    policy = spec(changes, "NetworkPolicy/cdc-clients")
    assert policy["podSelector"]["matchLabels"] == {"cdc.platform/kafka-client": "true"}
    [rule] = policy["egress"]
    assert [port["port"] for port in rule["ports"]] == [9093, 9099]
    assert rule["to"] == [{"podSelector": {"matchLabels": {"strimzi.io/cluster": "cdc"}}}]


def test_nothing_is_reached_by_default() -> None:
    policy = spec({}, "NetworkPolicy/default-deny")
    assert policy["podSelector"] == {}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53}


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("https://minio", 443), ("http://minio", 80), ("http://minio:9000", 9000), ("https://s3.example.org:8443/", 8443)],
)
def test_brokers_may_reach_the_store_of_old_segments(endpoint: str, port: int) -> None:
    egress = spec({"kafka.tiered": {"bucket": "b", "endpoint": endpoint}}, "NetworkPolicy/cdc-cluster")["egress"]
    assert {"ports": [{"port": port, "protocol": "TCP"}]} in egress


# Limits and configuration


def test_every_user_without_a_quota_has_the_clusters() -> None:
    assert kafka({})["quotas"] == {
        "type": "kafka",
        "producerByteRate": 10_000_000,
        "consumerByteRate": 20_000_000,
        "requestPercentage": 50,
        "controllerMutationRate": 10.0,
    }
    assert "quotas" not in kafka({"kafka.quotas.default": {}})


def test_new_connections_are_limited_on_client_listeners_and_not_between_brokers() -> None:
    limited = kafka({"kafka.quotas.connectionRate": "7/s"})
    assert [listener["configuration"] for listener in limited["listeners"]] == [{"maxConnectionCreationRate": 7}]
    assert "max.connection.creation.rate" not in limited["config"]


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({}, {"default.replication.factor": 3, "min.insync.replicas": 2, "auto.create.topics.enable": False}),
        ({}, {"unclean.leader.election.enable": False, "ssl.enabled.protocols": "TLSv1.3"}),
        ({"kafka.quotas.connections": 7}, {"max.connections": 7}),
        ({"kafka.tls.protocols": ["TLSv1.3", "TLSv1.2"]}, {"ssl.enabled.protocols": "TLSv1.3,TLSv1.2"}),
        ({"kafka.config": {"num.io.threads": 9, "x.y": "on"}}, {"num.io.threads": 9, "x.y": "on"}),
        ({"kafka.topicDefaults.retention": "forever"}, {"log.retention.ms": -1}),
        (
            {"kafka.tiered": {"bucket": "b"}},
            {
                "rlmm.config.remote.log.metadata.topic.replication.factor": 3,
                "rlmm.config.remote.log.metadata.topic.min.isr": 2,
            },
        ),
    ],
)
def test_brokers_are_configured(changes: dict[str, Any], settings: dict[str, Any]) -> None:
    assert settings.items() <= kafka(changes)["config"].items()


@pytest.mark.parametrize("brokers", [1, 2, 3, 7])
def test_kafkas_internal_topics_are_replicated_like_all_others(brokers: int) -> None:
    config = kafka({"kafka.brokers": brokers})["config"]
    replicas = {value for key, value in config.items() if key.endswith("replication.factor")}
    in_sync = {value for key, value in config.items() if key.endswith(("min.isr", "min.insync.replicas"))}
    assert replicas == {min(3, brokers)}
    assert in_sync == {max(1, min(3, brokers) - 1)}


def test_tiered_storage_is_configured_with_texts_and_without_secrets() -> None:
    changes = {
        "kafka.tiered": {
            "bucket": "b",
            "endpoint": "https://minio:9000",
            "credentials": "vault:p#k",
            "config": {"a": True, "b": 1},
        }
    }
    found = kafka(changes)
    assert found["tieredStorage"]["remoteStorageManager"]["config"] == {
        "a": "true",
        "b": "1",
        "chunk.size": "4194304",
        "key.prefix": "trial/cdc/",
        "storage.backend.class": "io.aiven.kafka.tieredstorage.storage.s3.S3Storage",
        "storage.s3.bucket.name": "b",
        "storage.s3.endpoint.url": "https://minio:9000",
        "storage.s3.path.style.access.enabled": "true",
        "storage.s3.region": "us-east-1",
    }
    [volume] = found["template"]["pod"]["volumes"]
    assert volume["secret"] == {"secretName": "cdc-tiered-storage", "items": [{"key": "k", "path": "credentials"}]}
    [mount] = found["template"]["kafkaContainer"]["volumeMounts"]
    assert mount["mountPath"].startswith("/mnt/")  # Strimzi refuses any other place


def test_rebalances_follow_from_cruise_control() -> None:
    changes: dict[str, Any] = {"kafka.cruiseControl": {}}
    modes = {one["mode"]: one["template"]["name"] for one in spec(changes, "Kafka/cdc")["cruiseControl"]["autoRebalance"]}
    assert modes == {"add-brokers": "cdc-add-brokers", "remove-brokers": "cdc-remove-brokers"}
    for name in modes.values():
        annotations = manifest(changes, f"KafkaRebalance/{name}").body["metadata"]["annotations"]
        assert annotations == {"strimzi.io/rebalance-template": "true"}
    changes["kafka.cruiseControl.autoRebalance"] = False
    assert "autoRebalance" not in spec(changes, "Kafka/cdc")["cruiseControl"]
    assert not [one for one in rendered(changes).manifests if one.kind == "KafkaRebalance"]


# Topics and users


def test_a_topic_says_its_name_where_its_object_cannot() -> None:
    assert spec({}, "KafkaTopic/shop-orders-orders")["topicName"] == "shop_orders_orders"
    assert "topicName" not in spec({"kafka.topics": [{"name": "a.b"}]}, "KafkaTopic/a.b")
    assert spec({"kafka.topics": [{"name": "a_b", "resourceName": "x"}]}, "KafkaTopic/x")["topicName"] == "a_b"


def test_a_topics_configuration_keeps_its_types() -> None:
    """Strimzi compares values with Kafka's as texts, so that a type of its own makes no difference, but no change either."""
    changes = {"kafka.topics": [{"name": "t", "config": {"preallocate": True, "min.cleanable.dirty.ratio": 0.5}}]}
    config = spec(changes, "KafkaTopic/t")["config"]
    assert config["preallocate"] is True
    assert config["min.cleanable.dirty.ratio"] == 0.5
    assert config["retention.ms"] == 604_800_000


def test_owners_are_annotations_since_they_are_free_text() -> None:
    changes = {"tenants[0].owner": "Équipe données <data@example.org>"}
    metadata = manifest(changes, "KafkaTopic/shop-orders-orders").body["metadata"]
    assert metadata["annotations"] == {"cdc.platform/owner": "Équipe données <data@example.org>"}
    assert metadata["labels"]["cdc.platform/tenant"] == "shop"
    assert metadata["labels"]["cdc.platform/pipeline"] == "orders"


@pytest.mark.parametrize(
    ("user", "authentication"),
    [
        ({"name": "u"}, {"type": "scram-sha-512"}),
        ({"name": "u", "authentication": "tls"}, {"type": "tls"}),
        (
            {"name": "u", "password": "vault:a/b#key"},
            {"type": "scram-sha-512", "password": {"valueFrom": {"secretKeyRef": {"name": "u-password", "key": "key"}}}},
        ),
        (
            {"name": "u", "password": "secret:own#key"},
            {"type": "scram-sha-512", "password": {"valueFrom": {"secretKeyRef": {"name": "own", "key": "key"}}}},
        ),
    ],
)
def test_a_password_is_a_reference_to_a_secret(user: dict[str, Any], authentication: dict[str, Any]) -> None:
    assert spec({"kafka.users": [user]}, "KafkaUser/u")["authentication"] == authentication


def test_a_users_rights_and_quota_are_in_its_object() -> None:
    user = {
        "name": "u",
        "consumes": ["a*"],
        "acls": [{"resource": "cluster", "operations": ["Describe"]}],
        "quota": {"produce": "1MB/s", "request": "5%", "controllerMutations": "0.5/s"},
    }
    found = spec({"kafka.users": [user]}, "KafkaUser/u")
    assert found["quotas"] == {"producerByteRate": 1_000_000, "requestPercentage": 5, "controllerMutationRate": 0.5}
    assert found["authorization"]["acls"] == [
        {"type": "allow", "resource": {"type": "cluster"}, "operations": ["Describe"], "host": "*"},
        {
            "type": "allow",
            "resource": {"type": "topic", "name": "a", "patternType": "prefix"},
            "operations": ["Describe", "Read"],
            "host": "*",
        },
    ]
