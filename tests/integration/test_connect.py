"""Kafka Connect, blue and green, as rendered: real workers with real Debezium connectors under Kafka's own authorization.

Whatever happens to them, each change of the source is in its topic exactly once, by its place in the binary log.
"""

import copy
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest
from confluent_kafka import KafkaError

from components.connect.connectors import Connector, connectors
from components.connect.names import COLOURS, Colour, other
from components.core.yaml_text import load
from components.environment import CONFIG_KEY, EnvironmentSpec
from components.loading import build_environment
from operations import source_restarts
from operations.connect.kubernetes import HARMLESS
from operations.connect.spec_file import set_active
from operations.connect.switching import switch as run_switch
from tests.doubles.half_reachable import half_reachable
from tests.harness.api_server import ApiServer
from tests.harness.certificates import CertificateAuthority, truststore
from tests.harness.connect_image import connect_image, connect_image_without_debezium
from tests.harness.connect_on_kubernetes import FromOutside, colours_of, on_kubernetes
from tests.harness.connect_stack import DATABASE_PASSWORD, Change, ConnectStack, Writer, connect_stack
from tests.harness.jdbc_sink import COLUMNS, PORT, jdbc_sink, row_in_mariadb
from tests.harness.live_services import THEIR_CONNECTOR, THEIR_SUBJECT, LiveServices, live_services
from tests.harness.processes import LOOPBACK, wait_until
from tests.toolchain.kubernetes import kubectl

pytestmark = pytest.mark.integration

STACKS = Path(__file__).parent
TOPICS = {
    "shop.orders": "shop_orders_orders",
    "shop.order_lines": "shop_orders_lines",
    "billing.invoices": "billing_invoices_invoices",
}
TYPED = "shop.order_lines"
"""Has a column of each kind besides."""

BROKER = "trial-brokers-0"
CONNECTORS = {"orders-source", "invoices-source"}
GONE = -1
"""The id of a row that comes and goes and is not counted; it leaves the table's own numbering alone."""

AT_REST = 3
"""Rows of each table before its connector is made: they come by the snapshot."""

PATIENCE = "--patience=15"


class Judge:
    """Knows what was done to the source, and that it is in Kafka once."""

    def __init__(self, stack: ConnectStack) -> None:
        self._stack = stack
        self._written = dict.fromkeys(TOPICS, 0)

    def add(self, writer: Writer) -> None:
        for table, rows in writer.rows.items():
            self._written[table] += rows

    def check(self) -> None:
        """Each row's insertion and change, and the rows of the snapshot, all once."""
        wanted = {TOPICS[table]: AT_REST + 2 * rows for table, rows in self._written.items()}
        self._stack.wait_until_caught_up(wanted, counts)
        for table, topic in TOPICS.items():
            changes = list(filter(counts, self._stack.changes(topic)))
            assert {change["source"]["table"] for change in changes} == {table.partition(".")[2]}
            read = [change for change in changes if change["op"] == "r"]
            streamed = [change for change in changes if change["op"] != "r"]
            assert sorted(change["after"]["id"] for change in read) == list(range(1, AT_REST + 1))
            for kind in "cu":
                keys = [change["after"]["id"] for change in streamed if change["op"] == kind]
                assert sorted(keys) == list(range(AT_REST + 1, AT_REST + 1 + self._written[table]))
            assert len({place(change) for change in streamed}) == len(streamed) == 2 * self._written[table]


def counts(change: Change) -> bool:
    """Whether a change is about a row that stays."""
    return int((change["after"] or change["before"])["id"]) != GONE


def place(change: Change) -> tuple[str, int, int]:
    """Where in the binary log a change was read."""
    source = change["source"]
    return source["file"], source["pos"], source["row"]


@pytest.fixture(scope="module", name="stack")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectStack]:
    with connect_stack(STACKS, "connect", tmp_path_factory.mktemp("connect"), "platform-admin") as stack:
        execute = stack.executor()
        for database in ("shop", "billing"):
            execute(f"CREATE DATABASE {database}")
        for table in TOPICS:
            typed = COLUMNS if table == TYPED else ()
            columns = ", ".join(["id INT PRIMARY KEY AUTO_INCREMENT", "v VARCHAR(20)", *typed])
            execute(f"CREATE TABLE {table} ({columns})")
            for _ in range(AT_REST):
                execute(f"INSERT INTO {table} (v) VALUES ('old')")
        assert stack.cdc("connect", "plan", "connect").code == 3
        applied = stack.cdc("connect", "apply", "connect")
        assert applied.code == 0, applied.text
        stack.wait_until_caught_up(dict.fromkeys(TOPICS.values(), AT_REST))
        yield stack


