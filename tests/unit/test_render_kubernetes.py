"""What Strimzi and Kubernetes are told: each concern of the spec, where its operator looks for it."""

from typing import Any

import pytest

from components.core.rendered import Manifest, Rendered
from components.loading import load_environment
from components.platform import render
from tests.strategies.examples import ROOT, build, pipeline, shop

TOPICS_AND_USERS = ("KafkaTopic", "KafkaUser")


def rendered(changes: dict[str, Any] | None = None) -> Rendered:
    return render(build(shop(changes)))


def manifest(changes: dict[str, Any], identity: str) -> Manifest:
    """By kind and name: ``KafkaTopic/orders``."""
    found = [one for one in rendered(changes).manifests if f"{one.kind}/{one.name}" == identity]
    assert len(found) == 1, identity
    return found[0]


def spec(changes: dict[str, Any], identity: str) -> Any:
    return manifest(changes, identity).body["spec"]


def kafka(changes: dict[str, Any]) -> Any:
    return spec(changes, "Kafka/cdc")["kafka"]


# The set of objects


def test_a_small_environment_is_these_objects() -> None:
    assert [f"{one.kind}/{one.name}" for one in rendered().manifests] == [
        "Namespace/cdc",
        "NetworkPolicy/default-deny",
        "PriorityClass/cdc-trial-data",
        "PriorityClass/cdc-trial-service",
        "Kafka/cdc",
        "KafkaNodePool/brokers",
        "KafkaNodePool/controllers",
        "NetworkPolicy/cdc-clients",
        "NetworkPolicy/cdc-cluster",
        "KafkaTopic/shop-orders-dlq",
        "KafkaTopic/shop-orders-heartbeat",
        "KafkaTopic/shop-orders-lines",
        "KafkaTopic/shop-orders-orders",
        "KafkaTopic/shop-orders-schema-history",
        "KafkaTopic/shop-orders-signals",
        "KafkaUser/admin",
        "KafkaUser/shop-orders-sink",
        "KafkaUser/shop-orders-source",
    ]


def test_what_holds_data_or_trust_is_stateful_and_nothing_else() -> None:
    stateful = {one.kind for one in rendered({"kafka.cruiseControl": {}}).manifests if one.stateful}
    assert stateful == {"Namespace", "Kafka", "KafkaNodePool", "KafkaTopic"}


def test_every_object_is_in_the_namespace_but_those_that_are_in_none() -> None:
    for one in rendered({"kubernetes.namespace": "data"}).manifests:
        assert one.namespace == (None if one.kind in {"Namespace", "PriorityClass"} else "data")
    assert manifest({"kubernetes.namespace": "data"}, "Namespace/data").namespace is None


