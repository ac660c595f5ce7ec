"""``cdc adopt`` of a real cluster that Kafka's own tools made: the plan of the spec is empty, and nothing has changed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.loading import load_environment
from tests.harness.cdc_command import project
from tests.harness.kafka_broker import KafkaBroker
from tests.harness.kafka_tools_view import View, view

pytestmark = pytest.mark.integration

AUTHORIZED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}
CONFIGS, ACLS, TOPICS = "kafka.admin.ConfigCommand", "org.apache.kafka.tools.AclCommand", "org.apache.kafka.tools.TopicCommand"


@pytest.fixture(name="broker", scope="module")
def _broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path_factory.mktemp("kafka"), AUTHORIZED) as broker:
        user = ("--alter", "--entity-type", "users", "--entity-name", "shop-app", "--add-config")
        everybody = ("--alter", "--entity-type", "users", "--entity-default", "--add-config")
        reads = ("--consumer", "--group", "g", "--topic", "shop_", "--resource-pattern-type", "prefixed")
        made: tuple[tuple[str, ...], ...] = (
            (TOPICS, "--create", "--topic", "shop_orders_lines", "--partitions", "6", "--config", "retention.ms=1209600000"),
            (TOPICS, "--create", "--topic", "shop_orders_state", "--config", "cleanup.policy=compact,delete"),
            (CONFIGS, *user, "producer_byte_rate=1048576"),
            (CONFIGS, *user, "SCRAM-SHA-512=[password=x]"),
            (CONFIGS, *everybody, "consumer_byte_rate=2000000"),
            (ACLS, "--add", "--allow-principal", "User:shop-app", *reads),
            (ACLS, "--add", "--deny-principal", "User:guest", "--operation", "All", "--topic", "*"),
        )
        for main_class, *arguments in made:
            broker.tool(main_class, "--bootstrap-server", broker.bootstrap, *arguments)
        yield broker


def seen(broker: KafkaBroker) -> View:
    """By Kafka's own tools, without what Kafka makes for itself once it is asked for a group."""
    found = view(lambda main_class, *words: broker.tool(main_class, "--bootstrap-server", broker.bootstrap, *words))
    return found.outside(set(), set())


def test_an_adopted_cluster_has_an_empty_plan_and_is_as_it_was(broker: KafkaBroker, tmp_path: Path) -> None:
    made = project(tmp_path)
    client = tmp_path / "client.properties"
    client.write_text(f"bootstrap.servers={broker.bootstrap}\n")
    observed = seen(broker)

    outcome = made.cdc("adopt", "legacy", "--bootstrap", broker.bootstrap, "--json")

    assert outcome.code == 0, outcome.text
    told = json.loads(outcome.out)
    assert (told["topics"], told["users"], told["tenants"]) == (2, 1, 1)
    assert [one["kind"] for one in told["left"]] == ["ACL"]
    spec = load_environment(tmp_path, "legacy")
    [lines, state] = spec.kafka.topics
    assert (lines.name, lines.tenant, state.cleanup) == ("shop_orders_lines", "shop", "compact,delete")
    [user] = spec.kafka.users
    assert (user.name, user.consumes, user.quota.produce) == ("shop-app", ("shop_*",), 1048576)
    planned = made.cdc("plan", "legacy", "--kafka-config", str(client), "--json")
    assert planned.code == 0, planned.text

    made.edit("legacy", "shop-app", "shop-apps")

    assert made.cdc("plan", "legacy", "--kafka-config", str(client)).code == 3, "a plan that sees a difference"
    assert seen(broker) == observed


def test_a_cluster_that_does_not_answer_is_told_and_writes_nothing(tmp_path: Path) -> None:
    made = project(tmp_path)
    client = tmp_path / "client.properties"
    client.write_text("bootstrap.servers=127.0.0.1:1\nsocket.timeout.ms=500\n")

    outcome = made.cdc("adopt", "legacy", "--kafka-config", str(client))

    assert (outcome.code, "bug" in outcome.err) == (2, False), outcome.text
    assert not (tmp_path / "Pulumi.legacy.yaml").exists()