@pytest.fixture(scope="module", name="judge")
def _judge(stack: ConnectStack) -> Judge:
    return Judge(stack)


@pytest.fixture(name="writer")
def _writer(stack: ConnectStack, judge: Judge) -> Iterator[Writer]:
    """Writes all the time that a test takes; then every change is looked for."""
    with Writer(stack.executor(), tuple(TOPICS)) as writer:
        yield writer
    judge.add(writer)
    judge.check()


def switch(stack: ConnectStack, to: Colour) -> tuple[int, str]:
    outcome = stack.cdc("connect", "switch", "connect", "--to", to, "--yes", PATIENCE)
    return outcome.code, outcome.text


def where(stack: ConnectStack) -> dict[str, set[str]]:
    """The connectors that each colour runs."""
    states = {colour: stack.get(colour, "/connectors?expand=status") for colour in ("blue", "green")}
    return {
        colour: {name for name, part in found.items() if part["status"]["connector"]["state"] == "RUNNING"}
        for colour, found in states.items()
    }


def test_every_record_says_where_it_comes_from(stack: ConnectStack) -> None:
    """In a header, and in a field: changes of the snapshot and of the log, deletes with their tombstones, and heartbeats."""
    execute = stack.executor()
    execute(f"INSERT INTO shop.orders (id, v) VALUES ({GONE}, 'gone')")
    execute(f"DELETE FROM shop.orders WHERE id = {GONE}")
    clients = stack.kafka.clients
    wait_until("the tombstone", lambda: b"" in clients.read_all(clients.as_user("auditor"), TOPICS["shop.orders"]), 60, 0.5)
    found = clients.read_messages(clients.as_user("auditor"), TOPICS["shop.orders"])
    beats = clients.read_messages(clients.as_user("auditor"), "shop_orders_heartbeat")
    assert beats
    assert any(message.value() is None for message in found)
    for message in (*found, *beats):
        headers: Any = message.headers() or ()
        [text] = [value for name, value in headers if name == "_lineage"]
        said = {"environment": "connect", "pipeline": "orders", "connector": "orders-source", "source": "mariadb"}
        assert json.loads(text or "") == said
        if message.value() is not None:
            assert json.loads(json.loads(message.value() or b"")["payload"]["_lineage"]) == said


def test_the_plan_of_what_was_applied_is_empty(stack: ConnectStack) -> None:
    outcome = stack.cdc("connect", "plan", "connect")
    assert outcome.code == 0, outcome.text
    assert where(stack) == {stack.active: CONNECTORS, other(stack.active): set()}


def test_a_switch_that_is_not_confirmed_changes_nothing(stack: ConnectStack) -> None:
    active = stack.active
    outcome = stack.cdc("connect", "switch", "connect")
    assert (outcome.code, stack.active) == (3, active)
    assert f"moves from {active} to {other(active)}" in outcome.text
    assert where(stack)[active] == CONNECTORS


@pytest.mark.usefixtures("writer")
def test_connectors_move_there_and_back_under_writes(stack: ConnectStack) -> None:
    first = stack.active
    for colour in (other(first), first):
        code, text = switch(stack, colour)
        assert (code, stack.active) == (0, colour), text
        assert where(stack) == {colour: CONNECTORS, other(colour): set()}
    assert stack.cdc("connect", "switch", "connect", "--to", first, "--yes").code == 0


@pytest.mark.usefixtures("writer")
def test_a_switch_killed_anywhere_is_finished_by_the_next(stack: ConnectStack) -> None:
    for said in ("made on", "positions of", "started on"):
        colour = other(stack.active)
        process = stack.start_cdc("connect", "switch", "connect", "--to", colour, "--yes", PATIENCE)
        assert process.stdout is not None
        assert any(said in line for line in process.stdout)
        process.send_signal(signal.SIGKILL)
        process.wait()
        code, text = switch(stack, colour)
        assert (code, stack.active) == (0, colour), (said, text)
        assert where(stack) == {colour: CONNECTORS, other(colour): set()}


