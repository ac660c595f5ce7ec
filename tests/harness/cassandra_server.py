"""A real Cassandra node, and Debezium's agent beside it in the configuration that the platform renders.

Both run in a network and a root of their own: the node's ports, and every path and host name that was rendered, hold there as
they stand. The node's CQL port is one of this machine's loopback.
"""

import shutil
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import WhiteListRoundRobinPolicy

from components.cassandra_agent.properties import JVM_FLAGS
from tests.harness.certificates import CertificateAuthority
from tests.harness.crossing import Crossing
from tests.harness.namespace import Namespace, bind
from tests.harness.processes import LOOPBACK, Process, free_port
from tests.harness.system_files import java_settings, system_files
from tests.toolchain.cassandra import cassandra_libs, debezium_cassandra_agent
from tests.toolchain.java import java_home_of

READY_SECONDS = 120
HOST = "cassandra-0"
USER, PASSWORD = "cassandra", "cassandra"  # what a new node has
CQL_PORT = 9042
JAVA = 17
"""The newest that Cassandra 5.0 runs on."""
DATA = "/var/lib/cassandra"
CLUSTER = "trial"
LEAN = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
QUICK_START = (
    "-Dcassandra.superuser_setup_delay_ms=0",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.ring_delay_ms=1",
    "-Dcassandra.skip_paxos_state_rebuild=true",
)
STARTED = ("Startup complete", "Created default superuser")
_LOGGING = """<configuration><appender name="all" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%d %-5level %logger{20} %msg%n</pattern></encoder></appender>
<logger name="org.apache.cassandra.service.CassandraDaemon" level="INFO"/>
<logger name="org.apache.cassandra.auth" level="INFO"/>
<root level="WARN"><appender-ref ref="all"/></root></configuration>
"""


def _settings() -> dict[str, Any]:
    """A node that logs changes for CDC, and takes connections with TLS and a password only."""
    return {
        "cluster_name": CLUSTER,
        "num_tokens": 1,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "authenticator": "PasswordAuthenticator",
        "authorizer": "CassandraAuthorizer",
        "data_file_directories": [f"{DATA}/data"],
        "commitlog_directory": f"{DATA}/commitlog",
        "cdc_enabled": True,
        "cdc_raw_directory": f"{DATA}/cdc_raw",
        "commitlog_sync": "periodic",
        "commitlog_sync_period": "100ms",
        "commitlog_segment_size": "1MiB",
        "saved_caches_directory": f"{DATA}/saved_caches",
        "hints_directory": f"{DATA}/hints",
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [
            {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [{"seeds": LOOPBACK}]}
        ],
        "listen_address": LOOPBACK,
        "rpc_address": LOOPBACK,
        "native_transport_port": CQL_PORT,
        "start_native_transport": True,
        "auto_snapshot": False,
        "client_encryption_options": {
            "enabled": True,
            "optional": False,
            "ssl_context_factory": {"class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"},
            "keystore": "/etc/cassandra/node.pem",
            "require_client_auth": False,
        },
    }


