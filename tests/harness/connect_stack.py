"""Both Connect clusters of a rendered stack, a MariaDB that their connectors read, and ``cdc`` beside them."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx
import pymysql

from components.connect.access import secrets
from components.connect.derive import worker_names
from components.connect.names import COLOURS, Colour
from components.connect.source_tls import KEYSTORE, TRUSTSTORE
from components.core.yaml_text import load
from components.environment import CONFIG_KEY
from components.kafka.clients import CLUSTER_CA
from components.vault.source_rotation import SourceLogin
from operations.connect.rest import RestCluster
from operations.live.source_passwords import SourceServers
from operations.live.source_ways import SourceWays
from tests.harness.cdc_command import Outcome
from tests.harness.certificates import CertificateAuthority, Identity, keystore, truststore, write
from tests.harness.docker_stack import DockerStack
from tests.harness.mariadb_server import USER, MariadbServer
from tests.harness.processes import LOOPBACK, wait_until
from tests.harness.running_kafka import RunningKafka, running_kafka

DATABASE_PASSWORD = "not-to-be-seen-anywhere"
DATABASE_HOST, DATABASE_PORT = "localhost", 3306
CDC = Path(sys.executable).with_name("cdc")
WRITE_INTERVAL_SECONDS = 0.04
Change = Mapping[str, Any]
"""What Debezium says of one change of one row."""


@dataclass(frozen=True)
class DatabaseTls:
    """The CAs of the databases and of those who read them, which are not one."""

    servers: CertificateAuthority
    client_ca: str
    client: Identity
    """What ``cdc`` shows."""

    @classmethod
    def made(cls) -> Self:
        clients = CertificateAuthority("database clients")
        return cls(CertificateAuthority("databases"), clients.certificate, clients.issue(USER))


def write_secrets(stack: DockerStack, database: DatabaseTls) -> None:
    """Into each worker's folder, what ``components.connect`` says belongs there."""
    if stack.spec.connect is None:
        raise ValueError("the stack declares no connect")
    for colour in COLOURS:
        for worker in worker_names(stack.spec.connect, stack.spec.kafka, colour):
            folder = stack.work / "secrets" / worker
            folder.mkdir(parents=True, exist_ok=True)
            for file in secrets(stack.spec, colour):
                (folder / file.name).write_bytes(_secret(stack, database, file.name))


def _secret(stack: DockerStack, database: DatabaseTls, name: str) -> bytes:
    if name == CLUSTER_CA:
        return stack.cluster_ca.certificate.encode()
    if name.endswith(f".{TRUSTSTORE}"):
        return truststore(database.servers.certificate, DATABASE_PASSWORD)
    if name.endswith(f".{KEYSTORE}"):
        return keystore(database.client, DATABASE_PASSWORD)
    return stack.passwords.get(name.removesuffix(".password"), DATABASE_PASSWORD).encode()


class Writer:
    """Inserts rows into tables (of an ``id`` and a ``v``), and updates each once, until it is ended; counts what it did."""

    def __init__(self, execute: Callable[[str], None], tables: tuple[str, ...]) -> None:
        self.rows: Counter[str] = Counter()
        self._execute, self._tables = execute, tables
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(WRITE_INTERVAL_SECONDS):
            for table in self._tables:
                self._execute(f"INSERT INTO {table} (v) VALUES ('new')")
                self._execute(f"UPDATE {table} SET v = 'changed' WHERE id = LAST_INSERT_ID()")
                self.rows[table] += 1


