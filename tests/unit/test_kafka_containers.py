"""The containers of the docker target's Kafka, and the state that it must be brought to."""

import json

from components.core.rendered import Mount
from components.kafka import render_docker
from tests.unit.kafka_on_docker import DEVELOPMENT, PRODUCTION, Plain, environment, rendered, workload


def test_a_broker_is_a_container_without_privileges_and_with_its_own_volume() -> None:
    broker = workload("cdc-brokers-1", PRODUCTION)
    assert (broker.image, broker.user, broker.read_only, broker.stateful) == ("apache/kafka:4.3.1", "1000:1000", True, True)
    assert broker.mounts == (
        Mount("/var/lib/kafka/data", volume="cdc-brokers-1-data"),
        Mount("/run/secrets/kafka", host_path="${CDC_SECRETS_DIR:-../../secrets}/cdc-brokers-1", read_only=True),
    )
    assert broker.ports == ((19093, 19092),)
    assert (broker.memory_bytes, broker.cpu_millicores) == (4 << 30, 2000)
    assert broker.depends_on == ("cdc-controllers-100", "cdc-controllers-101", "cdc-controllers-102")
    assert broker.environment == {
        "AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/kafka/tiered-storage-credentials",
        "EXTRA_ARGS": "-name kafkaServer",
        "KAFKA_HEAP_OPTS": "-Xms1024m -Xmx1024m",
        "KAFKA_LOG4J_OPTS": "-Dlog4j2.configurationFile=/etc/cdc/log4j2.properties",
        "LOG_DIR": "/tmp/kafka-logs",
    }
    assert set(broker.files) == {"/etc/cdc/server.properties", "/etc/cdc/log4j2.properties"}


def test_every_controller_is_formatted_as_one_of_the_same_voters_and_no_broker_is() -> None:
    commands = {node.name: node.command[-1] for node in rendered(PRODUCTION).workloads}
    voters = {name: command.partition("--initial-controllers ")[2] for name, command in commands.items()}
    assert {bool(text) for name, text in voters.items() if "brokers" in name} == {False}
    agreed = {text for name, text in voters.items() if "controllers" in name}
    assert len(agreed) == 1
    listed = agreed.pop().partition(" ")[0].split(",")
    assert [voter.rpartition(":")[0] for voter in listed] == [
        f"{number}@cdc-controllers-{number}:9090" for number in (100, 101, 102)
    ]
    assert len({voter.rpartition(":")[2] for voter in listed}) == 3


def test_a_node_without_certificates_gets_no_secrets() -> None:
    [node] = rendered(DEVELOPMENT).workloads
    assert [mount.volume for mount in node.mounts] == ["cdc-brokers-0-data"]


def test_a_chosen_image_and_collector_replace_the_defaults() -> None:
    jvm = {"options": {"UseZGC": "true", "MaxGCPauseMillis": "5", "ExplicitGCInvokesConcurrent": "false"}}
    node = workload("cdc-brokers-0", DEVELOPMENT, image="registry.example.org/kafka:1", brokers={"replicas": 1, "jvm": jvm})
    assert node.image == "registry.example.org/kafka:1"
    assert node.environment["KAFKA_JVM_PERFORMANCE_OPTS"].split() == [
        "-server",
        "-XX:-ExplicitGCInvokesConcurrent",
        "-XX:InitiatingHeapOccupancyPercent=35",
        "-XX:MaxGCPauseMillis=5",
        "-XX:+UseZGC",
        "-Djava.awt.headless=true",
    ]


def test_the_tree_holds_every_file_of_every_container_and_the_desired_state() -> None:
    found = rendered(PRODUCTION)
    nodes = [node.name for node in found.workloads]
    files = {f"kafka/{name}/{file}" for name in nodes for file in ("server.properties", "log4j2.properties")}
    assert set(found.files) == files | {"kafka/desired-state.json"}
    assert found.volumes == tuple(sorted(f"{name}-data" for name in nodes))


# The desired state


def desired_state(plain: Plain) -> Plain:
    state: Plain = json.loads(rendered(plain).files["kafka/desired-state.json"])
    return state


def test_the_desired_state_is_that_of_the_spec() -> None:
    spec, state = environment(PRODUCTION), desired_state(PRODUCTION)
    assert [topic["name"] for topic in state["topics"]] == [topic.name for topic in spec.kafka_state.topics]
    assert [user["name"] for user in state["users"]] == [user.name for user in spec.kafka_state.users]
    assert state["cluster"]["superUsers"] == ["admin"]
    assert state["brokers"] == {"max.connection.creation.rate": 100, "max.connections": 5000}
    assert state["defaultQuota"] == {
        "producer_byte_rate": 10_000_000,
        "consumer_byte_rate": 20_000_000,
        "request_percentage": 50,
        "controller_mutation_rate": 10.0,
    }


def test_a_topic_a_user_and_an_acl_are_in_kafkas_own_words() -> None:
    state = desired_state(PRODUCTION)
    topic = next(topic for topic in state["topics"] if topic["name"] == "shop_orders_orders")
    assert (topic["partitions"], topic["replicationFactor"], topic["owner"]) == (10, 3, "team-shop")
    assert topic["config"]["remote.storage.enable"] == "true"
    assert {type(value) for value in topic["config"].values()} == {str}
    user = next(user for user in state["users"] if user["name"] == "shop-orders-sink")
    assert user["quota"] == {"producer_byte_rate": 10 << 20, "request_percentage": 50}
    assert {
        "resourceType": "topic",
        "resourceName": "shop_orders_orders",
        "patternType": "literal",
        "operations": ["Describe", "Read"],
        "host": "*",
    } in user["acls"]


def test_a_password_is_a_reference_or_nothing() -> None:
    users = [{"name": "reader", "password": "vault:kafka/reader#password"}, {"name": "admin", "authentication": "tls"}]
    spec = environment(PRODUCTION, users=users)
    state = json.loads(render_docker.render(spec.kafka, spec.kafka_state, spec.context).files["kafka/desired-state.json"])
    passwords = {user["name"]: user["password"] for user in state["users"]}
    assert passwords == {
        "admin": None,
        "reader": "vault:kafka/reader#password",
        "shop-orders-sink": None,
        "shop-orders-source": None,
    }
