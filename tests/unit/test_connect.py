"""Kafka Connect, blue and green: what Kafka must have, what runs, and where secrets are."""

import json
import re
from typing import Any

import pytest

from components.connect.connectors import connectors
from components.connect.derive import backends
from components.connect.names import COLOURS
from components.environment import EnvironmentSpec
from components.kafka.state import User
from components.platform import render
from policies.model import properties
from tests.strategies.examples import build, shop
from tests.unit.connect_specs import IMAGE, JDBC, body, connector, docker, kubernetes


def user(spec: EnvironmentSpec, name: str) -> User:
    return next(one for one in spec.kafka_state.users if one.name == name)


def rights(spec: EnvironmentSpec, name: str) -> set[tuple[str, str, tuple[str, ...]]]:
    return {(acl.resource, acl.name, acl.operations) for acl in user(spec, name).acls}


# What Kafka must have


def test_without_connect_there_is_nothing_of_it() -> None:
    spec = build(shop())
    assert connectors(spec, "blue") == () == backends(spec)
    names = [topic.name for topic in spec.kafka_state.topics] + [one.name for one in spec.kafka_state.users]
    assert not [name for name in names if "connect" in name]
    assert not [one for one in render(spec).manifests if one.component.startswith("connect")]


def test_each_colour_has_topics_of_its_own_and_a_user_that_reaches_no_others() -> None:
    spec = build(kubernetes())
    for colour in COLOURS:
        topics = {topic.name: topic for topic in spec.kafka_state.topics if topic.name.startswith(f"cdc-connect-{colour}-")}
        assert {name.rpartition("-")[2]: topic.partitions for name, topic in topics.items()} == {
            "configs": 1,
            "offsets": 25,
            "status": 5,
        }
        assert {(topic.replicas, topic.config["cleanup.policy"]) for topic in topics.values()} == {(3, "compact")}
        stored = ("Describe", "DescribeConfigs", "Read", "Write")
        assert rights(spec, f"connect-{colour}") == {
            ("group", f"cdc-connect-{colour}", ("Describe", "Read")),
            ("transactionalId", f"connect-cluster-cdc-connect-{colour}", ("Describe", "Write")),
            *(("topic", name, stored) for name in topics),
        }


def test_a_source_user_may_write_in_its_connectors_transactions_and_keep_its_positions() -> None:
    added = rights(build(kubernetes()), "shop-orders-source") - rights(build(shop()), "shop-orders-source")
    stored = ("Describe", "DescribeConfigs", "Read", "Write")
    assert added == {
        *(("topic", f"shop_orders_offsets_{colour}", stored) for colour in COLOURS),
        *(("transactionalId", f"cdc-connect-{colour}-orders-source-{colour}-0", ("Describe", "Write")) for colour in COLOURS),
    }
    offsets = [topic for topic in build(kubernetes()).kafka_state.topics if "_offsets_" in topic.name]
    assert {(topic.tenant, topic.pipeline, topic.owner, topic.partitions) for topic in offsets} == {
        ("shop", "orders", "team-shop", 1)
    }


# Rendered


def test_on_kubernetes_connectors_are_of_the_active_colour_alone() -> None:
    rendered = render(build(kubernetes(active="green", standbyReplicas=1)))
    found = [one for one in rendered.manifests if one.kind == "KafkaConnector"]
    assert [one.name for one in found] == ["orders-source-green"]
    assert found[0].body["metadata"]["labels"]["strimzi.io/cluster"] == "cdc-connect-green"
    assert found[0].body["spec"]["autoRestart"] == {"enabled": True, "maxRestarts": 7}
    replicas = {c: body(rendered, "KafkaConnect", f"cdc-connect-{c}")["spec"]["replicas"] for c in COLOURS}
    assert replicas == {"blue": 1, "green": 3}


def test_the_active_colour_is_scaled_by_processor_time() -> None:
    spec = body(render(build(kubernetes(autoscaling={}))), "HorizontalPodAutoscaler", "cdc-connect-blue")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 10)
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 70


def test_an_image_can_be_built_from_maven_artifacts() -> None:
    build_spec = {
        "image": "registry.example.org/connect:1",
        "plugins": [{"name": "mysql", "artifacts": ["io.debezium:debezium-connector-mysql:3.5.0.Final"]}],
    }
    spec = body(render(build(kubernetes(image=None, build=build_spec))), "KafkaConnect", "cdc-connect-blue")["spec"]
    assert spec["build"]["output"] == {"type": "docker", "image": "registry.example.org/connect:1"}
    assert spec["build"]["plugins"][0]["artifacts"] == [
        {"type": "maven", "group": "io.debezium", "artifact": "debezium-connector-mysql", "version": "3.5.0.Final"}
    ]


def test_one_colour_can_have_the_next_release() -> None:
    rendered = render(build(kubernetes(images={"green": "acme/connect:2"})))
    images = [body(rendered, "KafkaConnect", f"cdc-connect-{colour}")["spec"]["image"] for colour in COLOURS]
    assert images == [IMAGE, "acme/connect:2"]


