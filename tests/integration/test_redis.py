"""The rendered Redis and Sentinels, started as their image starts them: each user has its own keys, and a master may die."""

import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sink_worker.redis_hints import connect_redis
from sink_worker.settings import RedisSettings

from components.observability.names import REDIS_EXPORTER, REDIS_EXPORTER_PORT
from components.observability.scraping import redis_addresses
from components.redis.derive import EXPORTER, MASTER, PORT, REPLICATION, SENTINEL_PORT, WATCHER
from tests.harness.certificates import CertificateAuthority, write
from tests.harness.compose_project import ComposeProject
from tests.harness.docker_stack import DockerStack
from tests.harness.metric_names import EXPORTED, exposed
from tests.harness.processes import wait_until
from tests.harness.stores import Stores

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
SINK = "shop-orders-sink"
NODES, SENTINELS = ("redis-0", "redis-1", "redis-2"), ("redis-sentinel-0", "redis-sentinel-1", "redis-sentinel-2")
SECONDS = 120


@dataclass(frozen=True)
class Running:
    """Three nodes and three Sentinels, reached by name from inside of their network."""

    stores: Stores
    project: ComposeProject
    ca_file: Path

    def ask(self, user: str | None, host: str, *words: str, port: int = PORT, **more: Any) -> Any:
        """The answer to one command; an error of Redis raises."""
        own: dict[str, Any] = {"username": user, "password": self.stores.users.get(user or "", "unknown"), "ssl": True, **more}

        if own["ssl"]:
            own["ssl_ca_certs"] = str(self.ca_file)

        def asked() -> Any:
            with redis.Redis(host=host, port=port, socket_timeout=5, retry=Retry(NoBackoff(), 0), **own) as client:
                return client.execute_command(*words)

        return self.project.namespace.run(asked)

    def master(self, sentinel: str) -> str:
        """Whom a Sentinel calls the master."""
        address = self.ask(SINK, sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER, port=SENTINEL_PORT)
        return str(address[0].decode())

    def worker_client(self) -> redis.Redis:
        """What the sink worker makes of its rendered settings."""
        password = write(self.stores.stack.work / "own", {"password": self.stores.users[SINK]}) / "password"
        sentinels = [f"{host}:{SENTINEL_PORT}" for host in SENTINELS]
        settings = RedisSettings(
            sentinels=sentinels, master_name=MASTER, username=SINK, password_file=password, ca_file=self.ca_file
        )
        return connect_redis(settings)

    def replicas_of(self, host: str) -> set[str]:
        """The replicas that have all that a node has."""
        role = self.ask(WATCHER, host, "ROLE")
        return {name.decode() for name, _, offset in role[2] if offset != b"0"} if role[0] == b"master" else set()


@pytest.fixture(name="running", scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    stores = Stores(DockerStack.lay_out(HERE, "stores", tmp_path_factory.mktemp("stores"))).lay_out()
    ca_file = write(stores.stack.work / "own", {"ca.pem": stores.ca.certificate}) / "ca.pem"
    with contextlib.closing(stores.stack.project()) as project:
        project.up(*NODES, *SENTINELS)
        running = Running(stores, project, ca_file)
        wait_until("both replicas to follow", lambda: running.replicas_of(NODES[0]) == set(NODES[1:]), SECONDS)
        wait_until("the Sentinels to know each other and the replicas", lambda: all(map(knows_all, _each(running))), SECONDS)
        yield running


def _each(running: Running) -> Iterator[tuple[Running, str]]:
    return ((running, host) for host in SENTINELS)


def knows_all(one: tuple[Running, str]) -> bool:
    running, host = one
    [master] = running.ask(SINK, host, "SENTINEL", "MASTERS", port=SENTINEL_PORT)
    return (master[b"num-slaves"], master[b"num-other-sentinels"]) == (b"2", b"2")


ALLOWED: dict[str, list[tuple[str, ...]]] = {
    SINK: [
        ("SET", "checkpoint:shop.orders:0", "1"),
        ("SET", "checkpoint:shop.orders:11", "1"),
        ("SET", "schema:shop:orders", "{}"),
        ("SET", "lock:shop.orders", "me", "NX", "EX", "10"),
        (
            "EVAL",
            "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end",
            "1",
            "lock:shop.orders",
            "me",
        ),
        ("PING",),
    ],
    EXPORTER: [("INFO", "all"), ("SLOWLOG", "GET"), ("LATENCY", "LATEST")],
    WATCHER: [("ROLE",), ("INFO", "replication")],
}


@pytest.mark.parametrize("user", ALLOWED)
def test_each_user_may_do_its_job(running: Running, user: str) -> None:
    for words in ALLOWED[user]:
        running.ask(user, NODES[0], *words)


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (SINK, ("GET", "checkpoint:billing.invoices:0")),
        (SINK, ("SET", "checkpoint:shop.other:0", "1")),
        (SINK, ("SET", "checkpoint:shop.ordersx:0", "1")),
        (SINK, ("SET", "schema:shop:orders:more", "1")),
        (SINK, ("DEL", "lock:billing.invoices")),
        (SINK, ("EVAL", "return redis.call('get', 'checkpoint:billing.invoices:0')", "0")),
        (SINK, ("EVAL", "return redis.call('flushall')", "0")),
        (SINK, ("KEYS", "*")),
        (SINK, ("SCAN", "0")),
        (SINK, ("FLUSHALL",)),
        (SINK, ("CONFIG", "GET", "masterauth")),
        (SINK, ("ACL", "LIST")),
        (SINK, ("CLIENT", "LIST")),
        (SINK, ("SHUTDOWN",)),
        (SINK, ("SUBSCRIBE", "any")),
        (SINK, ("PUBLISH", "__sentinel__:hello", "a lie")),
        (SINK, ("REPLICAOF", "NO", "ONE")),
        (EXPORTER, ("GET", "checkpoint:shop.orders:0")),
        (EXPORTER, ("CONFIG", "GET", "masterauth")),
        (REPLICATION, ("GET", "checkpoint:shop.orders:0")),
        (REPLICATION, ("SET", "checkpoint:shop.orders:0", "1")),
        (WATCHER, ("GET", "checkpoint:shop.orders:0")),
        (WATCHER, ("CONFIG", "SET", "maxmemory", "1")),
        (WATCHER, ("FLUSHALL",)),
    ],
)
def test_what_is_not_a_users_is_refused(running: Running, user: str, words: tuple[str, ...]) -> None:
    with pytest.raises(redis.ResponseError, match=r"permission|No permissions|can't"):
        running.ask(user, NODES[0], *words)


