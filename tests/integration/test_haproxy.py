"""A real HAProxy, started as its image starts it, in front of servers of the test: what its configuration promises."""

import base64
import http.client
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from components.core.secrets import SecretFile
from components.haproxy.backend import Affinity, Backend, OwnApi, Server
from components.haproxy.spec import HaproxySpec
from tests.harness.certificates import ENDED, CertificateAuthority, Identity
from tests.harness.haproxy_process import haproxy_process
from tests.harness.http_servers import HEALTH, FakeServer
from tests.harness.processes import LOOPBACK, Process, free_ports, is_listening, wait_until

pytestmark = pytest.mark.integration

PASSWORD = "a long and random one"
AUTHORITY = CertificateAuthority("authority")
CLIENTS = CertificateAuthority("clients")
MASTER_SECONDS = 0.5
"""A master that has just started its workers loses the signals that it gets."""


@dataclass
class Running:
    """HAProxy in front of two servers."""

    process: Process
    port: int
    stats_port: int
    servers: tuple[FakeServer, FakeServer]
    folder: Path

    def client(self, scheme: str = "http", password: str | None = PASSWORD, identity: Path | None = None) -> httpx.Client:
        token = base64.b64encode(f"app:{password}".encode()).decode()
        verify = ssl.create_default_context(cadata=AUTHORITY.certificate)
        if identity is not None:
            verify.load_cert_chain(identity)
        headers = {} if password is None else {"Authorization": f"Basic {token}"}
        url = f"{scheme}://{LOOPBACK}:{self.port}"
        return httpx.Client(base_url=url, headers=headers, verify=verify, trust_env=False, timeout=20)

    def seen(self, path: str = "") -> list[str]:
        """The names of the servers that were asked for ``path``, once for each time."""
        return [server.name for server in self.servers for request in server.seen if request.path.endswith(path)]


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts HAProxy with a spec and changes to its backend, and waits until both servers are up."""
    with ExitStack() as stack:

        def begin(spec: HaproxySpec, **changes: object) -> Running:
            servers = (stack.enter_context(FakeServer("one")), stack.enter_context(FakeServer("two")))
            port, stats_port = free_ports(2)
            spec = spec.model_copy(update={"stats_port": stats_port})
            backend = replace(_backend(port, servers), **changes)  # type: ignore[arg-type]
            process = stack.enter_context(_process(tmp_path, spec, backend))
            process.wait_ready(lambda: is_listening(port) and is_listening(stats_port), 20)
            time.sleep(MASTER_SECONDS)
            return Running(process, port, stats_port, servers, tmp_path)

        yield begin


def _backend(port: int, servers: tuple[FakeServer, ...]) -> Backend:
    listed = tuple(Server(server.name, LOOPBACK, server.port) for server in servers)
    return Backend("app", port, listed, health_path=HEALTH, prefix="/own")


def _process(folder: Path, spec: HaproxySpec, backend: Backend) -> Process:
    return haproxy_process(folder, spec, backend, AUTHORITY, PASSWORD, CLIENTS.certificate)


OPEN = HaproxySpec.model_validate({"authentication": "none", "tls": {"enabled": False}})
WITH_PASSWORD = HaproxySpec.model_validate(
    {"tls": {"enabled": False}, "users": [{"name": "app", "passwordHash": "secret:users#app"}]}
)


# What a request becomes


def test_a_path_gets_the_prefix_and_keeps_its_query_and_escapes(start: Start) -> None:
    running = start(OPEN)
    with running.client() as client:
        assert client.get("/subjects/a%2Fb?normalize=true&x=%20").status_code == 200
    [request] = [request for server in running.servers for request in server.seen]
    assert request.path == "/own/subjects/a%2Fb?normalize=true&x=%20"


def test_requests_go_round(start: Start) -> None:
    running = start(OPEN)
    with running.client() as client:
        assert sorted({client.get("/x").text for _ in range(4)}) == ["one", "two"]


def test_requests_about_one_thing_go_to_one_server_until_it_is_gone(start: Start) -> None:
    running = start(OPEN, affinity=(Affinity("/subjects/", 3),))
    with running.client() as client:
        names = {thing: {client.get(f"/subjects/{thing}/versions").text for _ in range(4)} for thing in "abcdefgh"}
        assert all(len(found) == 1 for found in names.values())
        assert {name for found in names.values() for name in found} == {"one", "two"}
        [lost] = [server for server in running.servers if {server.name} == names["a"]]
        lost.mute = True
        assert {client.get("/subjects/a/versions").text for _ in range(4)} != names["a"]


# Another API of the same servers

ITS_OWN = OwnApi("/apis/", (Affinity("/apis/groups/", 4),), "X-Thing", ("ifExists", "RETURN"))


def test_the_servers_own_api_goes_through_as_it_is_and_things_stay_where_they_are(start: Start) -> None:
    running = start(OPEN, own=ITS_OWN, affinity=(Affinity("/subjects/", 3),))
    with running.client() as client:
        for thing in "abcdef":
            made = client.post("/apis/groups", headers={"X-Thing": thing}).text
            found = {client.get(f"/apis/groups/{thing}").text for _ in range(3)}
            found |= {client.get(f"/subjects/{thing}").text for _ in range(3)}
            assert found == {made}, thing
    paths = {request.path for server in running.servers for request in server.seen}
    assert {"/apis/groups", "/apis/groups/a", "/own/subjects/a"} <= paths


@pytest.mark.parametrize(
    ("method", "path", "times"),
    [
        ("POST", "/apis/groups", 1),
        ("POST", "/apis/groups?ifExists=FAIL", 1),
        ("PUT", "/apis/groups/a", 1),
        ("DELETE", "/apis/groups/a", 1),
        ("POST", "/apis/groups?ifExists=RETURN_OR_UPDATE", 4),
        ("GET", "/apis/groups/a", 4),
    ],
)
def test_in_the_servers_own_api_only_what_comes_to_the_same_is_repeated(
    start: Start, method: str, path: str, times: int
) -> None:
    running = start(OPEN, own=ITS_OWN, repeatable=("GET", "POST", "PUT"))
    for server in running.servers:
        server.mute = True
    with running.client() as client:
        assert client.request(method, path).status_code == 502
    assert len(running.seen(path)) == times


# Losing a server


@pytest.mark.parametrize(("fault", "value"), [("mute", True), ("status", 503), ("delay", 3)])
def test_what_one_server_fails_another_answers_where_it_may_be_repeated(start: Start, fault: str, value: object) -> None:
    running = start(OPEN, repeatable=("GET", "PUT"), timeout_seconds=1)
    setattr(running.servers[0], fault, value)
    with running.client() as client:
        assert {client.request(method, f"/{n}").text for n in range(3) for method in ("GET", "PUT")} == {"two"}
    assert "one" in running.seen()


def test_what_may_not_be_repeated_is_sent_once(start: Start) -> None:
    running = start(OPEN)
    for server in running.servers:
        server.mute = True
    with running.client() as client:
        assert client.post("/once", content=b"{}").status_code == 502
    assert len(running.seen("/once")) == 1


def test_what_one_server_does_not_know_yet_another_is_asked(start: Start) -> None:
    running = start(OPEN, retried=(404, 503))
    running.servers[0].status = 404
    with running.client() as client:
        assert {client.get("/schemas/ids/1").text for _ in range(4)} == {"two"}
        running.servers[1].status = 404
        assert client.get("/schemas/ids/2").status_code == 404


def test_a_request_as_large_as_a_schema_may_be_is_repeated_whole(start: Start) -> None:
    running = start(OPEN, repeatable=("POST",))
    running.servers[0].mute = True
    body = b"x" * 60_000
    with running.client() as client:
        assert [client.post("/large", content=body).text for _ in range(40)] == ["two"] * 40
    assert {request.body for request in running.servers[1].seen} == {body}


def test_a_server_that_says_it_is_unwell_gets_nothing_until_it_is_well(start: Start) -> None:
    running = start(OPEN)
    running.servers[0].healthy = False
    with running.client() as client:
        wait_until("it is out", lambda: up(running) == 1, 20)
        running.servers[0].seen.clear()
        assert {client.get("/x").text for _ in range(4)} == {"two"}
        assert running.servers[0].seen == []
        running.servers[0].healthy = True
        wait_until("it is back", lambda: up(running) == 2, 20)
        assert {client.get("/x").text for _ in range(4)} == {"one", "two"}


def up(running: Running) -> int:
    url = f"http://{LOOPBACK}:{running.stats_port}/metrics"
    lines = httpx.get(url, trust_env=False).text.splitlines()
    return int(next(line.split()[-1] for line in lines if line.startswith('haproxy_backend_active_servers{proxy="app"}')))


def test_it_is_ready_as_long_as_any_service_has_a_server(start: Start) -> None:
    running = start(OPEN)
    url = f"http://{LOOPBACK}:{running.stats_port}"

    def answers(path: str) -> int:
        return httpx.get(f"{url}{path}", trust_env=False).status_code

    assert (answers("/ready"), answers("/live")) == (200, 200)
    for server in running.servers:
        server.healthy = False
    wait_until("it is not ready", lambda: answers("/ready") == 503, 20)
    assert answers("/live") == 200


def test_a_server_with_a_certificate_in_another_name_or_by_another_authority_is_not_believed(tmp_path: Path) -> None:
    """Nor one whose certificate has ended, or that signed its own under the authority's name."""
    itself = CertificateAuthority("clients").issue(LOOPBACK)
    ended = CLIENTS.issue(LOOPBACK, lifetime=ENDED)
    identities = (CLIENTS.issue(LOOPBACK), CLIENTS.issue("elsewhere"), AUTHORITY.issue(LOOPBACK), itself, ended)
    with ExitStack() as stack:
        servers = tuple(FakeServer(name) for name in ("right", "name", "authority", "itself", "ended"))
        for server, identity in zip(servers, identities, strict=True):
            file = tmp_path / f"{server.name}.pem"
            file.write_text(identity.keystore)
            server.encrypt(file)
            stack.enter_context(server)
        port, stats_port = free_ports(2)
        trusted = SecretFile("client-ca.pem", "any", "ca.crt")
        backend = replace(_backend(port, servers), server_ca=trusted)
        process = stack.enter_context(_process(tmp_path, OPEN.model_copy(update={"stats_port": stats_port}), backend))
        process.wait_ready(lambda: is_listening(port) and is_listening(stats_port), 20)
        running = Running(process, port, stats_port, (servers[0], servers[1]), tmp_path)
        wait_until("the others are out", lambda: up(running) == 1, 20)
        with running.client() as client:
            assert {client.get(f"/{number}").text for number in range(6)} == {"right"}
        assert [server.seen for server in servers[1:]] == [[]] * 4


