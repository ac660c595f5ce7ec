"""MirrorMaker: what it takes, what it needs, and what it becomes."""

import re
from typing import Any

import pytest

from components.core import yaml_text
from components.environment import EnvironmentSpec
from components.kafka.state import AclBinding, User
from components.mirror_maker import derive, patterns
from components.platform import render
from tests.strategies.examples import build, messages, problems_of, shop
from tests.unit.java_properties import java_load

SOURCE = {
    "environment": "prod",
    "bootstrap": "kafka.prod.example:9094",
    "password": "vault:mirror#password",
    "ca": "secret:ca#ca.crt",
}


def standby(changes: dict[str, Any] | None = None, **mirror: Any) -> EnvironmentSpec:
    return build(shop({"mirrorMaker": {"source": SOURCE, **mirror}, **(changes or {})}))


def on_docker(**mirror: Any) -> dict[str, str]:
    rendered = render(standby({"target": "docker"}, **mirror))
    return java_load(next(text for path, text in rendered.files.items() if path.endswith("mm2.properties")))


def on_kubernetes(**mirror: Any) -> dict[str, Any]:
    [found] = [m for m in render(standby(**mirror)).manifests if m.kind == "KafkaMirrorMaker2"]
    return dict(found.body["spec"])


def user(spec: EnvironmentSpec, name: str) -> User:
    return next(user for user in spec.kafka_state.users if user.name == name)


# What is mirrored


def test_every_topic_and_group_of_a_tenants_pipelines_is_mirrored_by_default() -> None:
    spec = standby()
    assert spec.mirror_maker is not None
    for topic in spec.kafka_state.topics:
        assert derive.takes_topic(spec.mirror_maker, spec, topic.name) == bool(topic.pipeline), topic.name
    assert derive.takes_group(spec.mirror_maker, spec, "shop_orders_sink")
    assert derive.takes_topic(spec.mirror_maker, spec, "shop_later_entity")
    assert not derive.takes_topic(spec.mirror_maker, spec, "billing_orders_orders")


def test_other_conventions_of_names_are_followed() -> None:
    spec = standby({"naming": {"topic": "cassandra.{database}.{table}", "group": "sink.{pipeline}"}})
    assert spec.mirror_maker is not None
    assert derive.takes_topic(spec.mirror_maker, spec, "cassandra.shop.orders")
    assert not derive.takes_topic(spec.mirror_maker, spec, "cassandraXshop.orders")
    assert derive.takes_group(spec.mirror_maker, spec, "sink.orders")


def test_connectors_positions_are_mirrored_unless_told_otherwise() -> None:
    for wanted in (True, False):
        spec = standby(connectOffsets=wanted)
        assert spec.mirror_maker is not None
        assert derive.takes_topic(spec.mirror_maker, spec, "shop_orders_offsets_blue") is wanted


@pytest.mark.parametrize(("distribution", "topic"), [("confluent", "_schemas"), ("apicurio", "kafkasql-journal")])
def test_the_registrys_contents_are_mirrored_and_what_is_local_to_a_registry_is_not(distribution: str, topic: str) -> None:
    spec = standby({"schemaRegistry": {"distribution": distribution, "replicas": 1}})
    assert spec.mirror_maker is not None
    assert derive.registry_topics(spec) == (topic,)
    assert derive.takes_topic(spec.mirror_maker, spec, topic)
    assert not derive.takes_topic(spec.mirror_maker, spec, "kafkasql-snapshots")


def test_what_is_mirrored_is_marked_until_the_standby_has_taken_over() -> None:
    assert {topic.name for topic in standby().kafka_state.topics if topic.mirrored} == {
        f"shop_orders_{name}" for name in ("orders", "lines", "dlq", "schema_history", "signals", "heartbeat")
    }
    assert not [topic for topic in standby(failedOver=True).kafka_state.topics if topic.mirrored]


def test_the_operator_leaves_mirrored_topics_alone_until_the_standby_has_taken_over() -> None:
    for failed_over in (False, True):
        topics = [m for m in render(standby(failedOver=failed_over)).manifests if m.kind == "KafkaTopic"]
        released = {m.name for m in topics if m.body["metadata"]["annotations"].get("strimzi.io/managed") == "false"}
        assert ("shop-orders-orders" in released) is not failed_over
        assert "mm2-offsets.prod.internal" not in released