class CassandraServer:
    """For the time of the context. ``ca`` has signed what it shows to clients that want TLS."""

    def __init__(self, folder: Path) -> None:
        """Everything is under ``folder``: the root, and the logs ``cassandra.log`` and ``agent.log``."""
        self.folder = folder
        self.root = folder / "root"
        self._data = folder / "data"
        self.ca = CertificateAuthority("cassandra")
        self.port = free_port()
        self._open = ExitStack()
        self._process: Process | None = None

    def start_agent(
        self, files: Mapping[str, str], secrets: Mapping[str, bytes], ways_out: Mapping[int, int]
    ) -> "CassandraAgent":
        """Debezium's agent, from the files that the platform renders and secrets by path. ``ways_out`` are ports that it
        finds on its loopback, with those of this machine that they lead to. It ends with the node."""
        contents = {path: text.encode() for path, text in files.items()}
        for path, content in {**contents, **secrets}.items():
            place = self.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        for inside, outside in ways_out.items():
            self._open.enter_context(Crossing.out_of(self._namespace, inside, outside))
        return self._open.enter_context(CassandraAgent(self))

    def command(self, *words: str) -> list[str]:
        """``words``, run in the node's network and root."""
        return self._namespace.command("chroot", self.root, "env", "PATH=/opt/java/bin:/usr/bin:/bin", *words)

    def session(self, user: str = USER, password: str = PASSWORD) -> Session:
        """A connection; the caller ends it by ``session.cluster.shutdown()``."""
        profile = ExecutionProfile(WhiteListRoundRobinPolicy([LOOPBACK]), request_timeout=60)
        cluster = Cluster(
            [LOOPBACK],
            port=self.port,
            auth_provider=PlainTextAuthProvider(user, password),
            ssl_context=ssl.create_default_context(cadata=self.ca.certificate),
            ssl_options={"server_hostname": "localhost"},
            execution_profiles={"default": profile, "EXEC_PROFILE_DEFAULT": profile},
            connect_timeout=30,
        )
        try:
            return cluster.connect()
        except BaseException:
            cluster.shutdown()
            raise

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            cleanup.callback(self._clean)
            self._start()
            cleanup.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._clean()

    def _start(self) -> None:
        self._data.mkdir(parents=True)
        self.root.mkdir()
        self._namespace = self._open.enter_context(Namespace(self._prepare))
        etc = self.root / "etc" / "cassandra"
        etc.mkdir(parents=True)
        (self.root / "etc" / "hosts").write_text(f"{LOOPBACK} localhost {HOST} cdc-brokers-0\n")
        (etc / "node.pem").write_text(self.ca.issue(HOST, HOST, "localhost", LOOPBACK).keystore)
        (etc / "logback.xml").write_text(_LOGGING)
        (self._data / "cassandra.yaml").write_text(yaml.safe_dump(_settings()))
        options = ("-Xms512m", "-Xmx512m", *LEAN, *QUICK_START, *JVM_FLAGS, "-Dcassandra-foreground=yes")
        own = (
            f"-Dcassandra.storagedir={DATA}",
            f"-Dcassandra.config=file://{DATA}/cassandra.yaml",
            "-Dlogback.configurationFile=/etc/cassandra/logback.xml",
            "-Dio.netty.tryReflectionSetAccessible=true",
        )
        words = ("java", *options, *own, "-cp", "/opt/cassandra/*", "org.apache.cassandra.service.CassandraDaemon")
        process = self._process = Process("Cassandra", self.command(*words), self.folder / "cassandra.log")
        self._open.callback(process.kill)
        self._open.enter_context(Crossing.into(self._namespace, self.port, CQL_PORT))
        process.wait_ready(self._answers, READY_SECONDS)

    def _prepare(self) -> None:
        bind(self.root, self.root)  # Java asks for the free space of mounts only
        system_files(self.root)
        java_settings(self.root)
        bind(Path("/etc/alternatives"), self.root / "etc" / "alternatives", read_only=True)  # Debian's awk
        bind(java_home_of(JAVA), self.root / "opt" / "java", read_only=True)
        bind(cassandra_libs(), self.root / "opt" / "cassandra", read_only=True)
        bind(debezium_cassandra_agent(), self.root / "opt" / "debezium" / "connector.jar", read_only=True)
        bind(self._data, self.root / DATA.lstrip("/"))
        (self.root / "tmp").mkdir()

    def _answers(self) -> bool:
        if self._process is None or not all(line in self._process.output() for line in STARTED):
            return False
        try:
            self.session().cluster.shutdown()
        except NoHostAvailable:
            return False
        return True

    def _clean(self) -> None:
        self._open.close()
        shutil.rmtree(self._data, ignore_errors=True)


class CassandraAgent:
    """The agent's process, started as its container is."""

    def __init__(self, server: CassandraServer) -> None:
        self._server = server
        self.process = self._started()

    def restart(self) -> None:
        """Kill it with no warning, and start it again with what it kept."""
        self.process.kill()
        self.process = self._started()

    def wait_streaming(self) -> None:
        """Return once it reads the commit log."""
        self.process.wait_ready(lambda: "Reading existing commit logs" in self.process.output(), READY_SECONDS)

    def _started(self) -> Process:
        command = self._server.command("sh", "/etc/cdc/start.sh")
        return Process("Cassandra agent", command, self._server.folder / "agent.log", env={"JAVA_TOOL_OPTIONS": " ".join(LEAN)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
