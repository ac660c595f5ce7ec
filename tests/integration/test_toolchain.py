"""The real programs that the other tests lean on do what those tests take for granted."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.harness.api_server import ApiServer
from tests.harness.kafka_cluster import KafkaCluster, KafkaNode
from tests.harness.processes import LOOPBACK, free_ports, wait_until

pytestmark = pytest.mark.integration

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kafka"}}
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"color": "blue"}}

CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
RECORDS = 4_000
RECORD_BYTES = 1_000
TOPIC = "tiered"
REMOTE_METADATA = "__remote_log_metadata"
TOPIC_SETTINGS = {
    "remote.storage.enable": "true",
    "segment.bytes": "1048576",
    "local.retention.ms": "1",
    "retention.ms": "-1",
    "file.delete.delay.ms": "100",
    "min.insync.replicas": "2",
}


def topic(name: str, **spec: object) -> dict[str, object]:
    """A Strimzi topic in the namespace ``kafka``."""
    metadata = {"name": name, "namespace": "kafka", "labels": {"strimzi.io/cluster": "main"}}
    return {"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaTopic", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that has a namespace ``kafka``."""
    with ApiServer(tmp_path_factory.mktemp("api-server")) as server:
        assert server.apply([NAMESPACE]) == []
        yield server


def test_the_api_server_takes_what_is_valid(api_server: ApiServer) -> None:
    """Core objects and Strimzi's are stored."""
    topic_events = topic("events", partitions=3, replicas=3)
    config_map = {**CONFIG_MAP, "metadata": {"name": "settings", "namespace": "kafka"}}
    assert api_server.apply([config_map, topic_events]) == []
    live = api_server.client.get(topic_events)
    assert live is not None
    assert live["spec"] == {"partitions": 3, "replicas": 3}


def test_the_api_server_refuses_a_misspelt_field_by_its_name(api_server: ApiServer) -> None:
    """Strimzi's schemas do not close their objects, so that only strict validation finds this."""
    misspelt = topic("misspelt", partitons=3)
    for dry_run in (True, False):
        [refused] = api_server.apply([misspelt, topic("spelt", partitions=3)], dry_run=dry_run)
        assert "kafka/misspelt" in refused.object_id
        assert ".spec.partitons" in refused.message
    assert api_server.client.get(misspelt) is None


def test_a_dry_run_stores_nothing_but_namespaces(api_server: ApiServer) -> None:
    """A whole set can be tried against an empty server, its namespaces included."""
    namespace = {**NAMESPACE, "metadata": {"name": "trial"}}
    config_map = {**CONFIG_MAP, "metadata": {"name": "settings", "namespace": "trial"}}
    assert api_server.apply([config_map, namespace], dry_run=True) == []
    assert api_server.client.get(namespace) is not None
    assert api_server.client.get(config_map) is None


def test_kubectl_applies_a_kustomization_strictly(api_server: ApiServer, tmp_path: Path) -> None:
    """The way of a user who has nothing but kubectl."""
    resource = tmp_path / "topic.yaml"
    (tmp_path / "kustomization.yaml").write_text("resources: [topic.yaml]\n")
    resource.write_text(json.dumps(topic("by-kubectl", partitions=3)))
    applied = api_server.kubectl_apply(tmp_path)
    assert applied.returncode == 0, applied.stderr
    assert "by-kubectl serverside-applied" in applied.stdout
    resource.write_text(json.dumps(topic("by-kubectl", partitons=3)))
    refused = api_server.kubectl_apply(tmp_path)
    assert refused.returncode != 0
    assert ".spec.partitons" in refused.stderr