def test_on_docker_each_worker_is_a_container_with_its_own_port() -> None:
    rendered = render(build(docker(replicas=2, standbyReplicas=1, resources={"memory": "1Gi"})))
    workers = {one.name: one for one in rendered.workloads if one.component == "connect"}
    assert {name: worker.ports for name, worker in workers.items()} == {
        "cdc-connect-blue-0": ((18083, 8083),),
        "cdc-connect-blue-1": ((18084, 8083),),
        "cdc-connect-green-0": ((18085, 8083),),
    }
    worker = workers["cdc-connect-green-0"]
    assert (worker.image, worker.user, worker.read_only) == ("quay.io/debezium/connect:3.5.0.Final", "1001:1001", True)
    settings = properties(worker.files["/etc/cdc/connect.properties"])
    wanted = {
        "group.id": "cdc-connect-green",
        "config.storage.topic": "cdc-connect-green-configs",
        "exactly.once.source.support": "enabled",
        "connector.client.config.override.policy": "All",
        "config.providers.directory.param.allowed.paths": "/run/secrets/connect",
        "listeners": "http://cdc-connect-green-0:8083",
        "admin.sasl.mechanism": "SCRAM-SHA-512",
    }
    assert {key: settings[key] for key in wanted} == wanted


def test_on_docker_connectors_are_files_of_the_active_colour() -> None:
    files = render(build(docker())).files
    found = {path: json.loads(text) for path, text in files.items() if path.startswith("connect/connectors/")}
    assert list(found) == ["connect/connectors/blue/orders-source.json"]
    assert found["connect/connectors/blue/orders-source.json"] == connector(docker(), "orders-source").config


@pytest.mark.parametrize("values", [kubernetes(active="green"), docker(active="green")], ids=["kubernetes", "docker"])
def test_haproxy_stands_before_the_active_colour_alone(values: dict[str, Any]) -> None:
    [backend] = backends(build(values))
    assert (backend.name, backend.port, backend.health_path) == ("connect", 8083, "/health")
    assert all("green" in server.host for server in backend.servers)


# Where secrets are


def test_on_kubernetes_each_secret_is_read_by_its_name_and_the_workers_may_read_those_only() -> None:
    rendered = render(build(kubernetes({"pipelines[0].sink": JDBC})))
    config = body(rendered, "KafkaConnector", "orders-source-blue")["spec"]["config"]
    assert config["database.password"] == "${secrets:cdc/orders-source-database:password}"
    assert 'password="${secrets:cdc/shop-orders-source:password}"' in config["producer.override.sasl.jaas.config"]
    assert config["admin.override.ssl.truststore.location"] == "/mnt/cdc-cluster-ca-cert/cluster-ca.pem"
    [rule] = body(rendered, "Role", "cdc-connect-blue-secrets")["rules"]
    assert (rule["resources"], rule["verbs"]) == (["secrets"], ["get"])
    texts = json.dumps([one.body for one in rendered.manifests if one.kind == "KafkaConnector"])
    named = set(re.findall(r"\$\{secrets:cdc/([^:]+):", texts)) | {"connect-blue"}
    assert set(rule["resourceNames"]) == named
    [account] = body(rendered, "RoleBinding", "cdc-connect-blue-secrets")["subjects"]
    assert account == {"kind": "ServiceAccount", "name": "cdc-connect-blue-connect", "namespace": "cdc"}
    template = body(rendered, "KafkaConnect", "cdc-connect-blue")["spec"]["template"]
    assert [volume["secret"]["secretName"] for volume in template["pod"]["volumes"]] == ["cdc-cluster-ca-cert"]
    assert [mount["mountPath"] for mount in template["connectContainer"]["volumeMounts"]] == ["/mnt/cdc-cluster-ca-cert"]


def test_avro_is_written_through_haproxy_with_its_own_credentials() -> None:
    registry = {
        "schemaRegistry": {"distribution": "confluent"},
        "haproxy": {"users": [{"name": "app", "passwordHash": "vault:h#h", "password": "vault:haproxy#app"}]},
    }
    config = connector(kubernetes(registry), "orders-source-blue").config
    assert config["value.converter"] == "io.confluent.connect.avro.AvroConverter"
    wanted = {
        "schema.registry.url": "https://haproxy:8081",
        "auto.register.schemas": "true",
        "use.latest.version": "true",
        "normalize.schemas": "true",
        "basic.auth.user.info": "app:${secrets:cdc/haproxy-users:app}",
        "schema.registry.ssl.truststore.location": "/mnt/haproxy-tls/haproxy-ca.pem",
    }
    for side in ("key", "value"):
        assert {key: config[f"{side}.converter.{key}"] for key in wanted} == wanted


def test_without_a_registry_json_carries_its_schema() -> None:
    config = connector(kubernetes(), "orders-source-blue").config
    assert config["value.converter"] == "org.apache.kafka.connect.json.JsonConverter"
    assert config["value.converter.schemas.enable"] == "true"
