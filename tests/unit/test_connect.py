"""Kafka Connect, blue and green: what is derived and rendered from pipelines, and what is refused."""

import copy
import json
import re
from typing import Any

import pytest

from components.connect.connectors import Connector, connectors
from components.connect.derive import backends
from components.connect.names import COLOURS
from components.connect.routes import native_topic, routed, routes, topic_prefix
from components.connect.server_ids import server_id
from components.core.errors import CdcError
from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.kafka.derive import change_topic, source_tables
from components.kafka.state import User
from components.loading import build_environment
from components.platform import render
from operations.connect.spec_file import with_active
from policies.model import properties
from tests.strategies.examples import build, messages, pipeline, problems_of, shop

IMAGE = "acme/connect:1"
JDBC = {"postgres": {"database": "w", "password": "vault:w#p"}, "via": "jdbc"}


def kubernetes(changes: dict[str, Any] | None = None, **connect: Any) -> dict[str, Any]:
    return shop({"connect": {"image": IMAGE, **connect}, **(changes or {})})


def docker(changes: dict[str, Any] | None = None, **connect: Any) -> dict[str, Any]:
    values = kubernetes(changes, **connect)
    values["connect"].pop("image") if "image" not in connect else None
    return values | {"target": "docker"}


def connector(values: dict[str, Any], name: str, colour: Any = "blue") -> Connector:
    return next(one for one in connectors(build(values), colour) if one.name == name)


def body(rendered: Rendered, kind: str, name: str) -> Any:
    return next(one.body for one in rendered.manifests if (one.kind, one.name) == (kind, name))


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


# Connectors


def test_a_source_does_everything_in_kafka_as_its_own_user() -> None:
    config = connector(docker(), "orders-source").config
    sections = {
        key.removesuffix("sasl.jaas.config"): re.findall(r'username="([^"]*)"', value)
        for key, value in config.items()
        if key.endswith("sasl.jaas.config")
    }
    history = ("schema.history.internal.producer.", "schema.history.internal.consumer.")
    wanted = ("producer.override.", "consumer.override.", "admin.override.", "signal.consumer.", *history)
    assert sections == {key: ["shop-orders-source"] for key in wanted}
    secrets = [value for key, value in config.items() if key.endswith(("password", "jaas.config"))]
    assert len(secrets) == 7
    assert all("${directory:/run/secrets/connect:" in value for value in secrets)


def test_a_connector_is_the_same_on_both_colours_but_for_what_may_not_be() -> None:
    blue, green = (dict(connector(docker(), "orders-source", colour).config) for colour in COLOURS)
    assert {key for key in blue if blue[key] != green[key]} == {"database.server.id", "offsets.storage.topic"}


def test_names_of_tables_are_taken_literally() -> None:
    values = kubernetes({"pipelines[0]": pipeline("odd", ("shop.a$b", "shop.c-d", "x+.y")), "naming.topic": "{pipeline}"})
    values["pipelines"][0]["tables"] = {f"shop.{t}": {"name": f"odd_{n}"} for n, t in enumerate(("a$b", "c-d"))}
    config = connector(values, "odd-source-blue").config
    assert config["table.include.list"] == r"shop\.a\$b,shop\.c\-d,x\+\.y"
    assert config["database.include.list"] == r"shop,x\+"


NAMINGS: tuple[dict[str, str], ...] = (
    {},
    {"topic": "cassandra.{database}.{table}"},
    {"topic": "{tenant}.{pipeline}.{database}.{table}", "internal": "{tenant}.{pipeline}"},
    {"topic": "{application}-{database}-{entity}-1", "internal": "connect-{pipeline}"},
)


@pytest.mark.parametrize("naming", NAMINGS, ids=str)
@pytest.mark.parametrize("named", [{}, {"a.t2": {"name": "special"}}], ids=["derived", "one named"])
def test_each_table_is_routed_to_its_topic(naming: dict[str, str], named: dict[str, Any]) -> None:
    tables = ("a.t1", "a.t2", "b_b.t-3", "b_b.t1x")
    spec = build(kubernetes({"pipelines[0]": pipeline("p", tables) | {"tables": named}, "naming": naming}))
    [one] = spec.pipelines
    prefix, found = topic_prefix(one, spec.naming), routes(one, spec.naming)
    for table in source_tables(one):
        assert routed(found, native_topic(prefix, table)) == change_topic(one, spec.naming, table)
    assert routed(found, f"__debezium-heartbeat.{prefix}") == f"{prefix}_heartbeat"
    assert routed(found, f"{prefix}.other.t1") == f"{prefix}.other.t1"


