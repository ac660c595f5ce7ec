"""Lineage: each source table's way, asked for by any name on it, and told in three languages."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from components.connect.connectors import connectors
from components.lineage.graph import Flow, lineage
from components.lineage.mermaid import diagram
from tests.harness.cdc_command import SMALL, Outcome, Project, copy_of_repository, project
from tests.strategies.examples import build, pipeline, shop

JDBC = {"postgres": {"database": "w", "schema": "s", "password": "vault:w#p"}, "via": "jdbc"}
WHOLE = {
    "connect": {"image": "acme/connect:1", "active": "green"},
    "schemaRegistry": {"distribution": "confluent", "replicas": 1},
    "sink": {"image": "acme/sink:1"},
    "pipelines[0].sink.postgres": {"host": "pg", "database": "w", "schema": "s", "password": "vault:w#p"},
}
TIME = "2026-01-31T13:00:00+01:00"
URI = {"type": "string", "pattern": "^https?://[^ ]+#/\\$defs/[A-Za-z]+$"}
FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {"_producer": {"type": "string", "pattern": "^https://"}, "_schemaURL": URI},
    },
}
NAMED = {
    "type": "object",
    "required": ["namespace", "name"],
    "properties": {
        "namespace": {"type": "string", "minLength": 1},
        "name": {"type": "string", "minLength": 1},
        "facets": FACETS,
    },
}
RUN_EVENT = {
    "type": "object",
    "required": ["eventType", "eventTime", "run", "job", "producer", "schemaURL"],
    "properties": {
        "eventType": {"const": "COMPLETE"},
        "eventTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
        "run": {
            "type": "object",
            "required": ["runId"],
            "properties": {
                "runId": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
                "facets": FACETS,
            },
        },
        "job": NAMED,
        "producer": {"type": "string", "pattern": "^https://"},
        "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "inputs": {"type": "array", "items": NAMED},
        "outputs": {"type": "array", "items": NAMED},
    },
}
"""What OpenLineage 2-0-2 asks of a run event, and of facets and datasets in it."""


def flows(changes: dict[str, Any] | None = None) -> tuple[Flow, ...]:
    return lineage(build(shop({**WHOLE, **(changes or {})}))).flows


def told(flow: Flow) -> list[tuple[str, str, str]]:
    return [(edge.source.name, edge.what, edge.target.name) for edge in flow.edges]


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    return copy_of_repository(tmp_path)


def described(outcome: Outcome) -> dict[str, set[str]]:
    """Names by kind, of the only environment."""
    assert outcome.code == 0, outcome.text
    [environment] = json.loads(outcome.out)["environments"]
    found: dict[str, set[str]] = {}
    for node in environment["nodes"]:
        found.setdefault(node["kind"], set()).add(node["name"])
    return found


def events(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.code == 0, outcome.text
    return [json.loads(line) for line in outcome.out.splitlines()]


# The graph


def test_a_table_goes_through_connector_topic_and_worker_to_its_table_in_postgresql() -> None:
    assert told(flows()[0]) == [
        ("shop.orders", "changes", "orders-source-green"),
        ("orders-source-green", "changes", "shop_orders_orders"),
        ("orders-source-green", "schema history", "shop_orders_schema_history"),
        ("shop_orders_orders", "schema", "shop_orders_orders-key"),
        ("shop_orders_orders", "schema", "shop_orders_orders-value"),
        ("shop_orders_orders", "changes", "sink-orders"),
        ("sink-orders", "rows", "w.s.orders"),
        ("sink-orders", "dead letters", "shop_orders_dlq"),
    ]


def test_every_topic_of_the_graph_is_one_that_kafka_gets_and_every_connector_one_that_runs() -> None:
    spec = build(shop({**WHOLE, "pipelines[1]": pipeline("other", ("a.b-c", "a.d"), "mariadb", sink=JDBC)}))
    nodes = lineage(spec).nodes
    topics = {node.name for node in nodes if node.kind in {"topic", "dead letters", "schema history"}}
    assert topics <= {topic.name for topic in spec.kafka_state.topics}
    running = {connector.name for connector in connectors(spec, "green")}
    assert {node.name for node in nodes if node.kind in {"connector", "sink connector"}} == running


def test_a_topic_with_a_name_of_its_own_has_subjects_of_that_name() -> None:
    first = flows({'pipelines[0].tables["shop.orders"].name': "shop_special"})[0]
    assert [node.name for node in (first.topic, *first.subjects)] == ["shop_special", "shop_special-key", "shop_special-value"]


@pytest.mark.parametrize("left_out", [{"schemaRegistry": None}, {"connect.converter": "json"}], ids=str)
def test_without_avro_there_are_no_subjects(left_out: dict[str, Any]) -> None:
    assert [flow.subjects for flow in flows(left_out)] == [(), ()]


def test_the_jdbc_sink_is_a_connector() -> None:
    first = flows({"pipelines[0].sink": JDBC})[0]
    assert first.writer is not None
    assert (first.writer.kind, first.writer.name) == ("sink connector", "orders-sink-green")
    assert first.writer.attributes["group"] == "shop_orders_sink"


def test_cassandra_is_read_by_an_agent_and_by_nobody_after_it() -> None:
    agent = {"cassandraAgent": {"image": "acme/agent:1"}}
    found = flows({**agent, "pipelines[1]": pipeline("events", ("k.t",), "cassandra")})[-1]
    assert told(found) == [("k.t", "changes", "cdc-cassandra-events"), ("cdc-cassandra-events", "changes", "shop_events_t")]
    assert found.table.place == "cassandra://events-db:9042"


def test_where_no_program_is_declared_the_data_is_known_all_the_same() -> None:
    [first, _] = lineage(build(shop())).flows
    assert told(first) == [
        ("shop.orders", "changes", "shop_orders_orders"),
        ("shop_orders_orders", "rows", "warehouse.public.orders"),
        ("shop_orders_orders", "dead letters", "shop_orders_dlq"),
    ]


def test_tables_of_one_connector_are_not_each_others_relatives() -> None:
    found = lineage(build(shop(WHOLE)))
    assert [flow.table.name for flow in found.of("shop.orders").flows] == ["shop.orders"]
    assert (
        len(found.of("orders-source-green").flows)
        == len(found.of("shop_orders_dlq").flows)
        == len(found.of("orders").flows)
        == 2
    )
    assert found.of("nothing").flows == ()


def test_a_table_that_two_pipelines_write_has_both_for_its_origin() -> None:
    same = pipeline("second", ("shop.orders",), sink={"postgres": WHOLE["pipelines[0].sink.postgres"]})
    found = lineage(build(shop({**WHOLE, "pipelines[1]": same}))).of("w.s.orders")
    assert [flow.table.place for flow in found.flows] == ["mysql://shop-db:3306", "mysql://second-db:3306"]


# The command

BY_ANY_NAME = (
    "billing.payments",
    "billing_invoices_payments",
    "billing_invoices_payments-key",
    "billing_invoices_payments-value",
    "warehouse.billing.payments",
)


@pytest.mark.parametrize("name", BY_ANY_NAME)
def test_one_table_is_found_by_any_name_on_its_way(made: Project, name: str) -> None:
    assert described(made.cdc("lineage", "prod", name, "--json")) == {
        "source table": {"billing.payments"},
        "connector": {"invoices-source-blue"},
        "schema history": {"billing_invoices_schema_history"},
        "topic": {"billing_invoices_payments"},
        "subject": {"billing_invoices_payments-key", "billing_invoices_payments-value"},
        "sink worker": {"sink-invoices"},
        "sink table": {"warehouse.billing.payments"},
        "dead letters": {"billing_invoices_dlq"},
        "mirrored topic": {"billing_invoices_payments"},
    }


def test_without_a_stack_the_name_is_looked_for_in_all(made: Project) -> None:
    alone, *named = (made.cdc("lineage", *stack, "billing.payments") for stack in ([], ["prod"], ["prod-dr"]))
    assert (alone.code, alone.out) == (0, "".join(one.out for one in named))
    whole = json.loads(made.cdc("lineage", "--json").out)["environments"]
    assert [environment["environment"] for environment in whole] == ["dev", "prod", "prod-dr"]


def test_edges_tell_their_ends(made: Project) -> None:
    [found] = json.loads(made.cdc("lineage", "prod", "events.page_views", "--json").out)["environments"]
    names = [node["name"] for node in found["nodes"]]
    assert [(names[edge["from"]], names[edge["to"]], edge["what"]) for edge in found["edges"]] == [
        ("events.page_views", "cdc-cassandra-events", "changes"),
        ("cdc-cassandra-events", "shop_events_page_views", "changes"),
        ("shop_events_page_views", "shop_events_page_views", "copy"),
    ]


def test_the_text_is_a_tree_of_the_way(made: Project) -> None:
    text = made.cdc("lineage", "prod", "billing.payments").out
    depths = {name: text.index(name) - text.rindex("\n", 0, text.index(name)) for name in BY_ANY_NAME[:2]}
    assert depths["billing.payments"] < depths["billing_invoices_payments"]
    assert "prod  1 table\n" in text
    assert "copy in prod-dr" in text
    assert "billing.invoices" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prod", "billing.payment"), "did you mean billing.payments"),
        (("billing_invoice_payments",), "did you mean billing_invoices_payments"),
        (("prdo",), "did you mean prod"),
        (("prod", "%&!"), "see what there is"),
        (("prod", "--event-time", "2026-01-31T12:00:00"), "time with its zone"),
        (("prod", "--event-time", "noon"), "time with its zone"),
        (("prod", "--format", "dot"), "openlineage"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is_near(made: Project, arguments: tuple[str, ...], said: str) -> None:
    outcome = made.cdc("lineage", *arguments)
    assert outcome.code == 2
    assert said in re.sub(r"[\s│]+", " ", outcome.err)
    assert outcome.out == ""


# OpenLineage


def test_events_are_run_events_of_openlineage(made: Project) -> None:
    found = events(made.cdc("lineage", "prod", "--format", "openlineage", "--event-time", TIME))
    validator = jsonschema.Draft202012Validator(RUN_EVENT)
    assert [error.message for event in found for error in validator.iter_errors(event)] == []
    assert len(found) == 11, "six tables are read, and five are written: nobody reads Cassandra's"
    assert {event["eventTime"] for event in found} == {"2026-01-31T12:00:00.000Z"}


def test_the_schema_of_the_test_refuses_what_lacks_a_required_field(made: Project) -> None:
    event = events(made.cdc("lineage", "prod", "billing.payments", "--format", "openlineage"))[0]
    validator = jsonschema.Draft202012Validator(RUN_EVENT)
    assert validator.is_valid(event)
    for path in (("eventTime",), ("producer",), ("schemaURL",), ("run", "runId"), ("job", "namespace"), ("job", "name")):
        broken = json.loads(json.dumps(event))
        place = broken
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
        assert not validator.is_valid(broken), path


def test_events_join_at_the_topic(made: Project) -> None:
    read, written = events(made.cdc("lineage", "prod", "billing.payments", "--format", "openlineage"))
    named = {
        key: [(dataset["namespace"], dataset["name"]) for dataset in event[key]]
        for event, key in ((read, "inputs"), (written, "outputs"))
    }
    kafka = "kafka://cdc-kafka-bootstrap.cdc.svc:9093"
    assert named == {
        "inputs": [("mariadb://billing-db:3306", "billing.payments")],
        "outputs": [("postgres://postgres-rw.cdc.svc:5432", "warehouse.billing.payments"), (kafka, "billing_invoices_dlq")],
    }
    assert read["outputs"] == written["inputs"]
    assert [(one["namespace"], one["name"]) for one in read["outputs"]] == [(kafka, "billing_invoices_payments")]


def test_a_run_is_the_same_whenever_it_is_told_and_another_once_it_does_something_else(tmp_path: Path) -> None:
    made = project(tmp_path, prod=SMALL + "    sink: {image: acme/sink:1}\n")
    made.edit("prod", "schema: shop}", "schema: shop, password: 'vault:w#p'}")

    def ids(*more: str) -> list[str]:
        return [event["run"]["runId"] for event in events(made.cdc("lineage", "prod", "--format", "openlineage", *more))]

    before = ids("--event-time", TIME)
    assert before == ids()
    assert len(set(before)) == 2
    assert {uuid.UUID(one).version for one in before} == {5}
    made.edit("prod", "schema: shop,", "schema: other,")
    assert not set(before) & set(ids())


# Mermaid


def test_the_diagram_has_a_line_for_each_edge_and_a_node_for_each_end() -> None:
    found = lineage(build(shop(WHOLE)))
    lines = [line.strip() for line in diagram([found]).splitlines()]
    assert lines[0] == "flowchart LR"
    nodes = {match[1]: match[2] for line in lines if (match := re.fullmatch(r'(n\d+)\W+"([^"]+)"\W+', line))}
    assert len(nodes) == len(found.nodes)
    arrows = [match.groups() for line in lines if (match := re.fullmatch(r"(n\d+) (-->|-\. [a-z ]+ \.->) (n\d+)", line))]
    assert len(arrows) == len(found.edges)
    ends = [(nodes[start].partition("<")[0], nodes[end].partition("<")[0]) for start, _, end in arrows]
    assert ends == [(edge.source.name, edge.target.name) for edge in found.edges]


def test_nothing_of_a_name_is_taken_for_mermaids_own() -> None:
    odd = build(shop({"pipelines[0]": pipeline("odd", ('a.b"]$c',)), "naming.topic": "{pipeline}"}))
    text = diagram([lineage(odd)])
    assert "a.b#34;#93;#36;c<br/>" in text
