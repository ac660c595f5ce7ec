"""The development stack, from its rendered ``compose.yaml``, with what a test asks of it from the machine beside it."""

import http.client
import json
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pymysql
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import WhiteListRoundRobinPolicy
from confluent_kafka import Consumer, TopicPartition

from components.connect.derive import worker_names
from components.development.names import APPLICATION, CASSANDRA, MARIADB
from components.development.secrets import make_up
from components.postgres.derive import ADMINISTRATOR
from tests.harness.cdc_command import REPOSITORY, Outcome
from tests.harness.compose_project import ComposeProject
from tests.harness.docker_stack import DockerStack
from tests.harness.processes import LOOPBACK

STACK = "dev"
CDC = Path(sys.executable).with_name("cdc")
CDC_SECONDS = 240
SESSION_MILLISECONDS = 6_000
"""The least that a broker takes."""

Result = TypeVar("Result")
Row = tuple[Any, ...]


@dataclass(frozen=True)
class DevStack:
    """``root`` is a copy of the project's stack file, beside which ``cdc`` keeps its log."""

    stack: DockerStack
    project: ComposeProject
    root: Path

    @property
    def workers(self) -> tuple[str, ...]:
        """The containers of the pipelines' sink workers: MariaDB's, and Cassandra's."""
        return "sink-orders-0", "sink-customers-0"

    @property
    def agent(self) -> str:
        """The container of Debezium's agent for Cassandra."""
        return "cdc-cassandra-customers"

    @property
    def connect(self) -> str:
        """The container of the Connect worker that runs the connector."""
        assert self.stack.spec.connect is not None
        return worker_names(self.stack.spec.connect, self.stack.spec.kafka, self.stack.spec.connect.active)[0]

    def inside(self, action: Callable[[], Result]) -> Result:
        """What ``action`` gives where services have their names, and 127.0.0.1 their published ports."""
        return self.project.namespace.run(action)

    def cdc(self, *arguments: str) -> Outcome:
        """The command as a user of the machine runs it."""
        command = self.project.namespace.command(CDC, "--root", self.root, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=CDC_SECONDS, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def source(self) -> "pymysql.Connection[Any]":
        """A connection of the shop's own program, by the published port."""
        assert self.stack.spec.development is not None
        assert self.stack.spec.development.mariadb is not None
        port = self.stack.spec.development.mariadb.host_port
        password = self._secret(MARIADB, f"{APPLICATION}.password")
        return self.inside(
            lambda: pymysql.connect(
                host=LOOPBACK, port=port, user=APPLICATION, password=password, database="shop", autocommit=True
            )
        )

    def ask_cassandra(self, *queries: str) -> list[list[Any]]:
        """The rows of each query, as the shop's own program, by the published port."""
        profile = ExecutionProfile(WhiteListRoundRobinPolicy([LOOPBACK]), request_timeout=60)
        login = PlainTextAuthProvider(APPLICATION, self._secret(CASSANDRA, f"{APPLICATION}.password"))

        def asked() -> list[list[Any]]:
            cluster = Cluster(
                [LOOPBACK],
                port=self._cassandra_port(),
                auth_provider=login,
                execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                connect_timeout=30,
                protocol_version=5,
            )
            try:
                session = cluster.connect()
                return [list(session.execute(query)) for query in queries]
            finally:
                cluster.shutdown()

        return self.inside(asked)

    @contextmanager
    def mocked_cassandra(self, events: int, rate: float, seed: int) -> Iterator[None]:
        """Meanwhile ``cdc mock`` writes made-up changes as the shop's own program; at the end it has written them all."""
        password = self.stack.work / "secrets" / CASSANDRA / f"{APPLICATION}.password"
        place = ("--host", LOOPBACK, "--port", str(self._cassandra_port()), "--user", APPLICATION, "--password-file", password)
        amount = ("--events", str(events), "--rate", str(rate), "--seed", str(seed))
        command = self.project.namespace.command(CDC, "mock", "cassandra", *place, *amount)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                yield
                said, _ = process.communicate(timeout=CDC_SECONDS)
            finally:
                process.kill()
        assert process.returncode == 0, said

    def ask_admin(self, path: str, token: str | None = None) -> tuple[int, Any]:
        """Status and body of the first pipeline's admin API, by the published port and with the certificate made up for it."""
        assert self.stack.spec.sink is not None
        assert self.stack.spec.sink.admin is not None
        port = self.stack.spec.sink.admin.host_port
        context = ssl.create_default_context(cafile=self.stack.work / "secrets" / "sink-orders-admin" / "admin.crt")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}

        def asked() -> tuple[int, Any]:
            with closing(http.client.HTTPSConnection(LOOPBACK, port, timeout=60, context=context)) as connection:
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())

        return self.inside(asked)

    def _cassandra_port(self) -> int:
        assert self.stack.spec.development is not None
        assert self.stack.spec.development.cassandra is not None
        return self.stack.spec.development.cassandra.host_port

    def ask_target(self, query: str) -> list[Row]:
        """Rows of the warehouse, as its administrator."""
        password = self._secret("postgres", "admin.password")

        def asked() -> list[Row]:
            with psycopg.connect(host="postgres", user=ADMINISTRATOR, password=password, dbname="warehouse") as connection:
                return connection.execute(query.encode()).fetchall()

        return self.inside(asked)

    def consumer(self, group: str) -> Consumer:
        """A client of Kafka through the port that is published for the machine."""
        config = {"bootstrap.servers": "127.0.0.1:19092", "group.id": group, "isolation.level": "read_committed"}
        return self.inside(lambda: Consumer(config))

    def ends(self, topics: list[str]) -> dict[tuple[str, int], int]:
        """The offset behind the last record of each partition."""
        with closing(self.consumer("looks")) as consumer:
            known = consumer.list_topics(timeout=30).topics
            places = [TopicPartition(topic, n) for topic in topics if topic in known for n in known[topic].partitions]
            return {(place.topic, place.partition): consumer.get_watermark_offsets(place, timeout=30)[1] for place in places}

    def readable_from(self, place: tuple[str, int], offset: int, end: int) -> int:
        """How many records a reader of committed ones finds from ``offset`` on, where ``end`` is the partition's."""
        with closing(self.consumer("looks")) as consumer:
            consumer.assign([TopicPartition(*place, offset)])
            found, deadline = 0, time.monotonic() + CDC_SECONDS
            while max(offset, consumer.position([TopicPartition(*place)])[0].offset) < end:
                message = consumer.poll(0.2)
                found += message is not None and message.error() is None
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{place}: nothing more comes, and {end} is not reached")
            return found

    def committed(self, group: str, places: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Where a group stands, by Kafka."""
        with closing(self.consumer(group)) as consumer:
            found = consumer.committed([TopicPartition(*place) for place in places], timeout=30)
            return {(place.topic, place.partition): place.offset for place in found}

    def _secret(self, container: str, name: str) -> str:
        return (self.stack.work / "secrets" / container / name).read_text()


@contextmanager
def dev_stack(work: Path) -> Iterator[DevStack]:
    """Laid out with the passwords that ``cdc secrets make`` makes up; nothing of it runs yet."""
    laid = DockerStack.lay_out(REPOSITORY, STACK, work)
    shutil.rmtree(laid.work / "secrets")
    make_up(laid.spec, laid.work / "secrets")
    root = work / "project"
    root.mkdir()
    for name in ("Pulumi.yaml", f"Pulumi.{STACK}.yaml"):
        shutil.copy(REPOSITORY / name, root)
    _hasten(laid)
    with closing(laid.project()) as project:
        yield DevStack(laid, project, root)


def _hasten(laid: DockerStack) -> None:
    """The one thing that is otherwise than rendered: Kafka notices sooner that a worker was killed."""
    for file in laid.tree.glob("sink/*/settings.json"):
        settings = json.loads(file.read_text())
        settings["kafka"]["session_timeout_ms"] = SESSION_MILLISECONDS
        file.write_text(json.dumps(settings))