@pytest.mark.usefixtures("writer")
def test_a_colour_without_the_plugin_is_found_out_before_anything_stops(stack: ConnectStack) -> None:
    active = stack.active
    container = stack.kafka.project.containers[stack.worker(other(active))]
    container.kill()
    container.use_image(connect_image_without_debezium())
    container.start()
    container.wait_healthy()
    try:
        code, text = switch(stack, other(active))
        assert code == 1
        assert "has no plugin io.debezium.connector.mariadb.MariaDbConnector" in text
        assert "stopped on" not in text
        assert where(stack)[active] == CONNECTORS
    finally:
        container.kill()
        container.use_image(connect_image())
        container.start()
        container.wait_healthy()


@pytest.mark.usefixtures("writer")
def test_a_colour_with_a_wrong_password_gives_the_connectors_back(stack: ConnectStack) -> None:
    active = stack.active
    file = stack.secret(other(active), "billing-invoices-source.password")
    right = file.read_text()
    file.write_text("wrong")
    try:
        code, text = switch(stack, other(active))
    finally:
        file.write_text(right)
    assert code == 1, text
    assert f"Every connector runs on {active} again" in text
    assert stack.active == active
    assert where(stack) == {active: CONNECTORS, other(active): set()}


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize("what", ["worker", "broker"])
def test_what_is_killed_goes_on_where_it_was(stack: ConnectStack, what: str) -> None:
    name = stack.worker(stack.active) if what == "worker" else BROKER
    container = stack.kafka.project.containers[name]
    container.kill()
    container.start()
    container.wait_healthy()
    wait_until("the connectors run again", lambda: where(stack)[stack.active] == CONNECTORS, 120, 0.5)


@pytest.mark.usefixtures("writer")
def test_a_worker_that_dies_during_a_switch_leaves_what_another_run_mends(stack: ConnectStack) -> None:
    active = stack.active
    container = stack.kafka.project.containers[stack.worker(other(active))]
    process = stack.start_cdc("connect", "switch", "connect", "--to", other(active), "--yes", PATIENCE)
    assert process.stdout is not None
    for line in process.stdout:
        if "started on" in line:
            container.kill()
            break
    text = process.communicate()[0]
    assert process.returncode == 1, text
    assert f"cdc connect switch --to {active}" in text
    container.start()
    container.wait_healthy()
    code, text = switch(stack, active)
    assert (code, stack.active) == (0, active), text
    assert where(stack) == {active: CONNECTORS, other(active): set()}


@pytest.mark.usefixtures("writer")
def test_a_connector_that_is_to_be_harmless_does_nothing_beside_the_one_that_works(stack: ConnectStack) -> None:
    """As Strimzi makes one that is to be stopped: running, for a moment."""
    active = stack.active
    standby = FromOutside(stack.cluster(other(active)))
    for one in connectors(stack.kafka.stack.spec, other(active)):
        standby.create_stopped(one.name, {**one.config, **HARMLESS})
    before = {name: standby.offsets(name) for name in CONNECTORS}
    for name in CONNECTORS:
        standby.resume(name)
    wait_until("both run", lambda: {state.lives for state in standby.states().values()} == {"running"}, 120)
    written = len(stack.changes(TOPICS["shop.orders"]))
    wait_until("changes come", lambda: len(stack.changes(TOPICS["shop.orders"])) > written + 50, 120, 0.5)
    assert where(stack) == {active: CONNECTORS, other(active): CONNECTORS}
    assert {name: standby.offsets(name) for name in CONNECTORS} == before
    for name in CONNECTORS:
        standby.delete(name)


@pytest.mark.usefixtures("writer")
def test_connectors_go_on_while_the_password_of_their_source_is_rotated_twice(stack: ConnectStack) -> None:
    """The server's words are in the log that they read. When their connections end they come back with what they know, which is
    the new one once they were started again."""
    cluster, known = FromOutside(stack.cluster(stack.active)), DATABASE_PASSWORD
    session = stack.session()
    try:
        for following in ("rotated-once", "rotated-twice", DATABASE_PASSWORD):
            stack.tell_database(known, following)
            if following == "rotated-twice":
                end_readers(session)
            for colour in COLOURS:
                for connector in CONNECTORS:
                    stack.secret(colour, f"{connector}.database-password").write_text(following)
            for connector in sorted(CONNECTORS):
                source_restarts.start_again(cluster, connector, 120, print)
            known = following
            if following == "rotated-twice":
                with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
                    stack.session(DATABASE_PASSWORD)
    finally:
        session.close()
    shown = "".join(container.log.read_text() for container in stack.kafka.project.containers.values())
    assert "rotated-once" not in shown
    assert "rotated-twice" not in shown


