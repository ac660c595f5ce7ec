"""Connectors as they are derived from pipelines: rights, names, topics, lineage, ids."""

import json
import re
from typing import Any

import pytest

from components.connect.connectors import connectors
from components.connect.names import COLOURS
from components.connect.routes import native_topic, routed, routes, topic_prefix
from components.connect.server_ids import server_id
from components.kafka.derive import change_topic, source_tables
from components.loading import build_environment
from tests.strategies.examples import build, messages, pipeline, problems_of
from tests.unit.connect_specs import JDBC, connector, docker, kubernetes


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


HEADER, FIELD = ("InsertHeader", "header", "value.literal"), ("InsertField$Value", "static.field", "static.value")


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ("header", {"lineage": HEADER}),
        ("field", {"lineageField": FIELD}),
        ("both", {"lineage": HEADER, "lineageField": FIELD}),
        ("none", {}),
    ],
)
def test_each_record_says_where_it_comes_from_as_it_is_chosen_once_it_is_routed(chosen: str, wanted: dict[str, Any]) -> None:
    config = connector(kubernetes(lineage=chosen), "orders-source-green", "green").config
    assert config["transforms"] == ",".join(["route0", "route1", *wanted])
    assert not [key for key in config if key.startswith("predicates")], "heartbeats and tombstones are told apart by nothing"
    said = {key.split(".")[1]: value for key, value in config.items() if key.startswith("transforms.lineage")}
    assert set(said) == set(wanted)
    for name, (kind, place, value) in wanted.items():
        assert config[f"transforms.{name}.type"] == f"org.apache.kafka.connect.transforms.{kind}"
        assert config[f"transforms.{name}.{place}"] == "_lineage"
        text = config[f"transforms.{name}.{value}"]
        origin = {"environment": "trial", "pipeline": "orders", "connector": "orders-source-green", "source": "mysql"}
        assert json.loads(text) == origin
        assert "${" not in text


def test_lineage_has_one_of_four_places() -> None:
    assert "connect.lineage" in messages(problems_of(kubernetes(lineage="topic")))


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


@pytest.mark.parametrize(
    ("declared", "options"),
    [
        ({}, "?reWriteBatchedInserts=true"),
        (
            {"postgres": {"storage": "1Gi", "wal": "1Gi"}},
            "?reWriteBatchedInserts=true&sslmode=verify-full&sslrootcert=/mnt/postgres-ca/postgres-ca.pem",
        ),
    ],
)
def test_the_jdbc_sink_verifies_the_server_that_is_declared(declared: dict[str, Any], options: str) -> None:
    config = connector(kubernetes({"pipelines[0].sink": JDBC, **declared}), "orders-sink-blue").config
    assert config["connection.url"].endswith(f"/w{options}")
