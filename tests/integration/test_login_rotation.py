"""Logins of Kafka's users are rotated, in a real Vault and a real broker, while librdkafka's and Java's clients go on."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from sink_worker.kafka_client import connection_properties
from sink_worker.settings import KafkaSettings

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.kafka.clients import kafka_client, providers
from components.kafka.derive import change_topic, dlq_topic
from components.loading import load_environment
from components.platform import render
from operations import vault_rotate
from operations.live.kafka_admin import KafkaAdmin
from operations.live.kafka_passwords import KafkaPasswords
from operations.live.postgres_roles import PostgresServers
from operations.live.reach import kafka_settings
from operations.live.vault import Vault, VaultAccess, VaultError
from tests.harness.cdc_command import Outcome, Project, project
from tests.harness.java_clients import JavaClients
from tests.harness.login_broker import LoginBroker
from tests.harness.processes import wait_until
from tests.harness.vault_server import VaultServer

pytestmark = pytest.mark.integration

PATIENCE, LONGER_THAN_IDLE = 120, 1.5
SOURCE, SINK, BI = "shop-orders-source", "shop-orders-sink", "bi"
USERS = {"connect-blue", "connect-green", SINK, SOURCE}
PATHS = {user: f"cdc-pipeline/trial/kafka/{user}" for user in sorted(USERS)}
BOTH = {"SCRAM_SHA_256", "SCRAM_SHA_512"}
STACK = f"""\
config:
  cdc-platform:environment:
    tier: development
    target: docker
    kafka:
      controllers: 0
      brokers: 1
      listeners: [{{name: clients, port: 9093, tls: false}}]
      topicDefaults: {{partitions: 1}}
      users: [{{name: {BI}, tenant: shop, password: "vault:cdc-pipeline/trial/bi#password", consumes: ["shop*"]}}]
    connect: {{image: "acme/connect:1", converter: json}}
    sink: {{image: "acme/sink:1", replicas: 1, postgresTls: disable}}
    vault: {{rotation: {{every: 30d, overlap: 10m}}}}
    tenants: [{{name: shop, owner: team-shop}}]
    pipelines:
      - name: orders
        tenant: shop
        source: {{mysql: {{host: db, password: "secret:db#password", tables: [shop.orders]}}}}
        sink: {{postgres: {{host: w, database: w, password: "secret:w#password"}}}}
"""


class Site:
    """A Vault, a broker, and clients that have the platform's own settings."""

    def __init__(self, vault: VaultServer, broker: LoginBroker, made: Project, java: JavaClients) -> None:
        self.vault, self.broker, self.project, self.java = vault, broker, made, java
        self.spec: EnvironmentSpec = load_environment(made.root, "trial")
        self.topic = change_topic(self.spec.pipelines[0], self.spec.naming, "shop.orders")
        self._numbers = itertools.count()

    def cdc(self, *arguments: str) -> Outcome:
        done = self.project.cdc(*arguments)
        assert "bug in cdc" not in done.text, done.text
        return done

    def vault_verb(self, *arguments: str) -> Outcome:
        way = ["--address", self.vault.url, "--ca-file", str(self.vault.ca_file), "--token-file", str(self.vault.token_file)]
        return self.cdc(*arguments, *way)

    def live_verb(self, verb: str, *more: str) -> Outcome:
        reached = ["--kafka-config", str(self.broker.admin_file()), "--blue", "none", "--green", "none"]
        return self.cdc(verb, "trial", *reached, *more)

    def client(self) -> Vault:
        return Vault(VaultAccess(self.vault.url, self.vault.ca_file, self.vault.token))

    def passwords(self, bootstrap: str | None = None) -> KafkaPasswords:
        return KafkaPasswords("trial", kafka_settings(self.broker.admin_file(bootstrap), None))

    def values(self, user: str) -> dict[str, str]:
        found: dict[str, str] = self.vault.ask("GET", f"secret/data/{PATHS[user]}")["data"]["data"]
        return found

    def mechanisms(self) -> dict[str, set[str]]:
        admin = KafkaAdmin("trial", kafka_settings(self.broker.admin_file(), None))
        return {user: {str(one["mechanism"]) for one in known} for user, known in admin.scram_users().items()}

    def pull(self, to: Path) -> Path:
        done = self.vault_verb("secrets", "pull", "trial", "--to", str(to))
        assert done.code == 0, done.text
        return to

    def librdkafka(self, folder: Path) -> dict[str, Any]:
        """The sink worker's settings, with the secrets of a folder."""
        [text] = (text for name, text in render(self.spec).files.items() if name.endswith("settings.json") and "sink" in name)
        section = json.loads(text.replace("/run/secrets/sink", str(folder / "sink-orders-0")))["kafka"]
        settings = KafkaSettings(**{**section, "bootstrap_servers": self.broker.bootstrap})
        return {**connection_properties(settings, "test"), "connections.max.idle.ms": 1000, "log_level": 0}

    def java_file(self, folder: Path, user: str, *, idles: bool = False) -> Path:
        """A Java client's settings; with connections that are closed when they idle, and opened again."""
        place = min(path.parent for path in folder.glob(f"*/{user}.login") if path.parent.name != "kafka-users")
        own = {"bootstrap.servers": self.broker.bootstrap, "enable.idempotence": "false"}
        own |= {"connections.max.idle.ms": "1000"} if idles else {}
        client = kafka_client(self.spec.kafka, self.spec.context, user)
        settings = {**client.properties(str(place)), **providers(client.rotated, str(place)), **own}
        file = folder / f"{user}{'-idles' if idles else ''}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return file

    def java_writes(self, folder: Path, name: str | None = None) -> str:
        """A record by a Java producer: a new one, or the one of that name."""
        chosen = name or f"new-{next(self._numbers)}"
        said = self.java.produce(chosen, self.java_file(folder, SOURCE, idles=name is not None), self.topic, "value")
        if name is None:
            self.java.close(chosen)
        return said

    def reads(self, folder: Path, seconds: float = PATIENCE) -> None:
        """A new client of librdkafka reads the first record."""
        own = {"group.id": "none", "enable.auto.commit": False}
        errors: list[Any] = []
        consumer = Consumer({**self.librdkafka(folder), **own, "error_cb": errors.append})
        try:
            consumer.assign([TopicPartition(self.topic, 0, OFFSET_BEGINNING)])
            deadline = time.monotonic() + seconds
            while (message := consumer.poll(0.2)) is None or message.error() is not None:
                refused = [error for error in errors if "uthentication" in error.str()]
                if refused or time.monotonic() > deadline:
                    raise KafkaException(refused[0] if refused else "no record came")
        finally:
            consumer.close()


