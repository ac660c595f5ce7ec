"""Passwords of HAProxy's users are rotated in a real Vault, and a real HAProxy takes them over, while clients that are up to
date and clients that are not go on asking."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from components.haproxy.backend import Backend, Server
from components.loading import load_environment
from operations import vault_rotate
from operations.live.postgres_roles import PostgresServers
from operations.live.vault import Vault, VaultAccess
from tests.harness.cdc_command import Outcome, Project, project
from tests.harness.certificates import CertificateAuthority
from tests.harness.haproxy_process import haproxy_process
from tests.harness.http_servers import HEALTH, FakeServer
from tests.harness.processes import LOOPBACK, Process, free_ports, is_listening, wait_until
from tests.harness.vault_server import VaultServer

pytestmark = pytest.mark.integration

SECONDS = 120
CLIENT = "sink-p0-0/sink.haproxy-password"
KEPT = "cdc-pipeline/trial/haproxy-sink"
STACK = """\
config:
  cdc-platform:environment:
    tier: development
    target: docker
    kafka:
      controllers: 0
      brokers: 1
      listeners: [{name: plain, port: 9092, tls: false, authentication: none}]
      tls: {internal: false}
      authorization: {type: none}
    schemaRegistry: {replicas: 1, tls: {enabled: false}}
    haproxy:
      statsPort: 8404
      tls: {enabled: false}
      users: [{name: sink, password: "vault:cdc-pipeline/trial/haproxy-sink#password"}]
    sink: {image: "acme/sink:1", replicas: 1, postgresTls: disable}
    vault: {rotation: {every: 30d, overlap: 10m}}
    tenants: [{name: shop, owner: team-shop}]
    pipelines:
      - name: p0
        tenant: shop
        source: {mysql: {host: db, password: "secret:db#password", tables: [shop.t]}}
        sink: {postgres: {host: pg, database: w, password: "secret:pg#password"}}
"""


class Site:
    """A Vault that keeps the password of HAProxy's one user."""

    def __init__(self, vault: VaultServer, made: Project) -> None:
        self.vault, self.project = vault, made

    def cdc(self, *arguments: str) -> Outcome:
        way = ["--address", self.vault.url, "--ca-file", str(self.vault.ca_file), "--token-file", str(self.vault.token_file)]
        return self.project.cdc(*arguments, *way)

    def pull(self, to: Path) -> Path:
        done = self.cdc("secrets", "pull", "trial", "--to", str(to), "--owner", f"{os.geteuid()}:{os.getegid()}")
        assert done.code == 0, done.text
        return to

    def rotate(self, later: timedelta) -> list[str]:
        """As the verb does, at a later time. No server is told anything."""
        now, spec = datetime.now(UTC) + later, load_environment(self.project.root, "trial")
        with Vault(VaultAccess(self.vault.url, self.vault.ca_file, self.vault.token)) as vault:
            found = vault_rotate.observe(spec, vault, now)
            with PostgresServers([], {}) as servers:
                return vault_rotate.rotate(vault, servers, found, now)

    def values(self) -> dict[str, str]:
        found: dict[str, str] = self.vault.ask("GET", f"secret/data/{KEPT}")["data"]["data"]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("rotation")
    root = folder / "project"
    root.mkdir()
    made = project(root, trial=STACK)
    with VaultServer(folder / "vault", load_environment(root, "trial")) as vault:
        vault.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        wait_until("KV is ready", lambda: vault.request("GET", "secret/config").is_success, SECONDS)
        vault.put(KEPT, password="first")
        found = Site(vault, made)
        applied = found.cdc("vault", "apply", "trial", "--yes")
        assert applied.code == 0, applied.text
        yield found


@contextmanager
def door(site: Site, folder: Path, secrets: Path) -> Iterator[tuple[Process, int]]:
    """HAProxy with the secrets of its container, in front of one server."""
    haproxy = load_environment(site.project.root, "trial").haproxy
    assert haproxy is not None
    (folder / "secrets").symlink_to(secrets)
    port, stats = free_ports(2)
    with FakeServer("registry") as server:
        backend = Backend("schema-registry", port, (Server("registry", LOOPBACK, server.port),), health_path=HEALTH)
        spec = haproxy.model_copy(update={"stats_port": stats})
        with haproxy_process(folder, spec, backend, CertificateAuthority("authority"), "") as process:
            process.wait_ready(lambda: is_listening(port), SECONDS)
            wait_until("the server is up", lambda: status(port, "first") == httpx.codes.OK, SECONDS)
            yield process, port


def status(port: int, password: str) -> int:
    with httpx.Client(trust_env=False, timeout=20) as client:
        return client.get(f"http://{LOOPBACK}:{port}/subjects", auth=("sink", password)).status_code


@contextmanager
def load(port: int, *files: Path) -> Iterator[list[str]]:
    """One request after the other with the password in each file, as it is at that moment; gives what was not answered."""
    failed: list[str] = []
    counts = [0] * len(files)
    ended = threading.Event()

    def work(place: int) -> None:
        while not ended.is_set():
            try:
                answer = status(port, files[place].read_text())
            except httpx.HTTPError as error:
                failed.append(f"{files[place]}: {error!r}")
            else:
                failed.extend([f"{files[place]}: {answer}"] if answer != httpx.codes.OK else [])
            counts[place] += 1
            ended.wait(0.005)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(files))]
    for thread in threads:
        thread.start()
    try:
        wait_until("everybody has asked", lambda: min(counts) > 0, SECONDS)
        yield failed
        seen = list(counts)
        wait_until("everybody has asked again", lambda: all(n > s + 1 for n, s in zip(counts, seen, strict=True)), SECONDS)
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_no_request_fails_while_passwords_are_rotated_and_the_oldest_opens_nothing_in_the_end(
    site: Site, tmp_path: Path
) -> None:
    """HAProxy starts once. A client that never fetches is served until the second rotation, and one that does always."""
    stale, fresh = site.pull(tmp_path / "stale"), site.pull(tmp_path / "fresh")
    first = site.values()
    (tmp_path / "haproxy").mkdir()
    with door(site, tmp_path / "haproxy", fresh / "haproxy") as (process, port):
        with load(port, stale / CLIENT, fresh / CLIENT) as failed:
            assert site.rotate(timedelta(days=31)) == [KEPT]
            assert site.values()["password"] == first["password-next"]
            assert [status(port, first[key]) for key in ("password", "password-next")] == [200, 200]
            site.pull(fresh)
            newest = site.values()["password-next"]
            wait_until("HAProxy knows the newest", lambda: status(port, newest) == httpx.codes.OK, SECONDS)
        assert failed == []
        with load(port, fresh / CLIENT) as failed:
            assert site.rotate(timedelta(days=62)) == [KEPT]
            site.pull(fresh)
            wait_until("the oldest is forgotten", lambda: status(port, "first") == httpx.codes.UNAUTHORIZED, SECONDS)
        assert failed == []
        assert process.pid > 0
        assert all(value not in process.output() for value in (*first.values(), *site.values().values()))