# Who gets in


def test_a_password_is_asked_for_and_not_passed_on(start: Start) -> None:
    running = start(WITH_PASSWORD)
    for password, status in ((PASSWORD, 200), ("wrong", 401), (None, 401), (PASSWORD, 200), ("", 401)):
        with running.client(password=password) as client:
            answers = [client.get("/x") for _ in range(3)]
        assert {answer.status_code for answer in answers} == {status}
        assert status == 200 or "Basic" in answers[0].headers["WWW-Authenticate"]
    requests = [request for server in running.servers for request in server.seen]
    assert len(requests) == 6
    assert not any("authorization" in map(str.lower, request.headers) for request in requests)


def test_what_is_no_hash_keeps_it_from_starting_and_is_not_repeated(tmp_path: Path) -> None:
    backend = Backend("app", 8081, (Server("one", LOOPBACK, 1),))
    for content in (PASSWORD, "$6$a'; user root password 'x", ""):
        with _process(tmp_path, WITH_PASSWORD, backend) as first:
            first.kill()
        (tmp_path / "secrets" / "app.hash").write_text(content)
        done = subprocess.run(["sh", tmp_path / "start.sh"], capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 1
        assert "openssl passwd -6" in done.stderr
        assert not content or content not in done.stderr


def pem(folder: Path, identity: Identity) -> Path:
    file = folder / "identity.pem"
    file.write_text(identity.keystore)
    return file


def test_a_certificate_is_asked_for(start: Start, tmp_path: Path) -> None:
    spec = HaproxySpec.model_validate({"authentication": "tls", "tls": {"clientCa": "secret:x#ca"}})
    running = start(spec)
    with running.client("https", None, pem(tmp_path, CLIENTS.issue("app"))) as client:
        assert client.get("/x").status_code == 200
    itself, ended = CertificateAuthority("clients").issue("app"), CLIENTS.issue("app", lifetime=ENDED)
    for identity in (AUTHORITY.issue("app"), itself, ended):
        with running.client("https", None, pem(tmp_path, identity)) as client, pytest.raises(httpx.HTTPError):
            client.get("/x")
    with running.client("https", PASSWORD) as client, pytest.raises(httpx.HTTPError):
        client.get("/x")
    assert len(running.seen("/x")) == 1


def test_a_client_that_knows_it_by_another_name_or_trusts_another_authority_turns_away(start: Start) -> None:
    running = start(HaproxySpec.model_validate({"authentication": "none"}))
    other = ssl.create_default_context(cadata=CLIENTS.certificate)
    with running.client("https") as client:
        assert client.get("/x").status_code == 200
        with pytest.raises(httpx.ConnectError, match=r"(?i)hostname mismatch"):
            client.get(f"https://localhost:{running.port}/x")
    with httpx.Client(verify=other, trust_env=False) as client, pytest.raises(httpx.ConnectError, match=r"(?i)verify failed"):
        client.get(f"https://{LOOPBACK}:{running.port}/x")
    assert len(running.seen("/x")) == 1


# Ending and starting anew


def test_the_end_waits_for_what_is_being_answered_and_takes_nothing_more(start: Start) -> None:
    running = start(OPEN)
    for server in running.servers:
        server.delay = 2
    answers: list[int] = []

    def ask() -> None:
        with running.client() as client:
            answers.append(client.get("/slow").status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until("it is on its way", lambda: bool(running.seen("/slow")), 10)
    running.process.send(signal.SIGUSR1)
    wait_until("it takes no more", lambda: not is_listening(running.port), 10)
    thread.join()
    assert answers == [200]
    wait_until("it has ended", lambda: running.process.exit_code is not None, 10)


def test_connections_do_not_keep_it_from_ending(start: Start) -> None:
    running = start(OPEN.model_copy(update={"drain": 2000}))
    for server in running.servers:
        server.delay = 30
    with socket.create_connection((LOOPBACK, running.port)) as open_one:
        open_one.sendall(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until("it is on its way", lambda: bool(running.seen("/never")), 10)
        began = time.monotonic()
        running.process.send(signal.SIGUSR1)
        wait_until("it has ended", lambda: running.process.exit_code is not None, 10)
        assert time.monotonic() - began < 20  # and not the 30 that the server takes


def test_a_connection_that_waits_is_answered_once_more_after_a_reload(start: Start) -> None:
    """Closing it under the client would fail the request that it is about to send."""
    running = start(OPEN)
    connection = http.client.HTTPConnection(LOOPBACK, running.port, timeout=10)
    for closing in (None, "close"):
        connection.request("GET", "/x")
        response = connection.getresponse()
        assert (response.status, response.getheader("Connection")) == (200, closing)
        response.read()
        running.process.send(signal.SIGUSR2)
        wait_until("the old worker ends", lambda: "Proxy app stopped" in running.process.output(), 10)


def test_reloading_ten_times_fails_no_request(start: Start) -> None:
    running = start(OPEN)
    failures: list[str] = []
    answered: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        with running.client() as client:
            while not ended.is_set():
                try:
                    answered.append(client.get("/x").status_code)
                except httpx.HTTPError as error:
                    failures.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    loaded = 0

    def loads_again() -> bool:
        """A signal that comes while it loads may be lost."""
        running.process.send(signal.SIGUSR2)
        time.sleep(0.4)
        return running.process.output().count("Loading success") > loaded

    try:
        for _ in range(10):
            loaded = running.process.output().count("Loading success")
            wait_until("it has loaded again", loads_again, 30)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert (failures, set(answered)) == ([], {200})