@pytest.mark.parametrize(
    ("expression", "pattern"),
    [
        (r"shop_.+_.+", "shop_*"),
        (r"cassandra\..+\..+", "cassandra.*"),
        ("_schemas", "_schemas"),
        (r"a\.b", "a.b"),
        ("ab?c", "a*"),
        ("shop|billing", "*"),
        ("shop_(a|b)_x", "shop_*"),
        (".+", "*"),
        (r"x\d", "x*"),
    ],
)
def test_an_acl_covers_all_that_an_expression_can_match_and_as_little_more_as_can_be(expression: str, pattern: str) -> None:
    assert patterns.acl_pattern(expression) == pattern


# Rights


def test_on_the_source_the_mirror_only_reads() -> None:
    mirror = user(build(shop({"disasterRecovery": "prod-dr"})), derive.USER)
    assert {operation for acl in mirror.acls for operation in acl.operations} == {"Describe", "DescribeConfigs", "Read"}
    assert AclBinding("topic", "shop_", "prefix", ("Describe", "DescribeConfigs", "Read")) in mirror.acls
    assert AclBinding("group", "shop_", "prefix", ("Describe",)) in mirror.acls
    assert None not in (mirror.quota.produce, mirror.quota.consume, mirror.quota.request)


def test_on_the_standby_the_mirror_deletes_nothing() -> None:
    mirror = user(standby(), derive.WRITER)
    assert not {"All", "Delete", "ClusterAction"} & {operation for acl in mirror.acls for operation in acl.operations}
    assert not [acl for acl in mirror.acls if acl.name == "*"]


# Settings


def test_both_targets_have_the_same_settings() -> None:
    spec, file = on_kubernetes(), on_docker()
    mirror, target = spec["mirrors"][0], spec["target"]
    docker = {key.removeprefix("prod->trial."): value for key, value in file.items() if key.startswith("prod->trial.")}
    kubernetes = {**mirror["sourceConnector"]["config"], **mirror["checkpointConnector"]["config"]}
    for key, value in kubernetes.items():
        told = file[f"prod.{key.removeprefix('source.')}"] if key.startswith("source.consumer.") else docker.get(key)
        assert key == "exactly.once.support" or told == _text(value), key
    assert {key: file[f"trial.{key}"] for key in target["config"]} == {key: _text(v) for key, v in target["config"].items()}
    assert docker["topics"] == mirror["topicsPattern"]
    assert docker["groups.exclude"] == mirror["groupsExcludePattern"]
    for what, key in (("config", "configStorageTopic"), ("offset", "offsetStorageTopic"), ("status", "statusStorageTopic")):
        assert file[f"trial.{what}.storage.topic"] == target[key]
    assert file["trial.group.id"] == target["groupId"]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_names_stay_groups_are_followed_and_acls_are_not() -> None:
    file = on_docker()
    assert file["prod->trial.replication.policy.class"].endswith("IdentityReplicationPolicy")
    assert file["prod->trial.sync.group.offsets.enabled"] == "true"
    assert file["prod->trial.sync.topic.acls.enabled"] == "false"
    assert file["prod->trial.offset-syncs.topic.location"] == "target"


def test_nothing_flows_back() -> None:
    file = on_docker()
    assert file["trial->prod.enabled"] == file["trial->prod.emit.heartbeats.enabled"] == "false"


def test_internal_topics_have_the_clusters_replicas() -> None:
    found = {key: value for key, value in on_docker().items() if key.endswith("replication.factor")}
    assert len(found) == 7
    assert set(found.values()) == {"3"}


def test_exactly_once_is_asked_for_where_no_connector_is_to_go_on() -> None:
    wanted = {"exactlyOnce": True, "connectOffsets": False}
    assert on_docker(**wanted)["trial.exactly.once.source.support"] == "enabled"
    assert on_kubernetes(**wanted)["mirrors"][0]["sourceConnector"]["config"]["exactly.once.support"] == "required"
    assert "trial.exactly.once.source.support" not in on_docker()


def test_a_standby_that_has_taken_over_mirrors_nothing() -> None:
    assert on_kubernetes(failedOver=True)["replicas"] == 0
    assert not [w for w in render(standby({"target": "docker"}, failedOver=True)).workloads if w.component == "mirror_maker"]