def server_properties(node_id: int, voters: str, ports: tuple[int, int], data: Path, remote: Path) -> str:
    """A combined controller and broker with tiered storage in the folder ``remote``, which all nodes share."""
    listeners = f"PLAINTEXT://{LOOPBACK}:{ports[0]}"
    settings = {
        "process.roles": "broker,controller",
        "node.id": node_id,
        "controller.quorum.voters": voters,
        "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:{ports[1]}",
        "advertised.listeners": listeners,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "offsets.topic.replication.factor": 3,
        "offsets.topic.num.partitions": 3,
        "group.initial.rebalance.delay.ms": 0,
        "log.initial.task.delay.ms": 500,
        "log.retention.check.interval.ms": 500,
        "remote.log.storage.system.enable": "true",
        "remote.log.storage.manager.class.name": "org.apache.kafka.server.log.remote.storage.LocalTieredStorage",
        "remote.log.storage.manager.impl.prefix": "rsm.config.",
        "rsm.config.dir": remote,
        "remote.log.metadata.manager.listener.name": "PLAINTEXT",
        "remote.log.metadata.manager.impl.prefix": "rlmm.config.",
        "rlmm.config.remote.log.metadata.topic.replication.factor": 3,
        "rlmm.config.remote.log.metadata.topic.num.partitions": 3,
        "remote.log.manager.task.interval.ms": 500,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Three nodes that are brokers and controllers."""
    ports = free_ports(6)
    voters = ",".join(f"{node}@{LOOPBACK}:{ports[3 + node]}" for node in range(3))
    nodes = {}
    for node in range(3):
        file = tmp_path / f"{node}.properties"
        listening = (ports[node], ports[3 + node])
        file.write_text(server_properties(node, voters, listening, tmp_path / f"data-{node}", tmp_path / "remote"))
        nodes[f"kafka-{node}"] = KafkaNode(node, file, ports[node])
    with KafkaCluster(nodes, CLUSTER_ID, tmp_path / "logs") as cluster:
        yield cluster


def bootstrap(cluster: KafkaCluster) -> str:
    """The addresses of the cluster's brokers."""
    return ",".join(f"{LOOPBACK}:{node.port}" for node in cluster.nodes.values())


def produce(servers: str) -> None:
    """Write the records ``0 …``, ``1 …``, in order, some segments' worth of them."""
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})
    for number in range(RECORDS):
        producer.produce(TOPIC, f"{number} ".encode() + bytes(RECORD_BYTES), partition=0)
        producer.poll(0)
    assert producer.flush(60) == 0


def consume_from_beginning(servers: str) -> list[int]:
    """The numbers of all records, as one consumer gets them."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    numbers: list[int] = []
    deadline = time.monotonic() + 60
    while len(numbers) < RECORDS and time.monotonic() < deadline:
        for message in consumer.consume(500, timeout=1):
            numbers.append(int((message.value() or b"").split(b" ")[0]))
    consumer.close()
    return numbers


def every_replica_lacks_the_first_segment(folder: Path) -> bool:
    """Whether all three replicas are there and start behind offset 0."""
    replicas = list(folder.glob(f"data-*/{TOPIC}-0"))
    return len(replicas) == 3 and not any((replica / "00000000000000000000.log").exists() for replica in replicas)


def test_records_of_deleted_local_segments_are_read_from_the_remote_store(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Produce, roll, let the local segments of every replica go, and read from the first offset."""
    servers = ",".join(f"{LOOPBACK}:{node.port}" for node in kafka.nodes.values())
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(TOPIC, 1, 3, config=TOPIC_SETTINGS)])[TOPIC].result(30)
    produce(servers)
    wait_until("old segments are gone from every replica", lambda: every_replica_lacks_the_first_segment(tmp_path), 60)
    offsets = kafka.tool(
        "org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", servers, "--topic", TOPIC, "--time", "earliest-local"
    )
    assert int(offsets.strip().rpartition(":")[2]) > 0
    assert consume_from_beginning(servers) == list(range(RECORDS))
    metadata = admin.list_topics(REMOTE_METADATA, timeout=30).topics[REMOTE_METADATA]
    assert {len(partition.replicas) for partition in metadata.partitions.values()} == {3}
