"""A backup of a live cluster, restored into an empty one: object by object, and record by record. Real brokers, registry,
Connect."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from components.backup import plan
from components.loading import load_environment
from operations.backup.loading import control_topic
from operations.live.kafka_admin import KafkaAdmin
from operations.live.requests import QuotaChange, connect, quotas, set_quotas
from tests.harness.cdc_command import Outcome, Project, installed_cdc, project
from tests.harness.connect_cluster import ConnectCluster, json_converters
from tests.harness.kafka_broker import KafkaBroker
from tests.harness.processes import wait_until
from tests.harness.s3_server import BUCKET, S3Server
from tests.harness.schema_registry import SchemaRegistry

pytestmark = pytest.mark.integration

ORDERS, AUDIT, OLD = "shop_orders_orders", "shop_audit", "shop_old"
LARGE = 12_000
"""Records of 4 kB: enough for several transactions of a restore."""
KEY = "5f" * 32
STACK = """\
config:
  cdc-platform:environment:
    tier: development
    target: docker
    kafka:
      controllers: 0
      brokers: {replicas: 1}
      listeners: [{name: plain, port: 9092, tls: false, authentication: none}]
      tls: {internal: false}
      authorization: {type: none}
      topics:
        - {name: shop_audit, owner: team-shop, partitions: 1}
        - {name: shop_old, owner: team-shop, partitions: 1}
    schemaRegistry: {distribution: apicurio, replicas: 1}
    connect: {}
    backup:
      data: {pipelines: [orders], topics: [shop_old]}
      key: secret:backup-key#key
    tenants: [{name: shop, owner: team-shop}]
    pipelines:
      - name: orders
        tenant: shop
        source: {mysql: {host: db, password: "vault:cdc/db#password", tables: [shop.orders]}}
        sink: {postgres: {database: warehouse, password: "secret:warehouse#password"}}
"""
AUTHORIZED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "allow.everyone.if.no.acl.found": "true",
}
FAST = ("-XX:TieredStopAtLevel=1",)
Record = tuple[bytes | None, bytes | None, Any, int]


@dataclass(frozen=True)
class Site:
    """One cluster with what stands on it."""

    broker: KafkaBroker
    registry: SchemaRegistry
    connect: ConnectCluster
    config: Path

    @property
    def connect_url(self) -> str:
        return f"http://127.0.0.1:{self.connect.port}"

    @property
    def reach(self) -> list[str]:
        return ["--kafka-config", str(self.config), "--registry", self.registry.url, "--connect", self.connect_url]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose one stack is backed up; its key, and where backups go."""
    made = tmp_path_factory.mktemp("backup")
    project(made, live=STACK)
    (made / "key").write_text(KEY + "\n")
    return made


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[Site]:
    """A cluster that holds something of everything."""
    with (
        KafkaBroker(folder / "a", AUTHORIZED, FAST) as broker,
        SchemaRegistry(folder / "a-registry") as registry,
        ConnectCluster(folder / "a-connect", broker.bootstrap, [folder]) as connect,
    ):
        site = Site(broker, registry, connect, _settings(folder / "a.properties", broker))
        fill(site)
        yield site


@pytest.fixture(scope="module")
def empty(folder: Path) -> Iterator[Site]:
    """One that holds nothing but Connect's own topics."""
    with (
        KafkaBroker(folder / "b", AUTHORIZED, FAST) as broker,
        SchemaRegistry(folder / "b-registry") as registry,
        ConnectCluster(folder / "b-connect", broker.bootstrap, [folder]) as connect,
    ):
        yield Site(broker, registry, connect, _settings(folder / "b.properties", broker))


def _settings(path: Path, broker: KafkaBroker) -> Path:
    path.write_text(f"bootstrap.servers={broker.bootstrap}\n")
    return path


