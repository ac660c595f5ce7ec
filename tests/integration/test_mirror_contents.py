"""What lies in mirrored topics is of use in the standby: schemas have the same ids, and a connector goes on where it was."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from components.mirror_maker import metrics
from components.platform import render
from tests.harness.connect_cluster import ConnectCluster, json_converters
from tests.harness.kafka_broker import KafkaBroker
from tests.harness.mariadb_server import USER, MariadbServer
from tests.harness.metric_names import EXPORTED, exposed
from tests.harness.mirror_process import MirrorProcess, open_standby
from tests.harness.processes import LOOPBACK, free_port, wait_until
from tests.harness.schema_registry import SchemaRegistry
from tests.toolchain.debezium import debezium_plugin
from tests.toolchain.jmx_exporter import jmx_exporter

pytestmark = pytest.mark.integration

HISTORY, OFFSETS, CUSTOMERS = "shop_orders_schema_history", "shop_orders_offsets_blue", "shop_orders_customers"
DLQ, SIGNALS = "shop_orders_dlq", "shop_orders_signals"
CONNECTOR = "orders-source"
FLUSHED_SECONDS = 4
"""After so long a worker that writes positions every second has written the last."""
SMALL = ("-Xmx384m",)


@dataclass(frozen=True)
class Pair:
    """Two open clusters, MirrorMaker between them, and where its metrics are."""

    primary: KafkaBroker
    standby: KafkaBroker
    mirror: MirrorProcess
    metrics_port: int

    def metrics(self) -> str:
        return httpx.get(f"http://{LOOPBACK}:{self.metrics_port}/metrics", timeout=30, trust_env=False).text


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("contents")
    spec = open_standby({"schemaRegistry": {"distribution": "apicurio", "replicas": 1}})
    rules, port = folder / "metrics.yaml", free_port()
    rules.write_text(metrics.exporter_rules())
    agent = f"-javaagent:{jmx_exporter()}={LOOPBACK}:{port}:{rules}"
    with KafkaBroker(folder / "primary") as primary, KafkaBroker(folder / "standby") as standby:
        _create(primary, {CUSTOMERS: 1, HISTORY: 1, OFFSETS: 1, DLQ: 1, SIGNALS: 1})
        with MirrorProcess(folder, spec, primary.bootstrap, standby.bootstrap, (*SMALL, agent)) as mirror:
            yield Pair(primary, standby, mirror, port)


def _create(kafka: KafkaBroker, topics: dict[str, int]) -> None:
    wanted = [
        NewTopic(name, partitions, 1, config={"cleanup.policy": "compact"} if name == OFFSETS else {"retention.ms": "-1"})
        for name, partitions in topics.items()
    ]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.create_topics(wanted).values():
        future.result(30)


def _values(kafka: KafkaBroker, topic: str) -> list[bytes]:
    """Every committed value of a topic's only partition."""
    config = {"bootstrap.servers": kafka.bootstrap, "group.id": "reader", "enable.partition.eof": True}
    consumer = Consumer(config)
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found: list[bytes] = []
    try:
        while True:
            for message in consumer.consume(500, 0.2):
                error = message.error()
                if error is None:
                    found.append(message.value() or b"")
                elif error.code() == KafkaError._PARTITION_EOF:
                    return found
                else:
                    raise AssertionError(str(error))
    finally:
        consumer.close()


def test_every_schema_has_the_same_id_in_the_standby_which_takes_new_ones_once_it_has_taken_over(
    pair: Pair, tmp_path: Path
) -> None:
    with SchemaRegistry(tmp_path / "primary", bootstrap=pair.primary.bootstrap) as primary:
        ids = {name: primary.register(f"shop_orders_{name}-value", _schema(name)) for name in ("a", "b", "c")}
        topics = AdminClient({"bootstrap.servers": pair.standby.bootstrap})
        wait_until("the journal is mirrored", lambda: "kafkasql-journal" in topics.list_topics(timeout=20).topics, 60, 0.5)
        with SchemaRegistry(tmp_path / "standby", bootstrap=pair.standby.bootstrap, properties=_rendered(False)) as standby:
            for name, number in ids.items():
                wait_until(f"schema {number} is there", lambda number=number: _by_id(standby, number) is not None, 60, 0.1)  # type: ignore[misc]
                assert _by_id(standby, number) == json.loads(_schema(name))
            later = primary.register("shop_orders_d-value", _schema("d"))
            wait_until("a later one follows", lambda: _by_id(standby, later) == json.loads(_schema("d")), 60, 0.1)
            _refuses_whatever_is_new(standby)
    with SchemaRegistry(tmp_path / "over", bootstrap=pair.standby.bootstrap, properties=_rendered(True)) as over:
        assert _by_id(over, later) == json.loads(_schema("d"))
        assert over.register("shop_orders_e-value", _schema("e")) > later


def _rendered(failed_over: bool) -> str:
    """What the standby's registry is told, before it has taken over and after."""
    registry = {"schemaRegistry": {"distribution": "apicurio", "replicas": 1}}
    files = render(open_standby(registry, {"failedOver": failed_over})).files
    return next(text for path, text in files.items() if path.endswith("application.properties"))


def _refuses_whatever_is_new(registry: SchemaRegistry) -> None:
    """Schemas, levels and deletions, by either API; and nobody ends that through the registry itself."""
    own = f"http://{LOOPBACK}:{registry.port}/apis/registry/v3"
    switch = f"{own}/admin/config/properties/apicurio.storage.read-only.enabled"
    with httpx.Client(timeout=30, trust_env=False) as client:
        answers = [
            client.post(f"{registry.url}/subjects/x-value/versions", json={"schema": _schema("x"), "schemaType": "AVRO"}),
            client.put(f"{registry.url}/config/shop_orders_a-value", json={"compatibility": "NONE"}),
            client.delete(f"{registry.url}/subjects/shop_orders_a-value"),
            client.post(f"{own}/groups", json={"groupId": "new"}),
            client.put(switch, json={"value": "false"}),
        ]
        assert [answer.is_client_error for answer in answers] == [True] * len(answers), [answer.text for answer in answers]
        assert "x-value" not in client.get(f"{registry.url}/subjects").json()


