"""Logins of Kafka's users: a mechanism and its password, read together wherever the platform's own programs connect."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from sink_worker.kafka_client import connection_properties
from sink_worker.settings import KafkaSettings

from components.core.secrets import lines, read_lines
from components.development.secrets import make_up
from components.environment import EnvironmentSpec
from components.kafka.logins import MECHANISM, NEXT_PASSWORD, PASSWORD, other, passwords
from components.observability.render_docker import EXPORTER_SECRETS, exporter_script
from components.platform import render
from components.vault.identities import access, generated
from components.vault.login_rotation import KafkaLogin, kafka_logins, left_out
from operations.live.desired import desired
from operations.live.kafka import UnreachableError
from operations.live.making import Maker
from operations.live.vault import Vault, VaultAccess, VaultError
from operations.login_rotate import rotate_login
from tests.strategies.examples import build, shop

PATH = "cdc-pipeline/trial/kafka/shop-orders-sink"
LOGIN = KafkaLogin("shop-orders-sink", ("sink-orders-0",))
KEPT = {MECHANISM: "SCRAM-SHA-512", PASSWORD: "present", NEXT_PASSWORD: "following"}


def environment(changes: dict[str, Any] | None = None) -> EnvironmentSpec:
    values: dict[str, Any] = {
        "tier": "staging",
        "target": "docker",
        "vault": {},
        "connect": {"image": "acme/connect:1"},
        "sink": {"image": "acme/sink:1"},
        "schemaRegistry": {},
        "haproxy": {"users": [{"name": "all", "passwordHash": "secret:haproxy#hash", "password": "secret:haproxy#all"}]},
        "observability": {},
        "pipelines[0].sink.postgres.password": "vault:cdc-pipeline/trial/warehouse#password",
        "kafka.users": [{"name": "bi", "password": "vault:cdc-pipeline/trial/bi#password"}],
    }
    return build(shop({**values, **(changes or {})}))


def texts(spec: EnvironmentSpec) -> dict[str, str]:
    """What is rendered for Kafka's clients."""
    return {path: text for path, text in render(spec).files.items() if not path.startswith("kafka/")}


@pytest.mark.parametrize("registry", ["apicurio", "confluent"])
def test_no_program_knows_a_mechanism_that_is_not_of_its_login(registry: str) -> None:
    spec = environment({"schemaRegistry.distribution": registry})
    for path, text in texts(spec).items():
        assert "SCRAM-SHA" not in text, path
        assert text.count(f".login:{MECHANISM}}}") == text.count(f".login:{PASSWORD}}}"), path
    [settings] = (json.loads(text) for path, text in texts(spec).items() if path.endswith("sink-orders-0/settings.json"))
    assert settings["kafka"]["login_file"] == "/run/secrets/sink/shop-orders-sink.login"
    assert not {"sasl_mechanism", "password_file"} & set(settings["kafka"])


def test_what_is_referred_to_is_a_file_that_the_container_is_given() -> None:
    spec = environment()
    given = {(container, file.name) for use in access(spec).uses for container in use.containers for file in use.files}
    asked = {
        (path.split("/")[1], name)
        for path, text in texts(spec).items()
        for name in re.findall(r"\$\{file:/run/secrets/[a-z-]+/([a-z-]+\.login):", text)
        if path.split("/")[1] in {container for container, _ in given}
    }
    assert asked
    assert asked <= given


def test_brokers_take_both_mechanisms_where_logins_are_rotated_and_one_elsewhere() -> None:
    def enabled(spec: EnvironmentSpec) -> set[str]:
        lines = "".join(text for path, text in render(spec).files.items() if path.endswith("server.properties"))
        return set(re.findall(r"sasl\.enabled\.mechanisms=(.*)", lines))

    assert enabled(environment()) == {"SCRAM-SHA-256,SCRAM-SHA-512"}
    without: dict[str, Any] = {"vault": None, "kafka.users": [], "pipelines[0].sink.postgres.password": "secret:w#password"}
    assert enabled(environment(without)) == {"SCRAM-SHA-512"}