def test_a_thousand_tables_take_two_routes() -> None:
    one = build(kubernetes({"pipelines[0]": pipeline("p", tuple(f"a.t{n}" for n in range(1000)))})).pipelines[0]
    assert len(routes(one, build(kubernetes()).naming)) == 2


def test_each_record_says_in_a_header_where_it_comes_from_once_it_is_routed() -> None:
    config = connector(kubernetes(), "orders-source-green", "green").config
    assert config["transforms"] == "route0,route1,lineage"
    assert config["transforms.lineage.type"] == "org.apache.kafka.connect.transforms.InsertHeader"
    assert config["transforms.lineage.header"] == "_lineage"
    origin = {"environment": "trial", "pipeline": "orders", "connector": "orders-source-green", "source": "mysql"}
    assert json.loads(config["transforms.lineage.value.literal"]) == origin
    assert "${" not in config["transforms.lineage.value.literal"]
    assert not [key for key in config if key.startswith("predicates")], "heartbeats and tombstones are told apart by nothing"


def test_the_header_of_lineage_can_be_left_out() -> None:
    config = connector(kubernetes(lineage="none"), "orders-source-blue").config
    assert config["transforms"] == "route0,route1"
    assert "_lineage" not in json.dumps(dict(config))
    assert "connect.lineage" in messages(problems_of(kubernetes(lineage="field")))


def test_a_sink_connector_changes_no_record_on_its_way() -> None:
    assert "transforms" not in connector(docker({"pipelines[0].sink": JDBC}), "orders-sink").config


def test_a_sink_reads_in_the_pipelines_group_and_has_its_dead_letter_queue() -> None:
    config = connector(docker({"pipelines[0].sink": JDBC}), "orders-sink").config
    wanted = {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "topics": "shop_orders_lines,shop_orders_orders",
        "consumer.override.group.id": "shop_orders_sink",
        "insert.mode": "upsert",
        "delete.enabled": "true",
        "primary.key.mode": "record_key",
        "schema.evolution": "basic",
        "collection.name.format": "public.${source.table}",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": "shop_orders_dlq",
        "errors.deadletterqueue.topic.replication.factor": "3",
        "errors.deadletterqueue.context.headers.enable": "true",
        "connection.password": "${directory:/run/secrets/connect:orders-sink.database-password}",
    }
    assert {key: config[key] for key in wanted} == wanted


def test_cassandra_has_no_connector() -> None:
    values = kubernetes({"pipelines[1]": pipeline("events", ("k.t",), "cassandra")})
    assert [one.name for one in connectors(build(values), "blue")] == ["orders-source-blue"]


# Replication ids


def test_ids_differ_by_colour_pipeline_and_environment_and_never_change() -> None:
    def of(environment: str, pipeline_name: str, colour: Any) -> int:
        spec = build_environment(kubernetes(), environment, "test")
        assert spec.connect is not None
        return server_id(spec.connect, environment, pipeline_name, colour)

    found = [of(e, p, c) for e in ("prod", "prod-dr") for p in ("orders", "invoices") for c in COLOURS]
    assert len(set(found)) == len(found)
    assert all(5400 <= number < 2**31 for number in found)
    assert of("prod", "orders", "blue") == 1858216815


def test_given_ids_are_taken() -> None:
    values = kubernetes(serverIds={"orders": 100})
    ids = [connector(values, f"orders-source-{colour}", colour).config["database.server.id"] for colour in COLOURS]
    assert ids == ["100", "101"]


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


# What is refused


