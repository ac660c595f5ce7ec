"""Three real registries on a real broker behind a real HAProxy, started from the rendered ``compose.yaml``."""

import json
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from components.connect.converters import converters
from components.kafka.clients import secret_of
from components.schema_registry.access import registry_access
from tests.harness.cdc_command import Outcome, Project, installed_cdc, outcome_of, project
from tests.harness.certificates import write
from tests.harness.converter import round_trip
from tests.harness.docker_stack import DockerStack
from tests.harness.haproxy_process import hash_of
from tests.harness.processes import wait_until
from tests.harness.registry_load import Door, Load, avro
from tests.harness.running_kafka import RunningKafka, running_kafka

pytestmark = pytest.mark.integration

STACKS = Path(__file__).parent
ADMIN, APP = "platform-admin", "app"
NAMES = tuple(f"schema-registry-{number}" for number in range(3))
KILLED = NAMES[1]
REGISTRIES_CA = "schema-registry-ca.pem"
ADDRESS = "https://haproxy:8081"

WARM_SECONDS, STEADY_SECONDS, AFTER_KILL_SECONDS = 4, 2, 6
Result = TypeVar("Result")


@dataclass(frozen=True)
class Registries:
    """The running stack, and how its client gets in."""

    kafka: RunningKafka
    door: Door
    work: Path

    def inside(self, action: Callable[[], Result]) -> Result:
        """What ``action`` gives in the network of the containers."""
        return self.kafka.project.namespace.run(action)

    def get(self, path: str, door: Door | None = None) -> httpx.Response:
        def ask() -> httpx.Response:
            with (door or self.door).client() as client:
                return client.get(path)

        return self.inside(ask)

    def schemas(self, made: Project, *arguments: str) -> Outcome:
        """``cdc schemas ARGUMENTS``, as a user in that network runs it."""
        access = ["--url", ADDRESS, "--user", APP, "--password-file", str(self.work / "password")]
        return self.bare(made, *access, "--ca-file", str(self.work / "ca.pem"), *arguments)

    def bare(self, made: Project, *arguments: str) -> Outcome:
        """The same without an address or a password."""
        words = [*installed_cdc(), "--root", str(made.root), "schemas", *arguments]
        return outcome_of(self.kafka.project.namespace.command(*words), made.root, NO_PROXY="*")


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    work = tmp_path_factory.mktemp("registry")
    stack = DockerStack.lay_out(STACKS, "registry", work)
    password = secrets.token_urlsafe(16)
    own = stack.cluster_ca.issue("haproxy", "haproxy")
    trusted = {REGISTRIES_CA: stack.clients_ca.certificate}
    files = {"server.pem": own.certificate, "server.pem.key": own.key, f"{APP}.hash": hash_of(password), **trusted}
    write(work / "secrets" / "haproxy", files)
    write(work, {"password": f"{password}\n", "ca.pem": stack.cluster_ca.certificate})
    for name in NAMES:
        certificate = stack.clients_ca.issue(name, name)
        write(work / "secrets" / name, {"server.pem": certificate.certificate, "server.pem.key": certificate.key, **trusted})
    door = Door(ADDRESS, APP, password, stack.cluster_ca.certificate)
    with running_kafka(stack, ADMIN) as kafka:
        running = Registries(kafka, door, work)
        # HAProxy calls a registry down that takes its time with its first answers.
        wait_until("the registries answer", lambda: running.get("/subjects").status_code == httpx.codes.OK, 120)
        yield running


@pytest.fixture
def made(tmp_path: Path) -> Project:
    """The project of the running stack, in a folder of the test's own."""
    (tmp_path / "schemas").mkdir()
    for file in (STACKS / "schemas").iterdir():
        (tmp_path / "schemas" / file.name).write_bytes(file.read_bytes())
    return project(tmp_path, registry=(STACKS / "Pulumi.registry.yaml").read_text())


# Who gets in


def test_the_path_is_confluents_whatever_the_distribution(registries: Registries) -> None:
    answer = registries.get("/subjects")
    assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")
    assert isinstance(answer.json(), list)


@pytest.mark.parametrize(
    "wrong",
    [{"user": ""}, {"password": "wrong"}, {"user": "nobody"}, {"user": "APP"}],
    ids=["none", "password", "user", "case"],
)
def test_wrong_credentials_are_refused_after_right_ones_too(registries: Registries, wrong: dict[str, str]) -> None:
    assert registries.get("/subjects").status_code == 200
    assert registries.get("/subjects", replace(registries.door, **wrong)).status_code == 401