def end_readers(session: Any) -> None:
    """End whoever reads the binary log, and wait until as many others do."""
    with session.cursor() as cursor:

        def readers() -> set[int]:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
            return {row[0] for row in cursor.fetchall()}

        wait_until("both read", lambda: len(readers()) == len(CONNECTORS), 120, 0.2)
        ended = readers()
        for reader in ended:
            cursor.execute(f"KILL {reader}")
        wait_until("both read again", lambda: len(readers() - ended) == len(CONNECTORS), 120, 0.2)


@pytest.mark.usefixtures("writer")
def test_objects_of_strimzi_move_connectors_as_well(
    stack: ConnectStack, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their operator is a fake; API server, kubectl, Connect and the connectors are real."""
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    monkeypatch.setenv("PATH", str(kubectl().parent), prepend=os.pathsep)
    old, new = stack.active, other(stack.active)
    with on_kubernetes(stack, api_server) as clusters:
        run_switch(clusters[old], clusters[new], colours_of(stack, old, new), print, 5)
        wait_until("the operator has removed the old ones", lambda: stack.get(old, "/connectors") == [], 120)
    set_active(stack.root, stack.stack, new)
    assert where(stack) == {new: CONNECTORS, old: set()}


# What connectors may do


def test_a_connector_writes_with_its_pipelines_rights_and_no_others(stack: ConnectStack) -> None:
    """The worker itself may not write changes at all, nor one tenant's connector those of another, or its positions."""
    clients = stack.kafka.clients
    for user, topic in (
        ("connect-blue", "shop_orders_orders"),
        ("connect-blue", "shop_orders_offsets_blue"),
        ("connect-blue", "trial-connect-green-offsets"),
        ("shop-orders-source", "billing_invoices_invoices"),
        ("shop-orders-source", "billing_invoices_offsets_blue"),
        ("shop-orders-source", "trial-connect-blue-offsets"),
    ):
        assert clients.write(clients.as_user(user), topic, [b"?"]).refused == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


def test_no_password_is_in_what_connect_shows_or_logs(stack: ConnectStack) -> None:
    active = stack.active
    shown = str(stack.get(active, "/connectors?expand=info&expand=status"))
    assert "${directory:/run/secrets/connect:orders-source.database-password}" in shown
    logs = "".join(stack.kafka.project.containers[stack.worker(colour)].log.read_text() for colour in ("blue", "green"))
    for secret in (DATABASE_PASSWORD, *stack.kafka.stack.passwords.values()):
        assert secret not in shown
        assert secret not in logs


# What the plugins say


def variant(changes: dict[str, Any]) -> EnvironmentSpec:
    """The stack's spec with another source and sink of its first pipeline."""
    path = STACKS / "Pulumi.connect.yaml"
    values = copy.deepcopy(load(path.read_text(encoding="utf-8"), path.name)["config"][CONFIG_KEY])
    values["pipelines"][0] |= changes
    return build_environment(values, "connect", path.name)


MYSQL = {"mysql": {"host": "127.0.0.1", "port": 1, "user": "cdc", "password": "secret:a#b", "tables": ["shop.orders"]}}
JDBC = {
    "postgres": {"host": "127.0.0.1", "port": PORT, "database": "w", "schema": "s", "password": "secret:w#p"},
    "via": "jdbc",
}


@pytest.mark.parametrize(
    ("changes", "role", "refused"),
    [
        ({}, "source", []),
        ({"source": MYSQL, "tables": {}}, "source", ["database.hostname: Unable to connect: Communications link failure"]),
        ({"sink": JDBC}, "sink", []),
    ],
    ids=["mariadb", "mysql", "jdbc"],
)
def test_each_plugin_accepts_its_connectors(
    stack: ConnectStack, changes: dict[str, Any], role: str, refused: list[str]
) -> None:
    """A MySQL server cannot be had here, so its plugin says that none answers, and nothing else."""
    found: list[Connector] = [one for one in connectors(variant(changes), "blue") if one.role == role and one.index == 0]
    assert len(found) == 1
    secret = stack.secret(stack.active, "orders-sink.database-password")
    secret.write_text("any")
    said = stack.cluster(stack.active).ask(lambda rest: rest.refusals(found[0].name, found[0].config))
    assert [line.partition("\n")[0] for line in said] == refused


def with_another_ca(stack: ConnectStack, config: dict[str, str]) -> dict[str, str]:
    path = config["database.ssl.truststore"]
    other_ca = CertificateAuthority("others").certificate
    stack.secret(stack.active, "others.truststore").write_bytes(truststore(other_ca, DATABASE_PASSWORD))
    return {**config, "database.ssl.truststore": path.replace("orders-source", "others")}


def with_another_name(_: ConnectStack, config: dict[str, str]) -> dict[str, str]:
    """The same server by its address, which is not in its certificate."""
    return {**config, "database.hostname": LOOPBACK}


def with_no_certificate_of_its_own(_: ConnectStack, config: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in config.items() if not key.startswith("database.ssl.keystore")}


def in_plain_text(_: ConnectStack, config: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in config.items() if not key.startswith("database.ssl.")}


@pytest.mark.parametrize("changed", [with_another_ca, with_another_name, with_no_certificate_of_its_own, in_plain_text])
def test_a_source_that_cannot_be_known_is_not_read(
    stack: ConnectStack, changed: Callable[[ConnectStack, dict[str, str]], dict[str, str]]
) -> None:
    """The real connectors of this stack read with the stores that the spec names: all other tests here show that."""
    [source] = [one for one in connectors(stack.kafka.stack.spec, stack.active) if one.name == "orders-source"]
    ask = stack.cluster(stack.active).ask
    assert ask(lambda rest: rest.refusals(source.name, source.config)) == []
    said = ask(lambda rest: rest.refusals(source.name, changed(stack, dict(source.config))))
    assert len(said) == 1
    assert "Unable to connect" in said[0]


def test_the_jdbc_sink_keeps_postgresql_equal_to_the_source(stack: ConnectStack, tmp_path: Path) -> None:
    """Rows of the snapshot, a row of every kind that comes, changes and goes; no column for where a record comes from."""
    [sink] = [one for one in connectors(variant({"sink": JDBC}), stack.active) if one.role == "sink"]
    execute = stack.executor()
    with jdbc_sink(stack, sink, tmp_path) as there:
        there.wait_for("the rows at rest", "SELECT count(*) >= 3 FROM s.order_lines", "t")
        execute(row_in_mariadb(TYPED, GONE, first=True))
        there.wait_for("the row", there.row(GONE), there.expected(first=True))
        execute(row_in_mariadb(TYPED, GONE, first=False))
        there.wait_for("the change", there.row(GONE), there.expected(first=False))
        execute(f"DELETE FROM {TYPED} WHERE id = {GONE}")
        there.wait_for("the row is gone", f"SELECT count(*) FROM s.order_lines WHERE id = {GONE}", "0")
        names = there.psql("SELECT column_name FROM information_schema.columns WHERE table_name = 'order_lines'").split()
        assert sorted(names) == sorted(["id", "v", *(column.split()[0] for column in COLUMNS)])
    clients = stack.kafka.clients
    assert clients.read_all(clients.as_user("auditor"), "shop_orders_dlq") == []


def test_a_plugin_that_refuses_keeps_everything_from_being_applied(stack: ConnectStack) -> None:
    path = stack.root / "Pulumi.connect.yaml"
    text = path.read_text(encoding="utf-8")
    wrong = text.replace(
        "connector: {heartbeat: 1s, config: {", 'connector: {heartbeat: 1s, config: {poll.interval.ms: "soon", '
    )
    assert wrong != text
    path.write_text(wrong, encoding="utf-8")
    try:
        outcome = stack.cdc("connect", "apply", "connect")
    finally:
        path.write_text(text, encoding="utf-8")
    assert outcome.code == 1
    assert "refused, nothing was changed" in outcome.text
    assert all(f"{name}: poll.interval.ms" in outcome.text for name in CONNECTORS), outcome.text
    assert stack.cdc("connect", "plan", "connect").code == 0


# The verbs that look at everything

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(name="services")
def _services(stack: ConnectStack) -> Iterator[LiveServices]:
    with live_services(stack) as services:
        yield services


def edit(services: LiveServices, name: str, chance: random.Random) -> None:
    """Something else of each kind: settings of topics, levels, a subject's next version, a new one, one connector or both."""
    root, field = services.stack.root, {"name": name, "type": ["null", "string"], "default": None}
    order = json.loads((root / "schemas" / "order.avsc").read_text())
    (root / "schemas" / "order.avsc").write_text(json.dumps({**order, "fields": [*order["fields"], field]}))
    (root / "schemas" / f"{name}.avsc").write_text(json.dumps({"type": "record", "name": name, "fields": [field]}))

    def change(spec: dict[str, Any]) -> None:
        registry, [orders, invoices] = spec["schemaRegistry"], spec["pipelines"]
        levels = ["BACKWARD", "FORWARD", "FULL", "NONE"]
        registry["compatibility"] = chance.choice([one for one in levels if one != registry.get("compatibility", "BACKWARD")])
        registry["subjects"][0]["compatibility"] = chance.choice(["FULL", "BACKWARD", "FULL_TRANSITIVE"])
        registry["subjects"].append({"subject": f"shop_{name}-value", "file": f"schemas/{name}.avsc"})
        orders["connector"]["heartbeat"] = f"{chance.randint(1_001, 1_999)}ms"
        orders["topic"] = {"retention": f"{chance.randint(10, 99)}d"}
        if chance.random() < 0.3:  # each restarts its connector
            invoices["connector"]["config"] = {"max.batch.size": chance.randint(1_000, 2_000)}

    services.edit(change)


def kinds(changes: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["change"], one["object"]) for one in changes}