def fill(site: Site) -> None:
    """Topics with settings of their own; records with and without keys, values and headers, of long ago, in transactions of
    which one was aborted, and with gaps; groups inside, at the beginning, at the end and nowhere near; ACLs; schemas; a
    connector."""
    admin = KafkaAdmin("live", {"bootstrap.servers": site.broker.bootstrap})
    admin.create_topic(ORDERS, 3, 1, {"retention.ms": "9000000000000", "compression.type": "lz4"})
    for name in ("dlq", "heartbeat", "schema_history", "signals"):
        admin.create_topic(f"shop_orders_{name}", 1, 1, {"retention.ms": "-1"})
    admin.create_topic(OLD, 2, 1, {"retention.ms": "9000000000000"})
    admin.create_topic(AUDIT, 1, 1, {"cleanup.policy": "compact"})
    producer = Producer({"bootstrap.servers": site.broker.bootstrap, "transactional.id": "fill"})
    producer.init_transactions(60)
    for number in range(4):
        producer.begin_transaction()
        for item in range(500):
            key = None if item % 7 == 0 else f"k{item}".encode()
            value = None if item % 11 == 0 and key else os.urandom(40) + f"{number}/{item}".encode()
            headers = [("trace", b"\x00\x01"), ("none", None)] if item % 50 == 3 else None
            more: dict[str, Any] = {"headers": headers} if headers else {}
            producer.produce(ORDERS, value, key, item % 3, timestamp=1_000_000_000_000 + item, **more)
        producer.produce("shop_orders_schema_history", b"CREATE TABLE shop.orders", b"k", 0)
        assert producer.flush(60) == 0
        producer.abort_transaction(60) if number == 1 else producer.commit_transaction(60)
    plain = Producer({"bootstrap.servers": site.broker.bootstrap})
    plain.produce(AUDIT, b"not backed up", b"k")
    for number in range(LARGE):
        plain.produce(OLD, os.urandom(4000), f"{number}".encode(), number % 2, timestamp=1_100_000_000_000)
        plain.poll(0)
    assert plain.flush(30) == 0
    ends = admin.ends([(ORDERS, number) for number in range(3)])
    admin.commit("sink", {(ORDERS, 0): 100, (ORDERS, 1): 0, (ORDERS, 2): ends[ORDERS, 2]})
    admin.commit("late", {(ORDERS, 0): 400, (AUDIT, 0): 1})
    admin.create_acls(
        [_acl("User:orders", "READ", "TOPIC", ORDERS), _acl("User:orders", "DESCRIBE", "BROKER", "kafka-cluster")]
    )
    limited = QuotaChange((("user", "orders"),), {"producer_byte_rate": 1_000_000.0})
    everybody = QuotaChange((("client-id", None), ("user", None)), {"request_percentage": 150.0})
    with connect({"bootstrap.servers": site.broker.bootstrap}) as connection:
        set_quotas(connection, [limited, everybody])
    string = '{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}'
    site.registry.register("other-value", '"string"')
    site.registry.register(f"{ORDERS}-value", string)
    site.registry.register(f"{ORDERS}-value", string.replace("]}", ',{"name":"n","type":["null","int"],"default":null}]}'))
    httpx.put(f"{site.registry.url}/config/{ORDERS}-value", json={"compatibility": "FULL"}, timeout=30).raise_for_status()
    connector = {"name": "beat", "config": HEARTBEAT, "initial_state": "STOPPED"}
    httpx.post(f"{site.connect_url}/connectors", json=connector, timeout=60).raise_for_status()
    wait_until("the connector rests", lambda: site.connect.status("beat").get("connector", {}).get("state") == "STOPPED", 60)
    offsets = {"offsets": [{"partition": {"sourceClusterAlias": "a", "targetClusterAlias": "b"}, "offset": {"offset": 0}}]}
    httpx.patch(f"{site.connect_url}/connectors/beat/offsets", json=offsets, timeout=60).raise_for_status()


HEARTBEAT = {
    "connector.class": "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
    "source.cluster.alias": "a",
    "target.cluster.alias": "b",
    "source.cluster.bootstrap.servers": "${file:/nowhere:a}",
    "tasks.max": "1",
    **json_converters(schemas=False),
}


def _acl(principal: str, operation: str, resource: str, name: str) -> dict[str, str]:
    pattern = {"permission": "ALLOW", "pattern": "LITERAL", "host": "*"}
    return {"principal": principal, "operation": operation, "resource": resource, "name": name, **pattern}