def _schema(name: str) -> str:
    return json.dumps({"type": "record", "name": name, "fields": [{"name": f"{name}_id", "type": "long"}]})


def _by_id(registry: SchemaRegistry, number: int) -> Any:
    response = httpx.get(f"{registry.url}/schemas/ids/{number}", timeout=30, trust_env=False)
    return json.loads(response.json()["schema"]) if response.status_code == httpx.codes.OK else None


def test_the_rules_of_the_exporter_name_what_mirror_maker_says(pair: Pair) -> None:
    producer = Producer({"bootstrap.servers": pair.primary.bootstrap})
    producer.produce(DLQ, b"one more")
    producer.flush(30)
    reader = Consumer({"bootstrap.servers": pair.primary.bootstrap, "group.id": "shop_orders_sink"})
    reader.commit(offsets=[TopicPartition(DLQ, 0, 1)], asynchronous=False)
    reader.close()
    wait_until("each has a sample", lambda: EXPORTED["mirror-maker"] <= exposed(pair.metrics()), 120, 0.2)
    ages = re.findall(rf'^{metrics.RECORD_AGE}{{.*topic="{DLQ}".*}} (\S+)$', pair.metrics(), re.MULTILINE)
    assert len(ages) == 1
    assert 0 <= float(ages[0]) < 60


def test_a_mirror_that_is_killed_loses_nothing_and_repeats_only_what_it_wrote_last(pair: Pair) -> None:
    producer = Producer({"bootstrap.servers": pair.primary.bootstrap})
    for number in range(4_000):
        producer.produce(SIGNALS, str(number).encode())
        producer.poll(0.002)
        if number == 2_000:
            pair.mirror.kill()
            pair.mirror.start()
    assert producer.flush(30) == 0
    wait_until("the last is mirrored", lambda: b"3999" in _values(pair.standby, SIGNALS), 60, 0.5)
    mirrored = [int(value) for value in _values(pair.standby, SIGNALS)]
    repeated = len(mirrored) - 4_000
    print(f"{repeated} of 4,000 records are there twice")
    assert list(dict.fromkeys(mirrored)) == list(range(4_000))
    assert repeated < 2_000


def test_a_source_connector_goes_on_in_the_standby_without_a_snapshot(pair: Pair, tmp_path: Path) -> None:
    with MariadbServer(tmp_path / "mariadb") as database:
        _run(database, "CREATE DATABASE shop", "CREATE TABLE shop.customers (id INT PRIMARY KEY, name VARCHAR(20))")
        _insert(database, range(100))
        with ConnectCluster(tmp_path / "primary", pair.primary.bootstrap, [debezium_plugin("mariadb")]) as connect:
            connect.create(CONNECTOR, _connector(database, pair.primary))
            wait_until("the snapshot is written", lambda: len(_values(pair.primary, CUSTOMERS)) == 100, 240, 0.5)
            _insert(database, range(100, 150))
            wait_until("the primary has every row", lambda: len(_values(pair.primary, CUSTOMERS)) == 150, 90, 0.5)
            time.sleep(FLUSHED_SECONDS)
        wait_until("all is mirrored", lambda: _values(pair.standby, OFFSETS) == _values(pair.primary, OFFSETS), 60, 0.5)
        wait_until("the changes too", lambda: len(_values(pair.standby, CUSTOMERS)) == 150, 60, 0.5)
        pair.primary.kill("broker")
        _insert(database, range(150, 200))
        with ConnectCluster(tmp_path / "standby", pair.standby.bootstrap, [debezium_plugin("mariadb")]) as connect:
            connect.create(CONNECTOR, _connector(database, pair.standby))
            _insert(database, range(200, 220))
            wait_until("the standby has every row", lambda: len(_values(pair.standby, CUSTOMERS)) >= 220, 90, 0.5)
        changes = [json.loads(value) for value in _values(pair.standby, CUSTOMERS)]
        assert [change["after"]["id"] for change in changes] == list(range(220))
        assert [change["op"] for change in changes] == ["r"] * 100 + ["c"] * 120


def _run(database: MariadbServer, *statements: str) -> None:
    with pymysql.connect(host=LOOPBACK, port=database.port, user=USER, autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)


def _insert(database: MariadbServer, ids: Sequence[int]) -> None:
    _run(database, *(f"INSERT INTO shop.customers VALUES ({number}, 'name {number}')" for number in ids))


def _connector(database: MariadbServer, kafka: KafkaBroker) -> dict[str, str]:
    return {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "tasks.max": "1",
        "offsets.storage.topic": OFFSETS,
        "database.hostname": LOOPBACK,
        "database.port": str(database.port),
        "database.user": USER,
        "database.password": "",
        "database.server.id": "5901" if kafka.port % 2 else "5902",
        "topic.prefix": "shop",
        "table.include.list": "shop.customers",
        "snapshot.mode": "initial",
        "schema.history.internal.kafka.bootstrap.servers": kafka.bootstrap,
        "schema.history.internal.kafka.topic": HISTORY,
        "include.schema.changes": "false",
        "tombstones.on.delete": "false",
        "transforms": "name",
        "transforms.name.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.name.regex": r"shop\.shop\.(.*)",
        "transforms.name.replacement": "shop_orders_$1",
        **json_converters(schemas=False),
    }