def test_random_edits_of_subjects_and_connectors_are_planned_applied_and_gone(services: LiveServices) -> None:
    theirs, chance = services.theirs(), random.Random(20_261_123)
    assert services.same(), "what is as the spec says is no difference"
    for name in ("first", "second"):
        edit(services, name, chance)
        planned = services.changes()
        assert kinds(planned) >= {
            ("setLevel", "subject/(all)"),
            ("registerSchema", "subject/shop_orders-value"),
            ("registerSchema", f"subject/shop_{name}-value"),
            ("changeConnector", "connector/orders-source"),
            ("configure", "topic/shop_orders_orders"),
        }
        services.apply()
        assert services.same()
        services.check_as_told()
    told = services.told("plan")
    assert {"object": f"connector/{THEIR_CONNECTOR}", "what": ""} in told["external"]
    assert {"object": f"subject/{THEIR_SUBJECT}", "what": ""} in told["external"]
    for name in (f"connector/{THEIR_CONNECTOR}", f"subject/{THEIR_SUBJECT}"):
        refused = services.cdc("apply", "--yes", "--delete", name, "--reason", "a test")
        assert (refused.code, "is not this environment's" in refused.err) == (2, True), refused.text
    assert services.theirs() == theirs


def test_drift_that_plain_requests_inject_is_found_exactly_and_undone(services: LiveServices) -> None:
    theirs, config = services.theirs(), services.connect("GET", "/connectors/orders-source/config")
    services.connect("PUT", "/connectors/orders-source/config", {**config, "max.batch.size": "77"})
    services.connect("PUT", "/connectors/invoices-source/pause")
    services.subject("PUT", "/config/shop_orders-value", {"compatibility": "NONE"})
    wait_until("it is paused", lambda: services.lives("invoices-source") == "PAUSED", 120, 0.2)
    found = {(one["object"], one.get("action", one["change"]), one.get("hold", "")) for one in services.changes("drift")}
    assert found == {
        ("connector/orders-source", "change", ""),
        ("connector/invoices-source", "start", "manual"),
        ("subject/shop_orders-value", "setLevel", ""),
    }
    services.apply(code=3)
    assert [one["object"] for one in services.changes()] == ["connector/invoices-source"], "who paused it knows why"
    services.connect("PUT", "/connectors/invoices-source/resume")
    services.runs()
    services.check_as_told()
    services.connect("DELETE", "/connectors/orders-source")
    services.subject("DELETE", "/subjects/shop_orders-value")
    gone = {("changeConnector", "connector/orders-source"), ("registerSchema", "subject/shop_orders-value")}
    assert kinds(services.changes("drift")) - {("setLevel", "subject/shop_orders-value")} == gone
    services.apply()
    assert services.same()
    services.check_as_told()
    assert services.theirs() == theirs