@pytest.mark.parametrize(
    "words",
    [
        ("SENTINEL", "FAILOVER", MASTER),
        ("SENTINEL", "REMOVE", MASTER),
        ("SENTINEL", "SET", MASTER, "quorum", "1"),
        ("SENTINEL", "MONITOR", "mine", "127.0.0.1", "1", "1"),
        ("SENTINEL", "CONFIG", "GET", "*"),
        ("SHUTDOWN",),
    ],
)
def test_a_sink_asks_the_sentinels_and_tells_them_nothing(running: Running, words: tuple[str, ...]) -> None:
    assert running.master(SENTINELS[0]) == NODES[0]
    with pytest.raises(redis.ResponseError, match="permission"):
        running.ask(SINK, SENTINELS[0], *words, port=SENTINEL_PORT)


def figures(running: Running, target: str) -> str:
    """What the exporter tells Prometheus of one node or Sentinel."""
    url = f"http://{REDIS_EXPORTER}:{REDIS_EXPORTER_PORT}/scrape"
    ask = partial(httpx.get, url, params={"target": target}, timeout=30, trust_env=False)
    return str(running.project.namespace.run(lambda: ask().raise_for_status().text))


def test_the_exporter_enters_every_node_and_sentinel_and_exports_what_is_named(running: Running) -> None:
    """As it is rendered: over TLS, as a user who may read figures and nothing else."""
    spec = running.stores.stack.spec
    assert spec.redis is not None
    running.project.up(REDIS_EXPORTER)
    told = {address: figures(running, address) for address in redis_addresses(spec, spec.redis)}
    assert set().union(*(exposed(text) for text in told.values())) >= EXPORTED["redis"]
    assert all(re.search(r"^redis_up 1$", text, re.MULTILINE) for text in told.values())
    masters = [address for address, text in told.items() if 'role="master"' in text]
    assert masters == [f"rediss://{NODES[0]}:{PORT}"]
    assert re.search(r"^redis_connected_slaves 2$", told[masters[0]], re.MULTILINE)
    quorum = r'^redis_sentinel_master_ckquorum_status\{master_name="cdc",message="OK 3 usable Sentinels.*"\} 1$'
    assert all(re.search(quorum, told[f"rediss://{host}:{SENTINEL_PORT}"], re.MULTILINE) for host in SENTINELS)
    assert re.search(r"^redis_up 0$", figures(running, f"rediss://{NODES[0]}:1"), re.MULTILINE)


LISTENING = pytest.mark.parametrize(
    ("host", "port"), [(NODES[0], PORT), (NODES[1], PORT), (SENTINELS[0], SENTINEL_PORT)], ids=["master", "replica", "sentinel"]
)


@LISTENING
@pytest.mark.parametrize(
    ("user", "password"), [(SINK, "wrong"), ("nobody", "any"), ("default", "any"), ("default", ""), (None, None)]
)
def test_who_is_not_known_is_kept_out(running: Running, user: str, password: str | None, host: str, port: int) -> None:
    with pytest.raises(redis.AuthenticationError, match=r"invalid username-password|already authenticated"):
        running.ask(user, host, "PING", port=port, password=password)