def test_a_client_without_encryption_is_refused(registries: Registries) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        registries.get("/subjects", replace(registries.door, url="http://haproxy:8081", trust=None))


def test_a_client_that_trusts_another_authority_does_not_speak_to_it(registries: Registries) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        registries.get("/subjects", replace(registries.door, trust=registries.kafka.stack.clients_ca.certificate))


def test_neither_password_nor_hash_is_in_the_tree_or_in_a_log(registries: Registries) -> None:
    password, hashed = registries.door.password, (registries.work / "secrets" / "haproxy" / f"{APP}.hash").read_text().strip()
    stored = registries.kafka.stack.passwords["schema-registry"]
    for folder in ("tree", "logs"):
        for file in filter(Path.is_file, (registries.work / folder).rglob("*")):
            text = file.read_text(errors="replace")
            assert not [secret for secret in (password, hashed, stored) if secret in text], file


# Apicurio's own API


def test_apicurios_converter_reaches_its_own_api_by_the_same_way_in(registries: Registries, tmp_path: Path) -> None:
    """With the settings that its connectors get: encrypted, as a known user, and in Confluent's form."""
    access = registry_access(registries.kafka.stack.spec, "connect", native=True)
    assert access is not None
    assert access.url == f"{ADDRESS}/apis/registry/v2"
    assert access.ca is not None
    assert access.password is not None
    (tmp_path / access.ca.name).write_text(registries.kafka.stack.cluster_ca.certificate)
    secret = secret_of(str(tmp_path), access.password.name)
    settings = {
        key.removeprefix("value.converter."): value.replace(secret, registries.door.password)
        for key, value in converters("apicurio", access, str(tmp_path)).items()
        if key.startswith("value.converter.")
    }
    written, read = round_trip(registries.kafka.project.namespace, tmp_path, settings)
    assert (written[0], read) == (0, "42")
    number = int.from_bytes(written[1:5])
    assert json.loads(registries.get(f"/schemas/ids/{number}").json()["schema"])["name"] == "Thing"
    wrong = {**settings, "apicurio.auth.password": "wrong"}
    with pytest.raises(AssertionError, match=r"401|NotAuthorized"):
        round_trip(registries.kafka.project.namespace, tmp_path, wrong)


def test_the_registries_themselves_speak_tls_alone(registries: Registries) -> None:
    """Each with its own name; whoever trusts only what signs HAProxy's certificate does not believe them."""
    stack = registries.kafka.stack
    for name in NAMES:
        itself = Door(f"https://{name}:8081/apis/ccompat/v7", trust=stack.clients_ca.certificate)
        assert registries.get("/subjects", itself).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            registries.get("/subjects", replace(itself, trust=stack.cluster_ca.certificate))
        with pytest.raises(httpx.TransportError):
            registries.get("/subjects", Door(f"http://{name}:8081/apis/ccompat/v7"))


# Schemas are judged before they are registered

INCOMPATIBLE = '{"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "id", "type": "string"}]}'


def state_of(outcome: Outcome) -> dict[str, str]:
    return {found["subject"]: found["state"] for found in json.loads(outcome.out)["subjects"]}


def test_declared_schemas_are_registered_once_and_an_incompatible_one_keeps_all_out(
    registries: Registries, made: Project
) -> None:
    looked = registries.schemas(made, "check", "registry", "--json")
    assert (looked.code, state_of(looked)) == (0, {"shop_orders-value": "new", "shop_events-value": "new"}), looked.text
    assert registries.get("/subjects/shop_orders-value/versions").status_code == 404
    for states in ({"new"}, {"unchanged"}):
        applied = registries.schemas(made, "apply", "registry", "--json")
        assert (applied.code, set(state_of(applied).values())) == (0, states), applied.text
    assert registries.get("/config").json() == {"compatibilityLevel": "BACKWARD"}
    assert registries.get("/config/shop_orders-value").json() == {"compatibilityLevel": "FULL"}

    made.edit("registry", "subjects:", "subjects:\n        - {subject: shop_new-value, file: schemas/new.avsc}")
    (made.root / "schemas" / "new.avsc").write_text(avro(1))
    (made.root / "schemas" / "order.avsc").write_text(INCOMPATIBLE)
    for action in ("check", "apply"):
        refused = registries.schemas(made, action, "registry", "--json")
        assert refused.code == 1, refused.text
        assert state_of(refused)["shop_orders-value"] == "incompatible"
    assert registries.get("/subjects/shop_orders-value/versions").json() == [1]
    assert registries.get("/subjects/shop_new-value/versions").status_code == 404