@dataclass(frozen=True)
class ConnectStack:
    """``root`` is a project folder with the stack's file, which ``cdc`` may change."""

    kafka: RunningKafka
    mariadb: MariadbServer
    database: DatabaseTls
    root: Path
    stack: str

    @cached_property
    def _http(self) -> httpx.Client:
        return self.kafka.project.namespace.run(lambda: httpx.Client(timeout=60, trust_env=False))

    def worker(self, colour: Colour) -> str:
        """The container of a colour's first worker."""
        assert self.kafka.stack.spec.connect is not None
        return worker_names(self.kafka.stack.spec.connect, self.kafka.stack.spec.kafka, colour)[0]

    def secret(self, colour: Colour, name: str) -> Path:
        """One secret file of a colour's first worker."""
        return self.kafka.stack.work / "secrets" / self.worker(colour) / name

    def url(self, colour: Colour) -> str:
        """Where a colour answers inside the stack's network."""
        return f"http://{self.worker(colour)}:8083"

    def cluster(self, colour: Colour) -> "Inside":
        """A colour's REST interface, as ``cdc`` asks it."""
        return Inside(self.kafka, RestCluster(colour, [self.url(colour)]))

    def get(self, colour: Colour, path: str) -> Any:
        """What a colour answers to a GET."""
        answer = self.kafka.project.namespace.run(lambda: self._http.get(f"{self.url(colour)}{path}"))
        return answer.raise_for_status().json()

    @property
    def active(self) -> Colour:
        """As the stack's file says it."""
        path = self.root / f"Pulumi.{self.stack}.yaml"
        colour: Colour = load(path.read_text(encoding="utf-8"), path.name)["config"][CONFIG_KEY]["connect"]["active"]
        return colour

    def start_cdc(self, *arguments: str) -> "subprocess.Popen[str]":
        """``cdc`` in a process of its own, on the stack's network, both of its outputs in one."""
        command = self.kafka.project.namespace.command(CDC, "--root", self.root, *arguments)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def cdc(self, *arguments: str) -> Outcome:
        """Run it to its end."""
        process = self.start_cdc(*arguments)
        text = process.communicate(timeout=180)[0]
        return Outcome(process.returncode, text, "")

    @cached_property
    def _database_files(self) -> tuple[str, str, str]:
        """Its CA, and certificate and key of a client."""
        files = {
            "ca": self.database.servers.certificate,
            "cert": self.database.client.certificate,
            "key": self.database.client.key,
        }
        folder = write(self.root.parent / "database", {f"{name}.pem": text for name, text in files.items()})
        ca, cert, key = (str(folder / f"{name}.pem") for name in files)
        return ca, cert, key

    def session(self, password: str = DATABASE_PASSWORD) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        """With the database, as the user that everybody here enters as."""
        ca, cert, key = self._database_files
        return self.kafka.project.namespace.run(
            lambda: pymysql.connect(
                host=LOOPBACK,
                port=DATABASE_PORT,
                user=USER,
                password=password,
                autocommit=True,
                ssl_ca=ca,
                ssl_cert=cert,
                ssl_key=key,
            )
        )

    def tell_database(self, present: str, following: str) -> None:
        """As ``cdc vault rotate`` tells it of a password."""
        ca, cert, key = self._database_files
        ways = SourceWays({DATABASE_HOST: {"ssl-ca": ca, "ssl-cert": cert, "ssl-key": key}})
        login = SourceLogin(DATABASE_HOST, DATABASE_PORT, USER, "mariadb", True, ())
        self.kafka.project.namespace.run(lambda: SourceServers(ways).tell(login, present, following))

    def executor(self) -> Callable[[str], None]:
        """Runs statements on a connection of its own; each is a transaction."""
        connection = self.session()

        def execute(statement: str) -> None:
            with connection.cursor() as cursor:
                cursor.execute(statement)

        return execute

    def changes(self, topic: str) -> list[Change]:
        """The payloads of a change topic's records, tombstones left out; of committed transactions only."""
        clients = self.kafka.clients
        values = clients.read_all(clients.as_user("auditor"), topic)
        return [json.loads(value)["payload"] for value in values if value]

    def wait_until_caught_up(
        self, wanted: Mapping[str, int], counts: Callable[[Change], bool] = bool, seconds: float = 120
    ) -> None:
        """Until each topic has so many changes that count, or more."""
        deadline = time.monotonic() + seconds
        for topic, count in wanted.items():
            wait_until(
                f"{topic} has {count} changes",
                lambda topic=topic, count=count: len(list(filter(counts, self.changes(topic)))) >= count,  # type: ignore[misc]
                max(1.0, deadline - time.monotonic()),
                0.2,
            )


@dataclass(frozen=True)
class Inside:
    """A cluster's interface, each request made from inside the stack's network."""

    kafka: RunningKafka
    rest: RestCluster

    def ask(self, request: Callable[[RestCluster], Any]) -> Any:
        """What ``request`` gives."""
        return self.kafka.project.namespace.run(lambda: request(self.rest))


@contextmanager
def connect_stack(folder: Path, stack: str, work: Path, super_user: str) -> Iterator[ConnectStack]:
    """The stack of ``folder/Pulumi.<stack>.yaml`` with MariaDB beside it, which knows its readers by their certificates and is
    known by its own; its connectors are not made yet."""
    laid, database = DockerStack.lay_out(folder, stack, work), DatabaseTls.made()
    write_secrets(laid, database)
    root = work / "project"
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: cdc-platform\nruntime: python\n", encoding="utf-8")
    shutil.copy(folder / f"Pulumi.{stack}.yaml", root)
    shutil.copytree(folder / "schemas", root / "schemas")
    with running_kafka(laid, super_user) as kafka:
        namespace = kafka.project.namespace
        tls = (database.servers.issue(DATABASE_HOST, DATABASE_HOST), database.client_ca)
        with MariadbServer(work, namespace=namespace, port=DATABASE_PORT, password=DATABASE_PASSWORD, tls=tls) as mariadb:
            yield ConnectStack(kafka, mariadb, database, root, stack)