def test_secrets_are_files_of_both_sides() -> None:
    file = on_docker()
    assert "${directory:/run/secrets/mirror-maker/source:mirror-maker.password}" in file["prod.sasl.jaas.config"]
    assert "${directory:/run/secrets/mirror-maker:mirror-maker-writer.password}" in file["trial.sasl.jaas.config"]
    source = on_kubernetes()["mirrors"][0]["source"]
    assert source["authentication"]["passwordSecret"] == {"secretName": "mirror-maker-source", "password": "password"}
    assert source["tls"]["trustedCertificates"] == [{"secretName": "ca", "certificate": "ca.crt"}]


def test_a_source_that_the_machines_authorities_vouch_for_needs_no_ca() -> None:
    source = {key: value for key, value in SOURCE.items() if key != "ca"}
    rendered = render(build(shop({"target": "docker", "mirrorMaker": {"source": source}})))
    file = java_load(next(text for path, text in rendered.files.items() if path.endswith("mm2.properties")))
    assert not [key for key in file if key.startswith("prod.ssl.truststore")]
    assert file["prod.security.protocol"] == "SASL_SSL"


def test_a_node_that_gives_up_a_task_is_begun_anew() -> None:
    [workload, _] = [w for w in render(standby({"target": "docker"})).workloads if w.component == "mirror_maker"]
    assert "will not recover until manually restarted" in workload.command[2].replace("'", "")


def test_every_metric_has_a_name_of_its_own_and_a_pattern_that_java_reads() -> None:
    [found] = [m for m in render(standby()).manifests if m.kind == "ConfigMap" and m.name == "mirror-maker-metrics"]
    rules = yaml_text.load(found.body["data"]["metrics.yaml"], "rules")["rules"]
    assert len({rule["name"] for rule in rules}) == len(rules)
    for rule in rules:
        assert re.compile(rule["pattern"]).groups == max(int(value[1:]) for value in rule["labels"].values())


# Refusals


@pytest.mark.parametrize(
    ("mirror", "path", "word"),
    [
        ({"source": {**SOURCE, "environment": "trial"}}, "mirrorMaker.source.environment", "itself"),
        ({"source": {**SOURCE, "alias": "trial"}}, "mirrorMaker.source.alias", "own"),
        ({"source": {**SOURCE, "bootstrap": "nowhere"}}, "mirrorMaker.source.bootstrap", ""),
        ({"source": {**SOURCE, "tls": False}}, "mirrorMaker.source.ca", "encryption"),
        ({"source": SOURCE, "topics": ["a,b"]}, "mirrorMaker.topics[0]", "commas"),
        ({"source": SOURCE, "topics": ["("]}, "mirrorMaker.topics[0]", "regular expression"),
        ({"source": SOURCE, "replicationFactor": 5}, "mirrorMaker.replicationFactor", "brokers"),
        ({"source": SOURCE, "exactlyOnce": True}, "mirrorMaker.exactlyOnce", "Debezium"),
        ({"source": SOURCE, "checkpoints": "1500ms"}, "mirrorMaker.checkpoints", "whole seconds"),
        ({"source": SOURCE, "jvm": "2Gi"}, "mirrorMaker.jvm.heap", "memory"),
    ],
)
def test_a_mirror_that_cannot_work_is_refused_where_it_says_so(mirror: dict[str, Any], path: str, word: str) -> None:
    found = messages(problems_of(shop({"mirrorMaker": mirror})))
    assert path in found
    assert word in found[path]


def test_a_mirror_without_tenants_must_say_what_it_mirrors() -> None:
    bare: dict[str, Any] = {"tier": "staging", "target": "kubernetes"}
    mirror = {"source": SOURCE, "registry": False}
    assert "nothing is mirrored" in messages(problems_of({**bare, "mirrorMaker": mirror}))["mirrorMaker.topics"]
    assert problems_of({**bare, "mirrorMaker": {**mirror, "topics": ["a.+"], "groups": ["g"]}}) == []


def test_an_environment_is_no_standby_of_its_own() -> None:
    assert "itself" in messages(problems_of(shop({"disasterRecovery": "trial"})))["disasterRecovery.standby"]
