"""Sink workers as the platform renders them, with its PostgreSQL, Redis and Sentinels: encrypted, with passwords and just the
rights that are derived for them."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from components.kafka.clients import CLUSTER_CA
from components.postgres.derive import ADMINISTRATOR, NAME
from components.redis.derive import CA_FILE as REDIS_CA
from components.redis.derive import MASTER, SENTINEL_PORT, password_file
from components.sink.derive import pipelines
from components.sink.settings import secrets
from components.sink.stores import POSTGRES_CA, POSTGRES_PASSWORD
from tests.harness.certificates import write
from tests.harness.docker_stack import DockerStack
from tests.harness.processes import wait_until
from tests.harness.running_kafka import RunningKafka, running_kafka
from tests.harness.stores import Stores

pytestmark = pytest.mark.integration

TOPIC, DLQ, WORKERS = "shop_orders_orders", "shop_orders_dlq", ("sink-orders-0", "sink-orders-1")
USER, CHECKPOINT = "shop-orders-sink", "checkpoint:shop.orders:{}"
ROWS, QUIET_SECONDS = 300, 120
ID = {"field": "id", "type": "int64", "optional": False}
NOTE = {"field": "note", "type": "string", "optional": True}


def record(*fields: dict[str, object], **values: object) -> bytes:
    """A key, or a row in a flattened envelope, with its schema."""
    return json.dumps({"schema": {"type": "struct", "fields": fields}, "payload": values}).encode()


@dataclass(frozen=True)
class Running:
    """The stack, and what the tests know of its stores."""

    kafka: RunningKafka
    stores: Stores
    ca_file: Path

    def inside(self, action: Callable[[], Any]) -> Any:
        """What ``action`` gives where the containers have their names."""
        return self.kafka.project.namespace.run(action)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """As the administrator."""

        def asked() -> list[tuple[Any, ...]]:
            with psycopg.connect(
                host=NAME, user=ADMINISTRATOR, password=self.stores.roles[ADMINISTRATOR], dbname="warehouse",
                sslmode="verify-full", sslrootcert=str(self.ca_file),
            ) as connection:  # fmt: skip
                return connection.execute(statement.encode()).fetchall()

        found: list[tuple[Any, ...]] = self.inside(asked)
        return found

    def redis(self, host: str, port: int) -> redis.Redis:
        """As the sink itself."""
        password = self.stores.users[USER]
        return redis.Redis(host=host, port=port, username=USER, password=password, ssl=True, ssl_ca_certs=str(self.ca_file))

    def master(self) -> str:
        """Whom the first Sentinel calls the master."""
        ask: Any = self.redis("redis-sentinel-0", SENTINEL_PORT)
        [host, _] = self.inside(lambda: ask.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER))
        return str(host.decode())

    def checkpoints(self, host: str) -> int:
        """The sum of the next offsets that Redis tells."""
        client = self.redis(host, 6379)
        texts: list[bytes | None] = self.inside(lambda: [client.get(CHECKPOINT.format(n)) for n in range(3)])
        return sum(json.loads(text)["offset"] for text in texts if text is not None)


@pytest.fixture(name="running", scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The rendered stack, with what its workers' folders of secrets must hold and nothing else."""
    stack = DockerStack.lay_out(Path(__file__).parent, "secured", tmp_path_factory.mktemp("secured"))
    stores = Stores(stack).lay_out()
    assert stack.spec.sink is not None
    [(_, pipeline)] = pipelines(stack.spec)
    known = {
        CLUSTER_CA: stack.cluster_ca.certificate,
        POSTGRES_CA: stores.ca.certificate,
        REDIS_CA: stores.ca.certificate,
        POSTGRES_PASSWORD: stores.roles[USER],
        password_file(USER): stores.users[USER],
        f"{USER}.password": stack.passwords[USER],
    }
    for worker in WORKERS:
        folder = stack.work / "secrets" / worker
        shutil.rmtree(folder)
        write(folder, {file.name: known[file.name] for file in secrets(stack.spec, stack.spec.sink, pipeline)})
    ca_file = write(stack.work / "own", {"ca.pem": stores.ca.certificate}) / "ca.pem"
    with running_kafka(stack, "platform-admin") as kafka:
        yield Running(kafka, stores, ca_file)


def send(kafka: RunningKafka, notes: dict[int, str]) -> None:
    """Rows into the change topic."""
    producer = kafka.clients.producer(kafka.clients.as_user("platform-admin"))
    for key, note in notes.items():
        producer.produce(TOPIC, record(ID, NOTE, id=key, note=note), key=record(ID, id=key))
    assert producer.flush(30) == 0


def test_rows_and_dead_letters_arrive_over_tls_with_the_derived_rights(running: Running) -> None:
    """A refused row needs the transactional id and the dead letters' topic; a worker killed needs to read that topic."""
    kafka = running.kafka
    good = {key: f"row {key}" for key in range(ROWS)}
    send(kafka, {**good, ROWS: "a NUL \x00 that PostgreSQL cannot store"})
    wait_until("the rows to be there", lambda: rows(running) == good, QUIET_SECONDS, 0.2)
    wait_until("the dead letter to be sent", lambda: letters(kafka) == 1, QUIET_SECONDS, 0.2)
    for worker in WORKERS:
        kafka.project.containers[worker].kill()
    send(kafka, {ROWS + 1: "another \x00", 0: "changed"})
    for worker in WORKERS:
        kafka.project.containers[worker].start()
    wait_until("the change to be there", lambda: rows(running) == {**good, 0: "changed"}, QUIET_SECONDS, 0.2)
    wait_until("the second letter to be sent", lambda: letters(kafka) == 2, QUIET_SECONDS, 0.2)
    ways = f"SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '{USER}'"
    assert running.query(ways) == [(True,)], "nothing of the sink's is sent in the clear"
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('shop', 'cdc_shop-orders-sink')"
    assert running.query(owners) == [(USER,)]


def test_a_master_of_redis_that_dies_stops_nothing_and_the_next_one_has_the_hints(running: Running) -> None:
    kafka = running.kafka
    before = rows(running)
    old = running.master()
    wait_until("the hints", lambda: running.checkpoints(old) >= len(before), QUIET_SECONDS, 0.2)
    told = running.checkpoints(old)
    kafka.project.containers[old].kill()
    send(kafka, dict.fromkeys(range(ROWS), "while nobody is the master"))
    wait_until("the rows to be there", lambda: rows(running)[0] == "while nobody is the master", QUIET_SECONDS, 0.2)
    wait_until("another master", lambda: running.master() != old, QUIET_SECONDS, 0.2)
    wait_until("its hints", lambda: running.checkpoints(running.master()) >= told + ROWS, QUIET_SECONDS, 0.2)


def test_no_password_is_in_a_log(running: Running) -> None:
    stores, project = running.stores, running.kafka.project
    passwords = {*stores.roles.values(), *stores.users.values(), running.kafka.stack.passwords[USER]}
    logs = {name: container.log.read_text() for name, container in project.containers.items() if container.log.exists()}
    assert [(name, user) for name, text in logs.items() for user in passwords if user in text] == []


def rows(running: Running) -> dict[int, str]:
    """What the table has; nothing before it is there."""
    if running.query("SELECT to_regclass('shop.orders') IS NOT NULL") != [(True,)]:
        return {}
    return dict(running.query("SELECT id, note FROM shop.orders"))


def letters(kafka: RunningKafka) -> int:
    """Committed dead letters."""
    config = {**kafka.clients.as_user("platform-admin"), "isolation.level": "read_committed"}
    return len(kafka.clients.read_all(config, DLQ))
