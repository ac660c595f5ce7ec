"""Kafka Connect: what is refused, and what a switch writes into the stack file."""

import copy
from typing import Any

import pytest

from components.core.errors import CdcError
from operations.connect.spec_file import with_active
from tests.strategies.examples import messages, pipeline, problems_of, shop
from tests.unit.connect_specs import JDBC, docker, kubernetes


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
            kubernetes({"pipelines[0].connector": {"config": {"value.converter.password": "hunter2"}}}),
            'pipelines[0].connector.config["value.converter.password"]',
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