@LISTENING
def test_nothing_is_said_in_plain_text(running: Running, host: str, port: int) -> None:
    with pytest.raises(redis.ConnectionError):
        running.ask(SINK, host, "PING", port=port, ssl=False)


@LISTENING
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_protocols_are_refused(running: Running, host: str, port: int) -> None:
    def greet() -> None:
        context = ssl.create_default_context(cafile=str(running.ca_file))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with socket.create_connection((host, port), 5) as plain, context.wrap_socket(plain, server_hostname=host):
            pass

    with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|protocol version"):
        running.project.namespace.run(greet)


def test_a_node_that_another_authority_signed_for_is_not_believed(running: Running, tmp_path: Path) -> None:
    foreign = write(tmp_path, {"ca.pem": CertificateAuthority("foreign").certificate}) / "ca.pem"
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        Running(running.stores, running.project, foreign).ask(SINK, NODES[0], "PING")


def test_no_password_is_in_an_argument_or_a_log(running: Running) -> None:
    """The probe's, made up at the start, is not either."""
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _is_redis(path)]
    assert arguments
    logs = [running.project.containers[name].log.read_bytes() for name in (*NODES, *SENTINELS, REDIS_EXPORTER)]
    for password in running.stores.users.values():
        assert not [text for text in (*arguments, *logs) if password.encode() in text]


def _is_redis(path: Path) -> bool:
    try:
        return b"redis" in path.read_bytes()
    except OSError:
        return False


def test_a_full_redis_refuses_writes_and_keeps_what_it_has(running: Running) -> None:
    """By the figures that it runs with: nothing is evicted, and everything is on disk within a second."""
    info = running.ask(EXPORTER, NODES[0], "INFO", "all")
    assert info["maxmemory_policy"] == "noeviction"
    assert info["maxmemory"] == 128 << 20
    assert info["aof_enabled"] == 1


def test_a_dead_master_is_replaced_and_comes_back_as_a_replica(running: Running) -> None:
    """The worker's own client follows; what the old master had is at the new one, and again at the old one."""
    client = running.worker_client()
    inside: Callable[[Callable[[], Any]], Any] = running.project.namespace.run
    inside(lambda: client.set("checkpoint:shop.orders:0", "before"))
    wait_until("the replicas to have it", lambda: _lag(running) == 0, SECONDS)
    running.project.containers[NODES[0]].kill()
    wait_until("another master", lambda: {running.master(host) for host in SENTINELS} not in ({NODES[0]}, set()), SECONDS)
    wait_until("the worker to write again", lambda: bool(inside(lambda: _tries_to_set(client, "after"))), SECONDS)
    [new] = {running.master(host) for host in SENTINELS} - {NODES[0]}
    assert running.ask(SINK, new, "GET", "checkpoint:shop.orders:0") == b"after"
    running.project.containers[NODES[0]].start()
    running.project.containers[NODES[0]].wait_healthy()
    wait_until("the old master to follow the new", lambda: NODES[0] in running.replicas_of(new), SECONDS)
    wait_until("its copy", lambda: running.ask(SINK, NODES[0], "GET", "checkpoint:shop.orders:0") == b"after", SECONDS)


def _lag(running: Running) -> int:
    """Bytes that the slowest replica lacks."""
    _, offset, replicas = running.ask(WATCHER, NODES[0], "ROLE")
    return int(offset) - min(int(replica[2]) for replica in replicas)


def _tries_to_set(client: redis.Redis, text: str) -> bool:
    try:
        return bool(client.set("checkpoint:shop.orders:0", text))
    except (redis.RedisError, OSError):
        return False


def test_nodes_and_sentinels_that_all_restart_agree_again_and_have_kept_everything(running: Running) -> None:
    """What Sentinels learned is gone with their memory: the nodes tell them who the master is."""
    before = running.master(SENTINELS[0])
    running.ask(SINK, before, "SET", "schema:shop:orders", "kept")
    for name in SENTINELS:
        running.project.containers[name].kill()
    for name in SENTINELS:
        running.project.containers[name].start()
    for name in SENTINELS:
        running.project.containers[name].wait_healthy()
    assert {running.master(host) for host in SENTINELS} == {before}
    wait_until("the write to be on disk", lambda: _fsynced(running, before), SECONDS)
    running.project.containers[before].stop()
    running.project.containers[before].start()
    running.project.containers[before].wait_healthy()
    wait_until("a master", lambda: running.replicas_of(running.master(SENTINELS[0])) != set(), SECONDS)
    assert running.ask(SINK, before, "GET", "schema:shop:orders") == b"kept"


def _fsynced(running: Running, host: str) -> bool:
    info = running.ask(EXPORTER, host, "INFO", "persistence")
    return bool(info["aof_pending_bio_fsync"] == 0 and info["aof_buffer_length"] == 0)
