"""Passwords are rotated in a real Vault and a real PostgreSQL while clients, up to date and not, connect without a pause."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sink_worker.control import connect
from sink_worker.settings import PostgresSettings

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.loading import load_environment
from components.vault.rotation import rotated
from operations import source_restarts, vault_rotate
from operations.live.postgres_roles import PostgresServers
from operations.live.source_accounts import native_hash
from operations.live.vault import Vault, VaultAccess, VaultError
from tests.harness.cdc_command import Outcome, Project, project
from tests.harness.mariadb_server import MariadbServer
from tests.harness.postgres_server import PostgresServer
from tests.harness.processes import LOOPBACK, wait_until
from tests.harness.source_rotation import FIRST, KEPT, NAME, Killed, SourceSite, killed_before
from tests.harness.unprivileged import make_folder
from tests.harness.vault_server import VaultServer

pytestmark = pytest.mark.integration

PIPELINES = 6
HBA = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n"
STACK = """\
config:
  cdc-platform:environment:
    tier: development
    target: docker
    kafka:
      controllers: 0
      brokers: 1
      listeners: [{{name: plain, port: 9092, tls: false, authentication: none}}]
      tls: {{internal: false}}
      authorization: {{type: none}}
    sink: {{image: "acme/sink:1", replicas: 1, postgresTls: disable}}
    vault: {{rotation: {{every: 30d, overlap: 10m}}}}
    tenants: [{{name: shop, owner: team-shop}}]
    pipelines:
{pipelines}
"""
PIPELINE = """\
      - name: p{number}
        tenant: shop
        source: {{mysql: {{host: db{number}, password: "secret:db#password", tables: [shop.t]}}}}
        sink:
          postgres:
            host: {host}
            port: {port}
            database: postgres
            user: sink_{number}
            password: vault:cdc-pipeline/trial/sink-{number}#password