def test_an_apply_of_everything_that_is_killed_anywhere_is_completed_by_the_next(services: LiveServices) -> None:
    theirs, chance = services.theirs(), random.Random(20_261_124)
    before = services.connect("GET", "/connectors/orders-source/config")
    begun = services.logged()
    points: dict[str, Callable[[], bool]] = {
        "logged": lambda: services.logged() > begun,
        "registered": lambda: services.subject("GET", "/subjects/shop_registered-value/versions") is not None,
        "changed": lambda: services.connect("GET", "/connectors/orders-source/config") != before,
    }
    for name, reached in points.items():
        edit(services, name, chance)
        before = services.connect("GET", "/connectors/orders-source/config")
        with applying(services) as process:
            try:
                wait_until(name, lambda process=process, reached=reached: process.poll() is not None or heard(reached), 120)  # type: ignore[misc]
            finally:
                process.send_signal(signal.SIGKILL)
                process.communicate()
        services.apply()
        assert services.same()
        services.check_as_told()
    assert services.theirs() == theirs


def heard(reached: Callable[[], bool]) -> bool:
    """A worker that distributes its connectors anew may refuse to answer."""
    try:
        return reached()
    except httpx.HTTPError:
        return False


def applying(services: LiveServices) -> "subprocess.Popen[str]":
    return services.stack.start_cdc(*services.words("apply", "--yes"))