def test_users_that_programs_log_in_as_are_rotated_and_nobody_else() -> None:
    spec = environment()
    found = {login.user: login.readers for login in kafka_logins(spec).values()}
    assert set(found) == {
        *("connect-blue", "connect-green", "kafka-exporter", "schema-registry", "shop-orders-sink", "shop-orders-source")
    }
    assert found["shop-orders-sink"] == ("sink-orders-0", "sink-orders-1")
    assert "bi" not in found
    assert left_out(spec, "cdc-pipeline/trial/bi") is not None
    assert kafka_logins(environment({"target": "kubernetes"})) == {}
    why = left_out(environment({"target": "kubernetes"}), "cdc-pipeline/trial/bi")
    assert why is not None
    assert "Strimzi" in why


def test_the_keys_of_a_login_are_made_up_and_whoever_sets_passwords_is_given_all() -> None:
    spec = environment()
    assert generated(spec, access(spec))[PATH] == (PASSWORD, NEXT_PASSWORD, MECHANISM)
    [setter] = (use for use in access(spec).uses if use.workload == "kafka-users")
    assert setter.containers == ("kafka-users",)
    [file] = (file for file in setter.files if file.name == "shop-orders-sink.login")
    assert set(file.keys) == {PASSWORD, NEXT_PASSWORD, MECHANISM}
    [worker] = (use for use in access(spec).uses if use.workload == "sink-orders")
    [own] = (file for file in worker.files if file.name == "shop-orders-sink.login")
    assert set(own.keys) == {PASSWORD, MECHANISM}


def test_a_user_that_is_rotated_must_have_both_passwords() -> None:
    users = desired(environment()).users
    assert users["shop-orders-sink"].mechanisms == ("SCRAM-SHA-256", "SCRAM-SHA-512")
    assert users["bi"].mechanisms == ("SCRAM-SHA-512",)


def test_a_password_is_set_by_the_mechanism_that_it_belongs_to(tmp_path: Path) -> None:
    """After a rotation the present one is that of the other mechanism."""
    (tmp_path / "a.login").write_text(lines(KEPT))
    (tmp_path / "b.login").write_text(lines({MECHANISM: "SCRAM-SHA-256", PASSWORD: "p", NEXT_PASSWORD: "f"}))
    (tmp_path / "c.password").write_text("plain\n")
    admin: Any = type("NoAdmin", (), {"client": None})()
    maker = Maker(admin, tmp_path)
    assert [maker.password("a", f"SCRAM-SHA-{bits}") for bits in (512, 256)] == [b"present", b"following"]
    assert [maker.password("b", f"SCRAM-SHA-{bits}") for bits in (512, 256)] == [b"f", b"p"]
    assert maker.password("c", "SCRAM-SHA-512") == b"plain"
    with pytest.raises(UnreachableError, match="name its folder kafka-users"):
        maker.password("c", "SCRAM-SHA-256")


@pytest.mark.parametrize("text", ["", "password=x\n", f"{MECHANISM}=PLAIN\npassword=x\n"])
def test_what_is_no_login_has_no_password(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.login").write_text(text)
    admin: Any = type("NoAdmin", (), {"client": None})()
    with pytest.raises(UnreachableError, match="has no password for SCRAM-SHA-512"):
        Maker(admin, tmp_path).password("a", "SCRAM-SHA-512")


def test_each_mechanism_follows_the_other() -> None:
    assert [other("SCRAM-SHA-512"), other("SCRAM-SHA-256")] == ["SCRAM-SHA-256", "SCRAM-SHA-512"]
    assert passwords(KEPT) == {"SCRAM-SHA-512": "present", "SCRAM-SHA-256": "following"}


def test_the_sink_worker_takes_mechanism_and_password_from_one_file(tmp_path: Path) -> None:
    file = tmp_path / "login"
    settings = KafkaSettings(
        bootstrap_servers="b:1", group_id="g", topics=["t"], security_protocol="SASL_SSL", username="u", login_file=file
    )
    for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256"):
        file.write_text(f"{PASSWORD}=of {mechanism}\n{MECHANISM}={mechanism}\n")
        found = connection_properties(settings, "test")
        assert (found["sasl.mechanism"], found["sasl.password"]) == (mechanism, f"of {mechanism}")


def test_the_exporter_is_started_with_its_login(tmp_path: Path) -> None:
    """Its start script is run, with a program in the exporter's place that shows the arguments that it is given."""
    script = exporter_script(environment())
    program = tmp_path / "kafka_exporter"
    program.write_text('#!/bin/sh\ncat "${1#@}"\n')
    program.chmod(0o755)
    (tmp_path / "kafka-exporter.login").write_text(f"{PASSWORD}=its-own\n{MECHANISM}=SCRAM-SHA-256\n")
    [arguments] = set(re.findall(r"exec kafka_exporter @(\S+)", script))
    script = script.replace(EXPORTER_SECRETS, str(tmp_path)).replace(arguments, str(tmp_path / "arguments"))
    way = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, env=way).stdout
    assert {"--sasl.mechanism=scram-sha256", "--sasl.password=its-own", "--sasl.username=kafka-exporter"} <= set(said.split())