class Load:
    """Clients that connect anew with the files of either folder, and clients that were made before anything was rotated and
    connect again and again with what they know. ``failed`` is what was refused. Leaving waits until each has connected twice
    more."""

    def __init__(self, site: Site, stale: Path, fresh: Path) -> None:
        self._site, self._stale = site, stale
        self._old = Producer({**site.librdkafka(stale), "message.timeout.ms": PATIENCE * 1000})
        self._works: dict[str, Callable[[], object]] = {
            "librdkafka, old client": self._old_writes,
            "librdkafka, old files": lambda: site.reads(stale),
            "librdkafka, new files": lambda: site.reads(fresh),
            "Java, old client": self._old_java_writes,
            "Java, old reader": lambda: granted(site.java.consume("reader", site.java_file(stale, SINK), site.topic)),
            "Java, old files": lambda: granted(site.java_writes(stale)),
            "Java, new files": lambda: granted(site.java_writes(fresh)),
        }
        self._counts = dict.fromkeys(self._works, 0)
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(len(self._works))
        self.failed: list[str] = []

    def _old_writes(self) -> None:
        refused: list[Any] = []
        topic = dlq_topic(self._site.spec.pipelines[0], self._site.spec.naming)
        self._old.produce(topic, b"value", on_delivery=lambda error, _: refused.append(error) if error else None)
        if self._old.flush(PATIENCE) or refused:
            raise KafkaException(refused or "nothing was written")
        self._ended.wait(LONGER_THAN_IDLE)

    def _old_java_writes(self) -> None:
        granted(self._site.java_writes(self._stale, "old"))
        self._ended.wait(LONGER_THAN_IDLE)

    def _go_on(self, name: str) -> None:
        while not self._ended.is_set():
            try:
                self._works[name]()
            except KafkaException as error:
                self.failed.append(f"{name}: {error}")
            self._counts[name] += 1
            self._ended.wait(0.3)

    def _wait(self, times: int) -> None:
        wanted = {name: count + times for name, count in self._counts.items()}
        wait_until(
            "everybody has connected",
            lambda: bool(self.failed) or all(self._counts[name] >= count for name, count in wanted.items()),
            PATIENCE,
        )

    def __enter__(self) -> list[str]:
        for name in self._works:
            self._pool.submit(self._go_on, name)
        self._wait(1)
        return self.failed

    def __exit__(self, *_: object) -> None:
        try:
            self._wait(2)
        finally:
            self._ended.set()
            self._pool.shutdown()
            self._site.java.close("old")
            self._site.java.close("reader")


