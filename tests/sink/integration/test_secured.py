"""Sink workers as the platform renders them: encrypted, with passwords and just the rights that are derived for them."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.kafka.clients import CLUSTER_CA
from components.sink.derive import pipelines
from components.sink.settings import POSTGRES_CA, POSTGRES_PASSWORD, secrets
from tests.harness.certificates import CertificateAuthority, write
from tests.harness.docker_stack import DockerStack
from tests.harness.postgres_server import PostgresServer
from tests.harness.processes import wait_until
from tests.harness.running_kafka import RunningKafka, running_kafka
from tests.harness.unprivileged import NOBODY, make_folder

pytestmark = pytest.mark.integration

PASSWORD = "not-to-be-seen-anywhere"
TOPIC, DLQ, WORKERS = "shop_orders_orders", "shop_orders_dlq", ("sink-orders-0", "sink-orders-1")
ROWS, QUIET_SECONDS = 300, 90
ACCESS = "host all postgres 127.0.0.1/32 trust\nhostssl warehouse cdc_sink 127.0.0.1/32 scram-sha-256\n"
ID = {"field": "id", "type": "int64", "optional": False}
NOTE = {"field": "note", "type": "string", "optional": True}


def record(*fields: dict[str, object], **values: object) -> bytes:
    """A key, or a row in a flattened envelope, with its schema."""
    return json.dumps({"schema": {"type": "struct", "fields": fields}, "payload": values}).encode()


@pytest.fixture(name="authority", scope="module")
def _authority() -> CertificateAuthority:
    return CertificateAuthority("databases")


@pytest.fixture(name="kafka", scope="module")
def _kafka(tmp_path_factory: pytest.TempPathFactory, authority: CertificateAuthority) -> Iterator[RunningKafka]:
    """The rendered stack, with what its workers' folders of secrets must hold and nothing else."""
    stack = DockerStack.lay_out(Path(__file__).parent, "secured", tmp_path_factory.mktemp("secured"))
    assert stack.spec.sink is not None
    [(_, pipeline)] = pipelines(stack.spec)
    known = {
        CLUSTER_CA: stack.cluster_ca.certificate,
        POSTGRES_CA: authority.certificate,
        POSTGRES_PASSWORD: PASSWORD,
        "shop-orders-sink.password": stack.passwords["shop-orders-sink"],
    }
    for worker in WORKERS:
        folder = stack.work / "secrets" / worker
        shutil.rmtree(folder)
        write(folder, {file.name: known[file.name] for file in secrets(stack.spec, stack.spec.sink, pipeline)})
    with running_kafka(stack, "platform-admin") as kafka:
        yield kafka


@pytest.fixture(name="postgres", scope="module")
def _postgres(kafka: RunningKafka, authority: CertificateAuthority) -> Iterator[PostgresServer]:
    """It takes the sink's user over TLS with a password only."""
    folder = make_folder("certificates")
    own = authority.issue("127.0.0.1", "127.0.0.1")
    write(folder, {"server.crt": own.certificate, "server.key": own.key, "pg_hba.conf": ACCESS})
    (folder / "server.key").chmod(0o600)
    shutil.chown(folder / "server.key", NOBODY)
    settings = {
        "ssl": "on",
        "ssl_cert_file": str(folder / "server.crt"),
        "ssl_key_file": str(folder / "server.key"),
        "hba_file": str(folder / "pg_hba.conf"),
    }
    server = PostgresServer(kafka.stack.work, settings, namespace=kafka.project.namespace, port=5432)
    try:
        with server:
            server.psql(f"CREATE ROLE cdc_sink LOGIN PASSWORD '{PASSWORD}'")
            server.psql("CREATE DATABASE warehouse OWNER cdc_sink")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def send(kafka: RunningKafka, notes: dict[int, str]) -> None:
    """Rows into the change topic."""
    producer = kafka.clients.producer(kafka.clients.as_user("platform-admin"))
    for key, note in notes.items():
        producer.produce(TOPIC, record(ID, NOTE, id=key, note=note), key=record(ID, id=key))
    assert producer.flush(30) == 0


def test_rows_and_dead_letters_arrive_over_tls_with_the_derived_rights(kafka: RunningKafka, postgres: PostgresServer) -> None:
    """A refused row needs the transactional id and the dead letters' topic; a worker killed needs to read that topic."""
    good = {key: f"row {key}" for key in range(ROWS)}
    send(kafka, {**good, ROWS: "a NUL \x00 that PostgreSQL cannot store"})
    wait_until("the rows to be there", lambda: rows(postgres) == good, QUIET_SECONDS, 0.5)
    wait_until("the dead letter to be sent", lambda: letters(kafka) == 1, QUIET_SECONDS, 0.5)
    for worker in WORKERS:
        kafka.project.containers[worker].kill()
    send(kafka, {ROWS + 1: "another \x00", 0: "changed"})
    for worker in WORKERS:
        kafka.project.containers[worker].start()
    wait_until("the change to be there", lambda: rows(postgres) == {**good, 0: "changed"}, QUIET_SECONDS, 0.5)
    wait_until("the second letter to be sent", lambda: letters(kafka) == 2, QUIET_SECONDS, 0.5)
    ways = postgres.psql("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'cdc_sink'")
    assert ways == "t", "nothing of the sink's is sent in the clear"
    logs = "".join(kafka.project.containers[worker].log.read_text() for worker in WORKERS)
    assert PASSWORD not in logs
    assert kafka.stack.passwords["shop-orders-sink"] not in logs


def rows(postgres: PostgresServer) -> dict[int, str]:
    """What the table has; nothing before it is there."""
    if postgres.psql("SELECT to_regclass('shop.orders') IS NOT NULL", "warehouse") != "t":
        return {}
    found = (line.partition("|") for line in postgres.psql("SELECT id, note FROM shop.orders", "warehouse").splitlines())
    return {int(key): note for key, _, note in found}


def letters(kafka: RunningKafka) -> int:
    """Committed dead letters."""
    config = {**kafka.clients.as_user("platform-admin"), "isolation.level": "read_committed"}
    return len(kafka.clients.read_all(config, DLQ))