def test_every_object_says_whose_it_is() -> None:
    for one in rendered().manifests:
        labels = one.body["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "cdc-platform"
        assert labels["cdc.platform/environment"] == "trial"
        if one.kind in (*TOPICS_AND_USERS, "KafkaNodePool"):
            assert labels["strimzi.io/cluster"] == "cdc"


# The cluster


def test_brokers_and_controllers_are_pools_of_their_own_with_ids_of_their_own() -> None:
    changes = {"kafka.brokers": {"replicas": 3, "storage": {"size": "5Gi", "volumes": 2, "class": "fast"}}}
    brokers, controllers = (manifest(changes, f"KafkaNodePool/{name}") for name in ("brokers", "controllers"))
    assert brokers.body["spec"]["roles"] == ["broker"]
    assert controllers.body["spec"]["roles"] == ["controller"]
    assert brokers.body["metadata"]["annotations"]["strimzi.io/next-node-ids"] == "[0-99]"
    assert controllers.body["metadata"]["annotations"]["strimzi.io/next-node-ids"] == "[100-199]"
    assert brokers.body["spec"]["storage"] == {
        "type": "jbod",
        "volumes": [
            {
                "id": 0,
                "type": "persistent-claim",
                "size": "5Gi",
                "deleteClaim": False,
                "class": "fast",
                "kraftMetadata": "shared",
            },
            {"id": 1, "type": "persistent-claim", "size": "5Gi", "deleteClaim": False, "class": "fast"},
        ],
    }


def test_without_controllers_the_brokers_are_the_controllers() -> None:
    assert spec({"kafka.controllers": 0}, "KafkaNodePool/brokers")["roles"] == ["controller", "broker"]
    assert not [one for one in rendered({"kafka.controllers": 0}).manifests if one.name == "controllers"]


def test_ephemeral_storage_is_bounded() -> None:
    changes = {"kafka.brokers.storage": {"size": "5Gi", "type": "ephemeral"}}
    volumes = spec({"kafka.brokers": {}, **changes}, "KafkaNodePool/brokers")["storage"]["volumes"]
    assert volumes == [{"id": 0, "type": "ephemeral", "sizeLimit": "5Gi", "kraftMetadata": "shared"}]


@pytest.mark.parametrize(
    ("pool", "heap", "limits"),
    [
        ({}, "2048m", {"cpu": "2", "memory": "4Gi"}),
        ({"resources": {"cpu": "500m", "memory": "8Gi"}}, "4096m", {"cpu": "1", "memory": "8Gi"}),
        ({"resources": {"cpu": 2, "cpuLimit": 4}, "jvm": "1GiB"}, "1024m", {"cpu": "4", "memory": "4Gi"}),
    ],
)
def test_memory_is_requested_in_full_and_half_of_it_is_heap(pool: dict[str, Any], heap: str, limits: dict[str, str]) -> None:
    found = spec({"kafka.brokers": pool}, "KafkaNodePool/brokers")
    assert found["jvmOptions"] == {"-Xms": heap, "-Xmx": heap}
    assert found["resources"]["limits"] == limits
    assert found["resources"]["requests"]["memory"] == limits["memory"]


def test_jvm_options_are_sorted_texts() -> None:
    changes = {"kafka.brokers": {"jvm": {"options": {"UseZGC": "true", "MaxGCPauseMillis": "20"}}}}
    assert list(spec(changes, "KafkaNodePool/brokers")["jvmOptions"]["-XX"].items()) == [
        ("MaxGCPauseMillis", "20"),
        ("UseZGC", "true"),
    ]


def test_nodes_spread_over_racks_strictly_and_over_machines_where_they_can() -> None:
    """Strimzi's rack alone places no pod."""
    changes = {"kafka.racks": {"topologyKey": "zone", "maxSkew": 2}}
    assert kafka(changes)["rack"] == {"topologyKey": "zone"}
    for pool in ("brokers", "controllers"):
        zone, machine = spec(changes, f"KafkaNodePool/{pool}")["template"]["pod"]["topologySpreadConstraints"]
        assert (zone["topologyKey"], zone["maxSkew"], zone["whenUnsatisfiable"]) == ("zone", 2, "DoNotSchedule")
        assert (machine["topologyKey"], machine["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
        assert zone["labelSelector"]["matchLabels"] == {"strimzi.io/cluster": "cdc", "strimzi.io/pool-name": pool}


def test_a_pools_own_template_keeps_what_the_clusters_says() -> None:
    """A pool's template takes the place of the cluster's, section by section."""
    pod = kafka({})["template"]["pod"]
    for pool in ("brokers", "controllers"):
        assert pod.items() <= spec({}, f"KafkaNodePool/{pool}")["template"]["pod"].items()


def test_priorities_that_pods_name_exist() -> None:
    manifests = rendered({"kafka.cruiseControl": {}}).manifests
    existing = {one.name for one in manifests if one.kind == "PriorityClass"}
    assert set(_values(manifests, "priorityClassName")) == existing


def _values(value: Any, key: str) -> list[Any]:
    """All values of ``key``, wherever it is."""
    if isinstance(value, Manifest):
        return _values(value.body, key)
    if isinstance(value, dict):
        own = [value[key]] if key in value else []
        return own + [found for part in value.values() for found in _values(part, key)]
    return [found for part in value for found in _values(part, key)] if isinstance(value, (list, tuple)) else []


def test_every_container_gives_up_every_right() -> None:
    containers = kafka({})["template"], spec({}, "Kafka/cdc")["entityOperator"]["template"]
    for template in containers:
        for name, part in template.items():
            if name.endswith("Container"):
                assert part["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert part["securityContext"]["allowPrivilegeEscalation"] is False
                assert part["securityContext"]["runAsNonRoot"] is True
                assert part["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_one_pod_at_a_time_may_be_disrupted() -> None:
    assert kafka({})["template"]["podDisruptionBudget"] == {"maxUnavailable": 1}
    assert not [one for one in rendered().manifests if one.kind == "PodDisruptionBudget"]


def test_certificate_authorities_outlive_the_cluster_and_renew_in_time() -> None:
    changes = {"kafka.tls": {"validity": "400d", "renewBefore": "60d"}}
    for authority in ("clusterCa", "clientsCa"):
        assert spec(changes, "Kafka/cdc")[authority] == {
            "generateCertificateAuthority": True,
            "generateSecretOwnerReference": False,
            "validityDays": 400,
            "renewalDays": 60,
        }


def test_super_users_are_known_by_what_they_show() -> None:
    """A certificate's subject is the whole distinguished name; Strimzi's users have no more than CN in it."""
    users = [{"name": "one", "authentication": "tls"}, {"name": "two"}]
    changes = {"kafka.users": users, "kafka.authorization.superUsers": ["one", "two"]}
    assert kafka(changes)["authorization"] == {"type": "simple", "superUsers": ["CN=one", "two"]}


def test_without_authorization_no_user_has_acls() -> None:
    changes = {"kafka.authorization.type": "none"}
    assert "authorization" not in kafka(changes)
    assert "authorization" not in spec(changes, "KafkaUser/shop-orders-sink")


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


# Order


def test_the_order_in_which_things_are_declared_changes_no_manifest() -> None:
    """But for the spec paths that nothing of Kubernetes holds."""
    one, other = pipeline("a"), pipeline("b", ("other.t",))
    assert rendered({"pipelines": [one, other]}) == rendered({"pipelines": [other, one]})


@pytest.mark.parametrize("stack", ["prod", "prod-dr"])
def test_manifests_are_sorted_with_namespaces_first(stack: str) -> None:
    manifests = render(load_environment(ROOT, stack)).manifests
    assert manifests[0].kind == "Namespace"
    keys = [(one.component, one.kind, one.name) for one in manifests[1:]]
    assert keys == sorted(keys)