def granted(said: str) -> None:
    if not said.startswith("ok"):
        raise KafkaException(said)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("logins")
    root = folder / "project"
    root.mkdir()
    made = project(root, trial=STACK)
    spec = load_environment(root, "trial")
    with (
        VaultServer(folder / "vault", spec) as vault,
        LoginBroker(folder / "broker", spec) as broker,
        JavaClients(folder / "java.log") as java,
    ):
        vault.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        wait_until("KV is ready", lambda: vault.request("GET", "secret/config").is_success, 60)
        vault.put("cdc-pipeline/trial/bi", password="bi-password")
        found = Site(vault, broker, made, java)
        applied = found.vault_verb("vault", "apply", "trial", "--yes")
        assert applied.code == 0, applied.text
        secrets = found.pull(folder / "secrets")
        done = found.live_verb("apply", "--yes", "--secrets", str(secrets / "kafka-users"))
        assert done.code == 0, done.text
        assert found.java_writes(secrets).startswith("ok")
        yield found


def rotate(site: Site, later: timedelta, *users: str, kafka: KafkaPasswords | None = None) -> list[str]:
    """As the verb does, at a later time."""
    now = datetime.now(UTC) + later
    with site.client() as vault, PostgresServers((), {}) as servers:
        found = vault_rotate.observe(site.spec, vault, now, [PATHS[user] for user in users])
        return vault_rotate.rotate(vault, servers, found, now, kafka=kafka or site.passwords())


def test_a_user_has_a_password_by_each_mechanism_and_nothing_is_left_to_do(site: Site) -> None:
    assert {user: known for user, known in site.mechanisms().items() if user in {*USERS, BI}} == {
        **dict.fromkeys(USERS, BOTH),
        BI: {"SCRAM_SHA_512"},
    }
    assert site.live_verb("plan").code == 0


def test_no_client_is_refused_while_logins_are_rotated(site: Site, tmp_path: Path) -> None:
    """Whoever knows the login of before goes on with it; whoever reads its file now enters with the new one. The cluster is
    what the spec says, before and after."""
    stale, fresh = site.pull(tmp_path / "stale"), site.pull(tmp_path / "fresh")
    before = {user: site.values(user) for user in USERS}
    with Load(site, stale, fresh) as failed:
        assert rotate(site, timedelta(days=31)) == sorted(PATHS.values())
        site.pull(fresh)
    assert failed == []
    for user, old in before.items():
        new = site.values(user)
        assert (old["scram-mechanism"], new["scram-mechanism"]) == ("SCRAM-SHA-512", "SCRAM-SHA-256")
        assert new["password"] == old["password-next"]
        assert len({new["password"], new["password-next"], old["password"]}) == 3
    assert rotate(site, timedelta(days=29)) == []
    assert site.live_verb("plan").code == 0