"""


class Site:
    """A Vault and a PostgreSQL with a role and a password for each of six pipelines."""

    def __init__(self, vault: VaultServer, postgres: PostgresServer, made: Project) -> None:
        self.vault, self.postgres, self.project = vault, postgres, made
        self.admin = made.root / "admin.conf"
        self.admin.write_text(f"user=postgres\nhost={LOOPBACK}\n")

    @property
    def spec(self) -> EnvironmentSpec:
        return load_environment(self.project.root, "trial")

    def cdc(self, *arguments: str) -> Outcome:
        way = ["--address", self.vault.url, "--ca-file", str(self.vault.ca_file), "--token-file", str(self.vault.token_file)]
        done = self.project.cdc(*arguments, *way)
        assert "bug in cdc" not in done.text, done.text
        return done

    def client(self) -> Vault:
        return Vault(VaultAccess(self.vault.url, self.vault.ca_file, self.vault.token))

    def values(self, number: int) -> dict[str, str]:
        found: dict[str, str] = self.vault.ask("GET", f"secret/data/cdc-pipeline/trial/sink-{number}")["data"]["data"]
        return found

    def pull(self, to: Path) -> Path:
        done = self.cdc("secrets", "pull", "trial", "--to", str(to))
        assert done.code == 0, done.text
        return to

    def enter(self, folder: Path, number: int) -> None:
        """As the sink worker of one pipeline connects."""
        settings = PostgresSettings(
            host=LOOPBACK,
            port=str(self.postgres.port),
            database="postgres",
            user=f"sink_{number}",
            password_file=folder / f"sink-p{number}-0" / "postgres.password",
            sslmode="disable",
        )
        with connect(settings, "test", f"p{number}") as session:
            assert session.execute("SELECT current_user").fetchone() == (f"sink_{number}",)

    @contextmanager
    def load(self, *folders: Path) -> Iterator[list[str]]:
        """Connections of every pipeline with the files in each folder, one after the other without a pause; gives what failed.
        Leaving waits until everybody has connected once more."""
        failed: list[str] = []
        counts = [0] * len(folders)
        ended = threading.Event()

        def work(place: int) -> None:
            while not ended.is_set():
                for number in range(PIPELINES):
                    try:
                        self.enter(folders[place], number)
                    except psycopg.Error as error:
                        failed.append(f"{folders[place].name}, sink_{number}: {error}")
                counts[place] += 1

        threads = [threading.Thread(target=work, args=(place,)) for place in range(len(folders))]
        for thread in threads:
            thread.start()
        try:
            wait_until("everybody has connected", lambda: min(counts) > 0, 120)
            yield failed
            seen = list(counts)
            wait_until("everybody has connected again", lambda: all(n > s + 1 for n, s in zip(counts, seen, strict=True)), 120)
        finally:
            ended.set()
            for thread in threads:
                thread.join()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("rotation")
    hba = make_folder("rotation") / "pg_hba.conf"
    hba.write_text(HBA)
    with PostgresServer(folder / "postgres", {"hba_file": str(hba), "log_connections": "on"}) as postgres:
        text = "".join(PIPELINE.format(number=number, host=LOOPBACK, port=postgres.port) for number in range(PIPELINES))
        root = folder / "project"
        root.mkdir()
        made = project(root, trial=STACK.format(pipelines=text))
        with VaultServer(folder / "vault", load_environment(root, "trial")) as vault:
            found = Site(vault, postgres, made)
            for number in range(PIPELINES):
                vault.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}) if number == 0 else None
                postgres.psql(f"CREATE ROLE sink_{number} LOGIN PASSWORD 'first-{number}'")
            wait_until("KV is ready", lambda: vault.request("GET", "secret/config").is_success, 60)
            for number in range(PIPELINES):
                vault.put(f"cdc-pipeline/trial/sink-{number}", password=f"first-{number}")
            skipped = found.cdc("vault", "apply", "trial", "--yes")
            assert skipped.code == 0, skipped.text
            yield found
    shutil.rmtree(hba.parent)


def rotate(site: Site, later: timedelta, only: tuple[str, ...] = ()) -> list[str]:
    """As the verb does, at a later time."""
    now = datetime.now(UTC) + later
    with site.client() as vault:
        found = vault_rotate.observe(site.spec, vault, now, only)
        logins = [login for each in found for logins in each.rotated.keys.values() for login in logins]
        with PostgresServers(logins, {"user": "postgres", "host": LOOPBACK}) as servers:
            return vault_rotate.rotate(vault, servers, found, now)


def test_what_was_written_lately_is_not_rotated_because_clients_may_not_have_fetched_it(site: Site) -> None:
    done = site.cdc("vault", "rotate", "trial", "--yes", "--postgres-config", str(site.admin))
    assert (done.code, done.out.count("was written lately")) == (3, PIPELINES), done.text
    assert site.values(0)["password"] == "first-0"


def test_no_client_is_refused_while_everything_is_rotated(site: Site, tmp_path: Path) -> None:
    """One client has the files of before and keeps them; another fetches new ones all the time. Then what was learnt before
    the last rotation opens nothing any more."""
    stale, fresh = site.pull(tmp_path / "stale"), site.pull(tmp_path / "fresh")
    before = [site.values(number) for number in range(PIPELINES)]
    with site.load(stale, fresh) as failed:
        assert len(rotate(site, timedelta(days=31))) == PIPELINES
        site.pull(fresh)
    assert failed == []
    after = [site.values(number) for number in range(PIPELINES)]
    for old, new in zip(before, after, strict=True):
        assert new["password"] == old["password-next"]
        assert new["password-previous"] == old["password"]
        assert len({new["password"], new["password-next"], old["password"]}) == 3
    for number, old in enumerate(before):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(
                host=LOOPBACK, port=site.postgres.port, dbname="postgres", user=f"sink_{number}", password=old["password"]
            )


def test_a_rotation_that_was_killed_between_server_and_vault_is_completed_by_the_next(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = site.values(1)
    folder = site.pull(tmp_path / "secrets")
    ask = Vault.ask

    def cut(self: Vault, method: str, path: str, *rest: object, **more: object) -> object:
        if method == "PATCH":
            raise VaultError("the connection broke")
        return ask(self, method, path, *rest, **more)  # type: ignore[arg-type]

    with site.load(folder) as failed:
        with monkeypatch.context() as patched:
            patched.setattr(Vault, "ask", cut)
            with pytest.raises(VaultError, match="0 of 1 were rotated"):
                rotate(site, timedelta(days=1), ("cdc-pipeline/trial/sink-1",))
        assert site.values(1) == before
        assert rotate(site, timedelta(days=1), ("cdc-pipeline/trial/sink-1",)) == ["cdc-pipeline/trial/sink-1"]
        site.pull(folder)
    assert failed == []
    assert site.values(1)["password"] == before["password-next"]


def test_somebody_who_writes_in_between_is_not_overwritten(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "cdc-pipeline/trial/sink-2"
    real = PostgresServers.set_password

    def written(self: PostgresServers, *rest: object) -> None:
        site.vault.request(
            "PATCH",
            f"secret/data/{path}",
            {"data": {"note": "theirs"}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        real(self, *rest)  # type: ignore[arg-type]

    before = site.values(2)
    with monkeypatch.context() as patched:
        patched.setattr(PostgresServers, "set_password", written)
        with pytest.raises(VaultError, match="check-and-set"):
            rotate(site, timedelta(days=1), (path,))
    assert site.values(2) == {**before, "note": "theirs"}
    assert rotate(site, timedelta(days=2), (path,)) == [path]


def test_what_is_fresh_is_left_and_what_is_not_rotated_here_is_named(site: Site) -> None:
    assert rotate(site, timedelta(days=20)) == []
    shown = site.cdc("vault", "rotate", "trial", "--json")
    assert {entry["state"] for entry in json.loads(shown.out)["rotations"]} == {"settling"}
    unknown = site.cdc("vault", "rotate", "trial", "--only", "cdc-pipeline/trial/other")
    assert (unknown.code, "is not rotated here" in unknown.err) == (2, True)


def test_the_verb_rotates_what_is_named(site: Site) -> None:
    site.project.edit("trial", "overlap: 10m", "overlap: 1ms")
    before = site.values(4)
    path = "cdc-pipeline/trial/sink-4"
    named = ("vault", "rotate", "trial", "--only", path)
    wait_until("Vault's clock is a second on", lambda: "lately" not in site.cdc(*named).text, 120, 0.5)
    shown = site.cdc("vault", "rotate", "trial", "--only", path)
    assert (shown.code, "1 due" in shown.out, site.values(4)) == (3, True, before), shown.text
    done = site.cdc("vault", "rotate", "trial", "--only", path, "--yes", "--postgres-config", str(site.admin))
    site.project.edit("trial", "overlap: 1ms", "overlap: 10m")
    assert (done.code, "1 path rotated" in done.out) == (0, True), done.text
    assert site.values(4)["password"] == before["password-next"]


def test_a_server_that_refuses_changes_nothing_in_vault(site: Site) -> None:
    before = [site.values(number) for number in range(PIPELINES)]
    now = datetime.now(UTC) + timedelta(days=90)
    with site.client() as vault:
        found = vault_rotate.observe(site.spec, vault, now)
        logins = [login for each in rotated(site.spec) for logins in each.keys.values() for login in logins]
        with (
            pytest.raises(Exception, match="nothing was changed"),
            PostgresServers(logins, {"user": "nobody", "host": LOOPBACK}),
        ):
            pass
        others = [each for each in found if not each.path.endswith("3")]
        one = {"user": "sink_3", "host": LOOPBACK, "password": before[3]["password"]}
        with PostgresServers(logins, one) as servers, pytest.raises(VaultError, match="0 of 5 were rotated"):
            vault_rotate.rotate(vault, servers, others, now)
    assert [site.values(number) for number in range(PIPELINES)] == before


def test_no_password_is_said_or_logged_by_the_server(site: Site) -> None:
    log = site.postgres.process.output() + site.vault.process.output()
    for number in range(PIPELINES):
        for value in site.values(number).values():
            assert value == "theirs" or value not in log


# Source databases


@pytest.fixture(scope="module")
def source(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceSite]:
    with (
        MariadbServer(tmp_path_factory.mktemp("mariadb"), "--general-log=ON", "--general-log-file=general.log") as mariadb,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(source_restarts, "STEADY_SECONDS", 0.0)
        yield SourceSite(site.vault, mariadb, site.project)


def test_a_user_that_may_not_change_itself_is_told_of_and_nothing_is_changed(source: SourceSite) -> None:
    with pytest.raises(CdcError, match=r"lacks the right CREATE USER.*\n.*--source-config"):
        source.run(administrator=False)
    assert source.values()["password"] == FIRST
    assert source.opens(FIRST)


def test_a_source_lets_its_connector_in_before_while_and_after_its_password_is_rotated(source: SourceSite) -> None:
    """The connector knows the one before until it is started again, and nothing is rotated until then; then what was before
    opens nothing any more."""
    with source.load() as failed:
        assert source.run() == "due"
        first = source.values()
        assert (source.known, first["password-previous"]) == (FIRST, FIRST)
        assert source.opens(first["password"])
        assert not source.opens(first["password-next"])
        assert source.run() == "restart"
        assert (source.known, "password-previous" in source.values()) == (first["password"], False)
        assert source.run() == "due"
    assert failed == []
    assert source.values()["password"] == first["password-next"]
    assert [source.opens(password) for password in (FIRST, first["password"], first["password-next"])] == [False, True, True]
    assert "MAX_USER_CONNECTIONS 100" in source.execute("SHOW CREATE USER debezium@'%'")


def test_a_rotation_that_is_killed_anywhere_locks_nobody_out_and_is_completed_by_the_next(source: SourceSite) -> None:
    """Each change of a rotation is the first that is not made any more; each run of what follows is a month later."""
    whole = ["database", "secret/data", "secret/metadata", "Connect", "secret/data"]
    source.run_to_the_end()
    with source.load() as failed:
        for step in range(len(whole)):
            before = source.values()["password"]
            with killed_before(step) as made, pytest.raises(Killed):
                source.run_to_the_end()
            assert made == whole[:step]
            source.run_to_the_end()
            assert source.values()["password"] != before
    assert failed == []


def test_the_verb_says_what_to_restart_and_what_it_cannot_reach(site: Site, source: SourceSite, tmp_path: Path) -> None:
    site.project.edit(NAME, "overlap: 10m", "overlap: 1ms")
    config = tmp_path / "sources.cnf"
    config.write_text("[client]\nuser=cdc\n")
    before = source.values()["password"]
    rotate_one = ("vault", "rotate", NAME, "--only", KEPT)
    wait_until("Vault's clock is a second on", lambda: "lately" not in site.cdc(*rotate_one).text, 120, 0.5)
    done = site.cdc(*rotate_one, "--yes", "--source-config", str(config))
    assert (done.code, "1 path rotated" in done.out) == (0, True), done.text
    wait_until("it is settled", lambda: "--yes starts them again" in site.cdc(*rotate_one).out, 120, 0.5)
    assert site.cdc(*rotate_one).code == 3
    refused = site.cdc(*rotate_one, "--yes", "--blue", f"http://{LOOPBACK}:1")
    assert (refused.code, "no worker answers" in refused.err) == (1, True), refused.text
    assert source.values()["password-previous"] == before
    assert source.opens(before)


def test_no_password_is_in_what_the_source_writes(source: SourceSite) -> None:
    values = source.values()
    written = b"".join(content for _, content in source.files())
    assert native_hash(values["password"]).encode() in written
    for value in values.values():
        assert value.encode() not in written
