"""What Strimzi and Kubernetes are told of the cluster: each concern of the spec, where its operator looks for it."""

from typing import Any

import pytest

from components.core.rendered import Manifest
from components.loading import load_environment
from components.platform import render
from tests.strategies.examples import ROOT, pipeline
from tests.unit.on_kubernetes import kafka, manifest, rendered, spec

TOPICS_AND_USERS = ("KafkaTopic", "KafkaUser")


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