@pytest.mark.parametrize(
    ("values", "path", "message"),
    [
        (kubernetes(image=None), "connect.image", "Strimzi's own has no Debezium"),
        (kubernetes(build={"image": "x:1", "plugins": [{"name": "ab", "artifacts": ["a:b:1"]}]}), "connect.build", "named"),
        (kubernetes(active="red"), "connect.active", "green"),
        (kubernetes(replicas=0), "connect.replicas", "1"),
        (kubernetes(standbyReplicas=0), "connect.standbyReplicas", "1"),
        (kubernetes(autoscaling={"least": 11}), "connect.autoscaling.least", "more than the most"),
        (kubernetes(config={"group.id": "x"}), 'connect.config["group.id"]', "set by the platform"),
        (kubernetes(config={"producer.sasl.jaas.config": "x"}), 'connect.config["producer.sasl.jaas.config"]', "set by"),
        (kubernetes(serverIds={"nobody": 1}), "connect.serverIds.nobody", "use one of: orders"),
        (
            kubernetes({"pipelines[1]": pipeline("other")}, serverIds={"orders": 7, "other": 8}),
            "connect.serverIds.other",
            "the id of orders on green",
        ),
        (
            kubernetes({"pipelines[0]": pipeline("events", ("k.t",), "cassandra")}),
            "connect",
            "no pipeline has a connector",
        ),
        (
            kubernetes({"pipelines[1]": pipeline("events", ("k.t",), "cassandra", sink=JDBC)}),
            "pipelines[1].sink.via",
            "cannot read what Debezium writes for Cassandra",
        ),
        (shop({"pipelines[0].sink": JDBC}), "pipelines[0].sink.via", "declare connect"),
        (
            kubernetes({"pipelines[0].sink": {**JDBC, "postgres": {"database": "w"}}}),
            "pipelines[0].sink.postgres.password",
            "needs the password",
        ),
        (
            kubernetes({"pipelines[0].connector": {"config": {"database.server.id": 1}}}),
            'pipelines[0].connector.config["database.server.id"]',
            "set by the platform",
        ),
        (
            kubernetes({"pipelines[0].connector": {"config": {"database.ssl.keystore.password": "hunter2"}}}),
            'pipelines[0].connector.config["database.ssl.keystore.password"]',
            "never as its value",
        ),
        (
            kubernetes({'pipelines[0].tables["shop.orders"].name': "shop_orders.shop.lines"}),
            'pipelines[0].tables["shop.orders"].name',
            "gives to another table",
        ),
        (
            kubernetes({"schemaRegistry": {"distribution": "confluent", "replicas": 1}}, converter="apicurio"),
            "connect.converter",
            "leave it at confluent",
        ),
        (docker(autoscaling={}), "connect.autoscaling", "on Kubernetes only"),
        (docker(hostPort=65535), "connect.hostPort", "port 65540"),
        (
            docker(
                {"kafka.listeners": [{"name": "a", "port": 9093}, {"name": "h", "port": 18080, "type": "host"}]}, hostPort=18082
            ),
            "connect.hostPort",
            "where kafka.listeners[1] is",
        ),
        (
            kubernetes({"kafka.listeners": [{"name": "a", "port": 9093, "authentication": "tls"}]}),
            "kafka.listeners",
            "passwords",
        ),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], path: str, message: str) -> None:
    found = messages(problems_of(copy.deepcopy(values)))
    assert message in found.get(path, f"nothing about {path}: {found}")
    assert "hunter2" not in str(found)


# The stack file


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "a:\n  connect:\n    # which\n    active: blue  # now\n    x: 1\n",
            "a:\n  connect:\n    # which\n    active: green  # now\n    x: 1\n",
        ),
        ("connect:\n  active: 'blue'\n", "connect:\n  active: 'green'\n"),
        ("connect: {active: blue, x: 1} # blue\n", "connect: {active: green, x: 1} # blue\n"),
        (
            "connect:\n  replicas: 1\nother:\n  active: blue\n",
            "connect:\n  active: green\n  replicas: 1\nother:\n  active: blue\n",
        ),
        ("connect: {replicas: 1}\n", "connect: {active: green, replicas: 1}\n"),
        ("connect: {}\n", "connect: {active: green}\n"),
        ("connect:\n  active: green\n", "connect:\n  active: green\n"),
    ],
)
def test_the_active_colour_is_changed_and_nothing_else(before: str, after: str) -> None:
    assert with_active(before, "green") == after


def test_a_file_without_connect_is_refused() -> None:
    with pytest.raises(CdcError, match="no connect in the spec"):
        with_active("a: 1\n", "green")


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