def test_logins_are_made_up_for_development_too(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "tier": "development",
        "target": "docker",
        "vault": {"tls": {"enabled": False}, "pki": {"enabled": False}},
        "kafka.listeners": [{"name": "clients", "port": 9093, "tls": False}],
        "kafka.tls": {"internal": False},
        "kafka.authorization": {"type": "none"},
        "connect": {"image": "acme/connect:1", "converter": "json"},
    }
    make_up(build(shop(values)), tmp_path)
    worker = min(tmp_path.glob("*blue*/shop-orders-source.login"))
    setter = tmp_path / "kafka-users" / "shop-orders-source.login"
    known, told = read_lines(worker.read_text()), read_lines(setter.read_text())
    assert (set(known), set(told)) == ({MECHANISM, PASSWORD}, {MECHANISM, PASSWORD, NEXT_PASSWORD})
    assert known.items() <= told.items()
    assert known[MECHANISM] == "SCRAM-SHA-512"


class Brokers:
    """A double of the brokers: it keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def set_password(self, login: KafkaLogin, mechanism: str, password: str) -> None:
        self.told.append((login.user, mechanism, password))


def keeping(data: dict[str, str], version: int, writes: list[Any]) -> Vault:
    """A double of Vault that has one secret, and keeps what is written."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            writes.append(json.loads(request.content))
            return httpx.Response(200, json={})
        return httpx.Response(200, json={"data": {"data": data, "metadata": {"version": version}}})

    return Vault(VaultAccess("http://vault:8200", None, "token"), httpx.MockTransport(answer))


def test_a_rotation_tells_the_brokers_what_vault_then_says() -> None:
    brokers, writes = Brokers(), list[Any]()
    rotate_login(keeping(KEPT, 7, writes), brokers, PATH, LOGIN, 7)
    assert brokers.told == [("shop-orders-sink", "SCRAM-SHA-256", "following")]
    [write] = writes
    assert write["options"] == {"cas": 7}
    assert {**write["data"], NEXT_PASSWORD: ""} == {MECHANISM: "SCRAM-SHA-256", PASSWORD: "following", NEXT_PASSWORD: ""}
    assert write["data"][NEXT_PASSWORD] not in {"present", "following"}


@pytest.mark.parametrize(
    ("data", "version", "said"),
    [
        ({PASSWORD: "x"}, 7, f"{MECHANISM}, {NEXT_PASSWORD}: is missing"),
        ({**KEPT, MECHANISM: "PLAIN"}, 7, "is none of SCRAM-SHA-256, SCRAM-SHA-512"),
        (KEPT, 8, "was written while this ran"),
    ],
)
def test_what_is_no_login_or_was_written_since_is_left_as_it_is(data: dict[str, str], version: int, said: str) -> None:
    brokers, writes = Brokers(), list[Any]()
    with pytest.raises(VaultError, match=said):
        rotate_login(keeping(data, version, writes), brokers, PATH, LOGIN, 7)
    assert (brokers.told, writes) == ([], [])