def test_a_rotation_that_was_killed_between_broker_and_vault_is_completed_by_the_next(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = site.values(SINK)
    stale, fresh = site.pull(tmp_path / "stale"), site.pull(tmp_path / "fresh")
    ask = Vault.ask

    def cut(self: Vault, method: str, path: str, *rest: object, **more: object) -> object:
        if method == "PATCH":
            raise VaultError("the connection broke")
        return ask(self, method, path, *rest, **more)  # type: ignore[arg-type]

    with Load(site, stale, fresh) as failed:
        with monkeypatch.context() as patched:
            patched.setattr(Vault, "ask", cut)
            with pytest.raises(VaultError, match="0 of 1 were rotated"):
                rotate(site, timedelta(days=62), SINK)
        assert site.values(SINK) == before
        site.reads(site.pull(fresh))
        assert rotate(site, timedelta(days=62), SINK) == [PATHS[SINK]]
        site.pull(fresh)
    assert failed == []
    assert site.values(SINK)["password"] == before["password-next"]


def test_two_runs_at_once_rotate_once(site: Site, tmp_path: Path) -> None:
    """Both have found it due. Whichever comes second would take away what clients enter with."""
    before, now = site.values(SOURCE), datetime.now(UTC) + timedelta(days=62)
    with site.client() as vault, PostgresServers((), {}) as servers:
        found = [one for one in vault_rotate.observe(site.spec, vault, now) if one.path == PATHS[SOURCE]]
        kafka = site.passwords()

        def run(_: int) -> str:
            try:
                return str(vault_rotate.rotate(vault, servers, found, now, kafka=kafka))
            except VaultError as error:
                return str(error)

        with ThreadPoolExecutor(2) as pool:
            said = sorted(pool.map(run, range(2)), key=lambda text: text != str([PATHS[SOURCE]]))
        late = run(2)
    assert said[0] == str([PATHS[SOURCE]])
    assert "check-and-set" in said[1] or "was written while this ran" in said[1]
    assert "was written while this ran" in late
    assert site.values(SOURCE)["password"] == before["password-next"]
    assert site.java_writes(site.pull(tmp_path / "fresh")).startswith("ok")


def test_brokers_that_take_one_mechanism_only_keep_the_login_as_it_is(site: Site, tmp_path: Path) -> None:
    """As they are before they are restarted with what is rendered now."""
    rotate(site, timedelta(days=93), "connect-blue", "connect-green")  # so that SCRAM-SHA-256 is the next one
    before = {user: site.values(user) for user in USERS}
    later = datetime.now(UTC) + timedelta(days=124)
    with site.client() as vault, PostgresServers((), {}) as servers:
        found = vault_rotate.observe(site.spec, vault, later, [PATHS["connect-blue"]])
        with pytest.raises(CdcError, match="does not take SCRAM-SHA-256; connect-blue goes on as before"):
            vault_rotate.rotate(vault, servers, found, later, kafka=site.passwords(site.broker.old_bootstrap))
    assert {user: site.values(user) for user in USERS} == before


def test_whoever_may_know_one_mechanism_only_is_left_alone(site: Site) -> None:
    done = site.vault_verb("vault", "rotate", "trial", "--only", "cdc-pipeline/trial/bi")
    assert done.code == 2
    assert "nobody knows whether the client of user bi can change its mechanism" in done.err
    assert BI not in {path.rpartition("/")[2] for path in PATHS.values()}
    assert site.mechanisms()[BI] == {"SCRAM_SHA_512"}


def test_the_verb_says_what_must_be_restarted_before_the_rotation_after(site: Site) -> None:
    site.project.edit("trial", "overlap: 10m", "overlap: 1ms")
    before = site.values(SINK)
    named = ("vault", "rotate", "trial", "--only", PATHS[SINK])
    wait_until("Vault's clock is a second on", lambda: "lately" not in site.vault_verb(*named).text, 120, 0.5)
    shown = site.vault_verb(*named)
    assert (shown.code, "first restart what has run since before" in shown.out) == (3, True), shown.text
    done = site.vault_verb(*named, "--yes", "--kafka-config", str(site.broker.admin_file()), "--json")
    site.project.edit("trial", "overlap: 1ms", "overlap: 10m")
    assert done.code == 0, done.text
    [entry] = json.loads(done.out)["rotations"]
    assert (entry["state"], entry["restart"]["readers"]) == ("rotated", ["sink-orders-0"])
    begun = datetime.fromisoformat(entry["restart"]["since"])
    assert datetime.fromisoformat(entry["restart"]["by"]) == begun + timedelta(days=30)
    assert site.values(SINK)["password"] == before["password-next"]


def test_what_was_not_restarted_in_time_is_refused_and_enters_once_it_reads_its_file(site: Site, tmp_path: Path) -> None:
    stale = site.pull(tmp_path / "stale")
    assert rotate(site, timedelta(days=150)) == sorted(PATHS.values())
    assert site.java_writes(stale).startswith("ok")
    site.reads(stale)
    assert rotate(site, timedelta(days=181)) == sorted(PATHS.values())
    assert site.java_writes(stale).startswith("refused SaslAuthenticationException")
    with pytest.raises(KafkaException, match="uthentication"):
        site.reads(stale)
    fresh = site.pull(tmp_path / "fresh")
    assert site.java_writes(fresh).startswith("ok")
    site.reads(fresh)
    assert site.live_verb("plan").code == 0


def test_a_user_who_may_not_change_passwords_is_told_what_is_lacking(site: Site) -> None:
    before = site.values(SINK)
    file = site.project.root / "bi.properties"
    file.write_text(site.broker.admin_file().read_text().replace("=admin\n", "=bi\n").replace("admin-secret", "bi-password"))
    kafka = KafkaPasswords("trial", kafka_settings(file, None))
    with pytest.raises(VaultError, match="Alter"):
        rotate(site, timedelta(days=300), SINK, kafka=kafka)
    assert site.values(SINK) == before


def test_no_password_is_said_or_logged(site: Site) -> None:
    log = site.broker.process("broker").output() + site.vault.process.output()
    for user in USERS:
        for key, value in site.values(user).items():
            assert key == "scram-mechanism" or value not in log
