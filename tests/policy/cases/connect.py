"""Kafka Connect, blue and green."""

from typing import Any

from policies.model import Subject
from tests.policy import environments as env
from tests.policy.cases.making import Body, Case, at, manifests, spec, topic

BLUE, GREEN = "KafkaConnect/cdc/cdc-connect-blue", "KafkaConnect/cdc/cdc-connect-green"
ORDERS, INVOICES = "KafkaConnector/cdc/orders-source-blue", "KafkaConnector/cdc/invoices-source-blue"


def connector(rule: str, what: str, path: str, name: str, key: str, value: object) -> Case:
    """A case that a fault in one connector's configuration makes."""
    change = at(f"spec/config/{key}", value)
    return manifests(rule, what, path, f"KafkaConnector/cdc/{name}", change, "KafkaConnector", name=name)


def with_sink(key: str, value: object) -> Subject:
    """``prod`` with a sink connector more, changed in one key."""
    config: dict[str, Any] = {
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": "shop_orders_dlq",
        "errors.deadletterqueue.context.headers.enable": "true",
    }
    config[key] = value
    body: Body = {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaConnector",
        "metadata": {"name": "s", "namespace": "cdc", "labels": {"strimzi.io/cluster": "cdc-connect-blue"}},
        "spec": {"class": "io.debezium.connector.jdbc.JdbcSinkConnector", "config": config},
    }
    return env.with_manifest(body, "connect/connectors")


def same_ids() -> Subject:
    """``prod`` where two pipelines are given the same ids, which its own check would refuse."""
    spec = env.good().spec
    assert spec.connect is not None
    return env.with_parts(connect=spec.connect.model_copy(update={"server_ids": {"orders": 7, "invoices": 8}}))


CONNECT = (
    spec("connect-lineage", "none", "connect.lineage", {"connect.lineage": "none"}),
    manifests("connect-colours-apart", "one group", "connect", GREEN, at("spec/groupId", "cdc-connect-blue"), "KafkaConnect"),
    manifests(
        "connect-colours-apart",
        "one topic",
        "connect",
        GREEN,
        at("spec/offsetStorageTopic", "cdc-connect-blue-offsets"),
        "KafkaConnect",
    ),
    Case("connect-colours-apart", "one colour", lambda: env.without_manifest("KafkaConnect", "cdc-connect-green"), "connect"),
    topic("connect-internal-topics", "two replicas", "connect", "cdc-connect-blue-offsets", replicas=2),
    topic("connect-internal-topics", "deletes", "connect", "cdc-connect-blue-status", config={"cleanup.policy": "delete"}),
    topic("connect-internal-topics", "two partitions", "connect", "cdc-connect-green-configs", partitions=2),
    Case("connect-internal-topics", "none", lambda: env.without_topic("cdc-connect-green-status"), "connect"),
    Case("connect-server-ids", "given", same_ids, "connect.serverIds"),
    manifests(
        "connect-server-ids",
        "rendered",
        "connect",
        ORDERS,
        at("spec/config/database.server.id", "5400"),
        "KafkaConnector",
    ),
    manifests(
        "connect-one-colour",
        "both",
        "connect.active",
        ORDERS,
        lambda body: body["metadata"]["labels"].update({"strimzi.io/cluster": "cdc-connect-green"}),
        "KafkaConnector",
        name="orders-source-blue",
    ),
    manifests(
        "connect-restarts-bounded",
        "no bound",
        "connect.maxRestarts",
        ORDERS,
        at("spec/autoRestart", {"enabled": True}),
        "KafkaConnector",
    ),
    Case(
        "connect-sink-dlq",
        "none",
        lambda: with_sink("errors.deadletterqueue.topic.name", ""),
        "connect",
        "KafkaConnector/cdc/s",
    ),
    Case("connect-sink-dlq", "stops", lambda: with_sink("errors.tolerance", "none"), "connect", "KafkaConnector/cdc/s"),
    Case(
        "connect-sink-dlq",
        "no reasons",
        lambda: with_sink("errors.deadletterqueue.context.headers.enable", "false"),
        "connect",
        "KafkaConnector/cdc/s",
    ),
    connector("connect-source-errors", "tolerant", "connect", "orders-source-blue", "errors.tolerance", "all"),
    connector("connect-exactly-once", "not asked", "connect", "orders-source-blue", "exactly.once.support", "requested"),
    connector("connect-credentials", "written out", "connect", "invoices-source-blue", "database.password", "hunter2"),
)