def test_a_stricter_level_is_judged_before_anything_is_registered(registries: Registries, made: Project) -> None:
    """The second version is compatible under the level in force, and not under the one that is declared with it."""
    made.edit("registry", "shop_orders-value", "level-value")
    made.edit("registry", "compatibility: FULL", "compatibility: NONE")
    assert registries.schemas(made, "apply", "registry").code == 0
    made.edit("registry", "compatibility: NONE", "compatibility: BACKWARD")
    (made.root / "schemas" / "order.avsc").write_text(INCOMPATIBLE)
    refused = registries.schemas(made, "apply", "registry")
    assert (refused.code, "level-value  incompatible" in refused.out) == (1, True), refused.text
    assert registries.get("/subjects/level-value/versions").json() == [1]
    assert registries.get("/config/level-value").json() == {"compatibilityLevel": "NONE"}


def test_the_command_says_what_is_wrong_with_the_way_in(registries: Registries, made: Project) -> None:
    (registries.work / "wrong").write_text("wrong")
    wrong = registries.schemas(made, "check", "registry", "--password-file", str(registries.work / "wrong"))
    nobody = registries.schemas(made, "check", "registry", "--url", "https://haproxy:9")
    stranger = registries.bare(made, "check", "registry")
    assert [(run.code, run.out) for run in (wrong, nobody, stranger)] == [(2, "")] * 3
    assert "credentials are refused" in wrong.err
    assert "cannot be reached" in nobody.err
    assert "--ca-file" in stranger.err


# Losing one


def test_killing_a_registry_and_reloading_haproxy_fail_no_request(registries: Registries) -> None:
    project = registries.kafka.project
    warm = Load(project.namespace, registries.door, threads=3)
    time.sleep(WARM_SECONDS)
    warm.end()
    load = Load(project.namespace, registries.door, threads=3, first=1000)
    try:
        time.sleep(STEADY_SECONDS)
        project.containers[KILLED].kill()
        time.sleep(AFTER_KILL_SECONDS)
        down = servers_up(registries)
        project.containers[KILLED].start()
        project.containers[KILLED].wait_healthy()
        wait_until("HAProxy uses it again", lambda: servers_up(registries) == 3, 30, 0.5)
        before = load.answers.total()
        for _ in range(2):
            former = worker(registries)
            project.containers["haproxy"].signal(signal.SIGUSR2)
            wait_until("a new worker serves", lambda former=former: worker(registries) != former, 30, 0.2)  # type: ignore[misc]
            time.sleep(1)
        time.sleep(STEADY_SECONDS)
    finally:
        load.end()
    assert down == 2
    assert load.failures == []
    assert load.answers.total() > before > 500


def test_haproxy_killed_serves_again_once_it_is_started(registries: Registries) -> None:
    """On docker there is one: meanwhile clients are refused, and none gets a wrong answer."""
    container = registries.kafka.project.containers["haproxy"]
    load = Load(registries.kafka.project.namespace, registries.door, threads=2, first=2000)
    try:
        wait_until("requests are answered", lambda: load.answers.total() > 20, 60)
        container.kill()
        wait_until("requests are refused", lambda: load.failures != [], 60)
        container.start()
        container.wait_healthy()
        before = load.answers.total()
        wait_until("requests are answered again", lambda: load.answers.total() > before + 20, 60)
    finally:
        load.end()
    assert [failure for failure in load.failures if "Error" not in failure] == []


def servers_up(registries: Registries) -> int:
    """How many registries HAProxy sends requests to, by its own metrics."""
    return int(metric(registries, 'haproxy_backend_active_servers{proxy="schema-registry"}'))


def worker(registries: Registries) -> int:
    """The process that answers now."""
    page = registries.get("/stats", Door("http://haproxy:8404")).text
    found = re.search(r"pid = </b> ([0-9]+)", page)
    assert found is not None
    return int(found[1])


def metric(registries: Registries, name: str) -> float:
    lines = registries.get("/metrics", Door("http://haproxy:8404")).text.splitlines()
    return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")), "0"))


def test_the_statistics_page_shows_the_registries(registries: Registries) -> None:
    page = registries.get("/stats", Door("http://haproxy:8404"))
    assert page.status_code == 200
    assert all(f"schema-registry-{number}" in page.text for number in range(3))