def records(site: Site, topic: str) -> dict[int, list[tuple[int, Record]]]:
    """Every committed record by partition, each with its offset."""
    settings = {
        "group.id": "test",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
    }
    consumer = Consumer({"bootstrap.servers": site.broker.bootstrap, **settings})
    try:
        partitions = list(consumer.list_topics(topic, 30).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: dict[int, list[tuple[int, Record]]] = {number: [] for number in partitions}
        ended: set[int] = set()
        deadline = time.monotonic() + 120
        while len(ended) < len(partitions):
            assert time.monotonic() < deadline
            for message in consumer.consume(1000, 0.05):
                if message.error() is not None:
                    ended.add(message.partition() or 0)
                    continue
                record = (message.key(), message.value(), message.headers(), message.timestamp()[1])
                found[message.partition() or 0].append((message.offset() or 0, record))
        return found
    finally:
        consumer.close()


def contents(site: Site, topic: str) -> dict[int, list[Record]]:
    """The same without offsets."""
    return {number: [record for _, record in found] for number, found in records(site, topic).items()}


def cdc(folder: Path, *arguments: str) -> Outcome:
    """The command, in this process; paths are relative to ``folder``."""
    with chdir(folder):
        return Project(folder).cdc(*arguments)


def create(folder: Path, live: Site, to: str, *more: str) -> str:
    """The id of a new backup in ``folder/to``."""
    done = cdc(folder, "backup", "create", "live", *live.reach, "--to", to, "--key-file", "key", "--json", *more)
    assert done.code == 0, done.text
    return str(json.loads(done.out)["id"])


@pytest.fixture(scope="module")
def backup(folder: Path, live: Site) -> str:
    """Made while somebody goes on writing."""
    ended = threading.Event()

    def write() -> None:
        producer = Producer({"bootstrap.servers": live.broker.bootstrap})
        while not ended.is_set():
            producer.produce(ORDERS, b"meanwhile", b"m", 1)
            producer.poll(0.001)
        producer.flush(30)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return create(folder, live, "store")
    finally:
        ended.set()
        writer.join()


def _begun(progress: KafkaAdmin, place: tuple[str, int]) -> bool:
    return place[0] in progress.topics() and progress.ends([place])[place] > 0


@pytest.fixture(scope="module")
def restored(folder: Path, empty: Site, backup: str) -> dict[str, Any]:
    """What the second of two restores says; the first was killed with some of its transactions committed and one open."""
    words = ["backup", "restore", "live", *empty.reach, "--from", "store", "--key-file", "key", "--json"]
    progress = KafkaAdmin("b", {"bootstrap.servers": empty.broker.bootstrap})
    with subprocess.Popen([*installed_cdc(), *words], cwd=folder, stdout=subprocess.DEVNULL) as first:
        place = (control_topic(backup), 0)
        wait_until(
            "a transaction is committed", lambda: place[0] in progress.topics() and progress.ends([place])[place] > 0, 120
        )
        assert first.poll() is None, "it ended before it could be killed"
        first.send_signal(signal.SIGKILL)
    assert 0 < len(contents(empty, OLD)[0]) + len(contents(empty, OLD)[1]) < LARGE, "it was not killed half-way"
    done = cdc(folder, *words)
    assert done.code == 0, done.text
    assert place[0] not in progress.topics()
    return dict(json.loads(done.out))


def test_what_is_restored_into_an_empty_cluster_is_what_was_backed_up(
    folder: Path, live: Site, empty: Site, restored: dict[str, Any]
) -> None:
    assert contents(empty, OLD) == contents(live, OLD)
    for topic in (ORDERS, "shop_orders_schema_history"):
        old, new = contents(live, topic), contents(empty, topic)
        for partition, found in new.items():
            assert found == old[partition][: len(found)], (topic, partition)
    before = contents(live, ORDERS)
    after = contents(empty, ORDERS)
    assert after[0] == before[0]
    assert after[2] == before[2]
    assert len(after[1]) >= 500, "the partition that was written to all the while lacks what was there before"
    sides = [KafkaAdmin(name, {"bootstrap.servers": site.broker.bootstrap}) for name, site in (("a", live), ("b", empty))]
    old_topics, new_topics = (side.topics() for side in sides)
    assert {name: new_topics[name] for name in old_topics} == old_topics
    assert set(new_topics) == set(old_topics)
    assert sides[0].acls() == sides[1].acls()
    assert _quotas(live) == _quotas(empty) != {}
    _compare_groups(live, empty, *sides)
    paths = ["/subjects", "/config", f"/config/{ORDERS}-value", f"/subjects/{ORDERS}-value/versions/2"]
    paths += [f"/subjects/{ORDERS}-value/versions/1", "/subjects/other-value/versions/1"]
    for path in paths:
        answers = [httpx.get(f"{site.registry.url}{path}", timeout=30).json() for site in (live, empty)]
        assert answers[0] == answers[1], path
    for path in ("/connectors/beat/config", "/connectors/beat/offsets"):
        answers = [httpx.get(f"{site.connect_url}{path}", timeout=30).json() for site in (live, empty)]
        assert answers[0] == answers[1], path
    assert empty.connect.status("beat")["connector"]["state"] == "STOPPED"
    lines = [json.loads(line) for line in (folder / ".cdc-audit" / "live.jsonl").read_text().splitlines()]
    assert {"run", "records", "schemas", "connector beat", "group sink", f"topic {ORDERS}"} <= {
        line["object"] for line in lines
    }
    assert cdc(folder, "audit", "verify", "live").code == 0


def _quotas(site: Site) -> Mapping[Any, Any]:
    with connect({"bootstrap.servers": site.broker.bootstrap}) as connection:
        return quotas(connection)


def _compare_groups(live: Site, empty: Site, old: KafkaAdmin, new: KafkaAdmin) -> None:
    """A group reads next what it would have read next; one of a topic without records in the backup stands nowhere there."""
    assert (AUDIT, 0) not in new.committed("late")
    for group in ("sink", "late"):
        now = new.committed(group)
        for place, offset in old.committed(group).items():
            if place[0] != ORDERS:
                continue
            rest = [
                [r for at, r in records(site, ORDERS)[place[1]] if at >= start]
                for site, start in ((live, offset), (empty, now[place]))
            ]
            assert rest[1] == rest[0][: len(rest[1])], (group, place)
            assert len(rest[0]) == len(rest[1]) or place[1] == 1
    assert new.committed("sink")[ORDERS, 2] == new.ends([(ORDERS, 2)])[ORDERS, 2]


def test_a_second_restore_refuses_what_is_in_use(folder: Path, empty: Site, restored: dict[str, Any], backup: str) -> None:
    done = cdc(folder, "backup", "restore", "live", *empty.reach, "--from", "store", "--key-file", "key")
    assert done.code == 2
    assert "is not empty" in done.err
    assert "--into-existing" in done.err
    assert f"topic {ORDERS} has records" in done.err


def test_a_backup_that_was_killed_is_known_and_taken_away_by_the_next(folder: Path, live: Site) -> None:
    words = ["backup", "create", "live", *live.reach, "--to", "killed", "--key-file", "key"]
    place = folder / "killed" / "live"
    with subprocess.Popen([*installed_cdc(), *words], cwd=folder) as first:
        wait_until("it has begun to write", lambda: first.poll() is not None or any(place.glob("*/data/*/*/*")), 120)
        assert first.poll() is None, "it ended before it could be stopped"
        first.send_signal(signal.SIGSTOP)
        refused = cdc(folder, *words)
        first.send_signal(signal.SIGKILL)
    assert refused.code == 2
    assert "a backup is being made by" in refused.err
    [left] = [path.name for path in place.iterdir() if path.is_dir()]
    assert cdc(folder, "backup", "list", "live", "--from", "killed").code == 3
    assert cdc(folder, "backup", "verify", "live", left, "--from", "killed", "--key-file", "key").code == 2
    made = create(folder, live, "killed")
    assert [path.name for path in place.iterdir() if path.is_dir()] == [made]
    assert cdc(folder, "backup", "list", "live", "--from", "killed").code == 0


def _changed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_nothing_is_restored_from_a_damaged_backup(folder: Path, empty: Site, backup: str) -> None:
    """Changed, cut, missing, foreign or exchanged files, and a changed manifest: each is named, and nothing is written."""
    damages: dict[str, Callable[[Path, Path], object]] = {
        "was changed": lambda one, _: _changed(one),
        "bytes, not": lambda one, _: one.write_bytes(one.read_bytes()[:-1]),
        "is missing": lambda one, _: one.unlink(),
        "is none of the backup's files": lambda one, _: one.with_name("stranger").write_bytes(b""),
    }
    for said, damage in damages.items():
        copy = _copy(folder, backup)
        one, other = sorted(path for path in (copy / "data").rglob("*") if path.is_file())[:2]
        damage(one, other)
        for verb in (["verify", "live"], ["restore", "live", *empty.reach]):
            done = cdc(folder, "backup", *verb, "--from", "damaged", "--key-file", "key")
            assert done.code == 3, (said, done.text)
            assert said in done.text
            assert one.name in done.text or "stranger" in done.text
    copy = _copy(folder, backup)
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"kind":"manual"', '"kind":"weekly"'))
    done = cdc(folder, "backup", "verify", "live", "--from", "damaged", "--key-file", "key")
    assert (done.code, "manifest.json: was changed" in done.err) == (3, True)


def _copy(folder: Path, backup: str) -> Path:
    shutil.rmtree(folder / "damaged", ignore_errors=True)
    copied = folder / "damaged" / "live" / backup
    shutil.copytree(folder / "store" / "live" / backup, copied)
    return copied


def test_another_key_and_another_environment_are_refused(folder: Path, empty: Site, backup: str) -> None:
    (folder / "other").write_text("6e" * 32)
    whole = cdc(folder, "backup", "verify", "live", "--from", "store", "--key-file", "key")
    assert (whole.code, "whole" in whole.out) == (0, True), whole.text
    for options, said in ((["--key-file", "other"], "was made with another key"), ([], "is encrypted")):
        done = cdc(folder, "backup", "verify", "live", "--from", "store", *options)
        assert (done.code, said in done.err) == (2, True), done.text
    project(folder, foreign=STACK)
    (folder / "store" / "foreign").mkdir()
    shutil.copytree(folder / "store" / "live" / backup, folder / "store" / "foreign" / backup)
    done = cdc(folder, "backup", "restore", "foreign", *empty.reach, "--from", "store", "--key-file", "key")
    assert (done.code, "is of live, not of foreign" in done.err) == (2, True), done.text


def test_a_bucket_takes_a_backup_as_a_folder_does(folder: Path, live: Site) -> None:
    (folder / "bucket").mkdir()
    with S3Server(folder / "bucket") as server:
        s3 = f'      s3: {{bucket: {BUCKET}, prefix: site/a, endpoint: "{server.endpoint}", credentials: secret:s3#keys}}\n'
        root = folder / "in-bucket"
        root.mkdir()
        project(root, live=STACK.replace("    backup:\n", f"    backup:\n{s3}"))
        way = ["--s3-credentials-file", str(server.credentials), "--s3-ca-file", str(server.ca), "--key-file", "../key"]
        made = cdc(root, "backup", "create", "live", *live.reach, *way, "--json")
        assert made.code == 0, made.text
        name = json.loads(made.out)["id"]
        listed = json.loads(cdc(root, "backup", "list", "live", *way[:4], "--json").out)["backups"]
        assert [(one["id"], one["whole"]) for one in listed] == [(name, True)]
        whole = cdc(root, "backup", "verify", "live", *way)
        assert (whole.code, "whole" in whole.out) == (0, True), whole.text
        there = server.objects / "site" / "a" / "live"
        files = {path.relative_to(there / name).as_posix() for path in (there / name).rglob("*") if path.is_file()}
        assert {"manifest.json", "contents"} < files
        (there / name / "manifest.json").unlink()
        bare = _as_a_cron_job_has_it(root)
        way[-1] = "../../key"
        again = cdc(bare, "backup", "create", "live", "--plan", ".", *live.reach, *way, "--json")
        assert json.loads(again.out)["unfinishedRemoved"] == [name], again.text
        assert json.loads(again.out)["records"] == json.loads(made.out)["records"] > 0
        refused = cdc(root, "backup", "list", "live")
        assert (refused.code, "--s3-credentials-file" in refused.err) == (2, True), refused.text


def _as_a_cron_job_has_it(root: Path) -> Path:
    """A folder with the plan of a run, and without the project."""
    spec = load_environment(root, "live")
    assert spec.backup is not None
    (root / "bare").mkdir()
    for file, text in plan.written(plan.plan_of(spec, spec.backup)).items():
        (root / "bare" / file).write_text(text)
    return root / "bare"


def test_nothing_in_a_backup_can_be_read_without_the_key(folder: Path, backup: str) -> None:
    whole = b"".join(path.read_bytes() for path in (folder / "store" / "live" / backup).rglob("*") if path.is_file())
    for text in (b"CREATE TABLE", b"User:orders", b"connector.class", KEY.encode(), b"retention.ms"):
        assert text not in whole, text