def test_what_does_not_answer_is_said_and_the_rest_is_planned_and_nothing_changed(services: LiveServices) -> None:
    edit(services, "unheard", random.Random(7))
    ways: tuple[tuple[list[str], str, set[str]], ...] = (
        (["--registry", f"{NOWHERE}/apis/ccompat/v7"], "registry", {"connector", "topic"}),
        (["--blue", NOWHERE], "Connect blue", {"subject", "topic"}),
        (["--green", NOWHERE], "Connect green", {"subject", "topic"}),
    )
    file = services.stack.root / "plan.json"
    for way, silent, planned in ways:
        looks = (("plan", ["--out", str(file)]), ("drift", list[str]()))
        for verb, more in looks if silent == "registry" else looks[:1]:
            told = services.cdc(verb, *way, *more, "--json")
            assert (told.code, f"{silent}: " in told.err, "→" in told.err) == (2, True, True), told.text
            found = json.loads(told.out)
            assert objects(found["changes"]) == planned
            assert [gap["what"] for gap in found["notLookedAt"]] == [silent]
        assert not file.exists()
        refused = services.cdc("apply", "--yes", *way)
        assert (refused.code, "nothing was changed" in refused.err) == (2, True), refused.text
    assert objects(services.changes()) == {"connector", "subject", "topic"}


def objects(changes: list[dict[str, Any]]) -> set[str]:
    """The kinds of what is changed."""
    return {one["object"].partition("/")[0] for one in changes}


def test_one_that_takes_no_change_is_told_with_what_was_made_and_the_second_run_finishes(services: LiveServices) -> None:
    """It answers whatever it is asked, and hangs up when it is to take the first schema, or the first configuration."""
    chance, active = random.Random(8), services.stack.active
    connect, registry = services.stack.url(active), services.registry.partition("/apis")[0]
    deaf = {
        "Connect": (connect, f"--{active}", "", lambda method, path: method == "PUT" and path.endswith("source/config")),
        "registry": (registry, "--registry", "/apis/ccompat/v7", lambda _, path: "value/versions?normalize" in path),
    }
    for name, (server, option, suffix, hangs_up) in deaf.items():
        edit(services, f"half{name}", chance)
        with half_reachable(server, hangs_up, services.stack.kafka.project.namespace) as address:
            failed = services.cdc("apply", "--yes", option, f"{address}{suffix}")
        made, _, left = failed.err.partition("Not made")
        assert failed.code == 2, failed.text
        assert "Configure topic/shop_orders_orders" in made
        assert "SetLevel subject/(all)" in made
        assert ("RegisterSchema" in made, "RegisterSchema" in left) == (name == "Connect", name != "Connect")
        assert "ChangeConnector connector/orders-source" in left
        services.apply()
        assert services.same()
        services.check_as_told()
