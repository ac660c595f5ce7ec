"""The rendered PostgreSQL, started as its image starts it: each role may do its job, and nothing else."""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sink_worker.control import Control

from components.observability.names import POSTGRES_EXPORTER, POSTGRES_EXPORTER_PORT
from components.postgres.derive import ACCESS, ADMINISTRATOR, MONITOR, NAME, postgres_state
from tests.harness.cdc_command import Outcome, Project
from tests.harness.certificates import CertificateAuthority, write
from tests.harness.compose_project import ComposeProject
from tests.harness.docker_stack import DockerStack
from tests.harness.metric_names import EXPORTED, exposed
from tests.harness.postgres_server import PostgresServer
from tests.harness.processes import LOOPBACK, wait_until
from tests.harness.stores import Stores
from tests.harness.unprivileged import NOBODY, make_folder

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
ORDERS, INVOICES, LEDGER = "shop-orders-sink", "billing-invoices-sink", "billing-ledger-sink"
SINKS = {ORDERS: ("warehouse", "shop"), INVOICES: ("warehouse", "billing"), LEDGER: ("ledger", "public")}
SECONDS = 120
FORBIDDEN, READ_ONLY = "42501", "25006"


@dataclass(frozen=True)
class Running:
    """The server of ``stores``, reached by name from inside of its network."""

    stores: Stores
    project: ComposeProject

    def connect(self, role: str, database: str, **more: Any) -> psycopg.Connection[Any]:
        """As a sink worker connects."""
        settings = {
            "host": NAME,
            "user": role,
            "dbname": database,
            "password": self.stores.roles.get(role, "unknown"),
            "sslmode": "verify-full",
            "sslrootcert": str(self.ca_file),
            "connect_timeout": 10,
            "autocommit": True,
            **more,
        }
        return self.project.namespace.run(lambda: psycopg.connect(**settings))

    def cdc(self, *arguments: str) -> Outcome:
        """``cdc postgres …`` as the administrator."""
        password = write(self.stores.stack.work / "own", {"password": self.stores.roles[ADMINISTRATOR]}) / "password"
        own = ("--password-file", str(password), "--ca-file", str(self.ca_file), "--json")
        return self.project.namespace.run(lambda: Project(HERE).cdc("postgres", *arguments, *own))

    @property
    def ca_file(self) -> Path:
        return write(self.stores.stack.work / "own", {"ca.pem": self.stores.ca.certificate}) / "ca.pem"


@pytest.fixture(name="running", scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    stores = Stores(DockerStack.lay_out(HERE, "stores", tmp_path_factory.mktemp("stores"))).lay_out()
    with contextlib.closing(stores.stack.project()) as project:
        project.up(NAME)
        running = Running(stores, project)
        _bring_to_state(running)
        for role, (database, schema) in SINKS.items():
            with running.connect(role, database) as connection:
                do_a_sinks_job(connection, role, schema)
        yield running


def _bring_to_state(running: Running) -> None:
    """By the command first, and then by the container, which finds nothing to do: both are one list of steps."""
    folder = str(running.stores.folder(ACCESS))
    before = running.cdc("plan", "stores", "--secrets", folder)
    assert before.code == 3, before.text
    assert {"warehouse", "ledger", None} == {step["database"] for step in json.loads(before.out)["steps"]}
    applied = running.cdc("apply", "stores", "--secrets", folder)
    assert applied.code == 0, applied.text
    after = running.cdc("plan", "stores", "--secrets", folder)
    assert (after.code, json.loads(after.out)["steps"], json.loads(after.out)["passwords"]) == (0, [], []), after.text
    running.project.up(ACCESS)
    assert running.project.containers[ACCESS].log.read_text() == ""


def do_a_sinks_job(connection: psycopg.Connection[Any], role: str, schema: str) -> None:
    """What the worker does: its own tables, a target table with a new column, staging, rows, an emptied table."""
    Control(f"cdc_{role}").install(connection)
    connection.execute(f'CREATE TABLE "{schema}".things (id int PRIMARY KEY, note text)'.encode())
    connection.execute(f'ALTER TABLE "{schema}".things ADD COLUMN IF NOT EXISTS more text'.encode())
    connection.execute("CREATE TEMP TABLE staging (id int, note text)")
    connection.execute("INSERT INTO staging VALUES (1, 'one')")
    connection.execute(f'INSERT INTO "{schema}".things (id, note) SELECT * FROM staging'.encode())
    connection.execute(f'TRUNCATE "{schema}".things'.encode())
    connection.execute(f"INSERT INTO \"{schema}\".things VALUES (1, 'one', 'more')".encode())
    connection.execute("SELECT pg_advisory_xact_lock(1), pid FROM pg_stat_activity WHERE usename = current_user")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM billing.things",
        "INSERT INTO billing.things VALUES (2)",
        "DROP TABLE billing.things",
        'SELECT * FROM "cdc_billing-invoices-sink".offsets',
        'UPDATE "cdc_billing-invoices-sink".offsets SET epoch = 0',
        "CREATE TABLE billing.other (id int)",
        "CREATE TABLE public.other (id int)",
        "CREATE SCHEMA other",
        "DROP SCHEMA shop CASCADE",
        "CREATE ROLE other",
        f'ALTER ROLE "{INVOICES}" PASSWORD NULL',
        "CREATE DATABASE other",
        "ALTER DATABASE warehouse RENAME TO other",
        "CREATE EXTENSION file_fdw SCHEMA shop",
        "ALTER SYSTEM SET fsync = off",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT rolpassword FROM pg_authid",
        f"SET ROLE {ADMINISTRATOR}",
        'SET ROLE "warehouse.shop.owner"',
        f'GRANT "{ORDERS}" TO bi',
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> '{ORDERS}' AND usename IS NOT NULL",
    ],
)
def test_a_sink_may_do_nothing_beside_its_job(running: Running, statement: str) -> None:
    with (
        running.connect(ORDERS, "warehouse") as connection,
        running.connect(INVOICES, "warehouse"),
        pytest.raises(psycopg.Error) as refused,
    ):
        connection.execute(statement.encode())
    assert refused.value.sqlstate == FORBIDDEN


def test_a_reader_reads_its_schema_and_what_will_be_made_there_and_writes_nothing(running: Running) -> None:
    with running.connect(ORDERS, "warehouse") as sink:
        sink.execute("CREATE TABLE shop.later (id int)")
    with running.connect("bi", "warehouse") as reader:
        assert reader.execute("SELECT note, (SELECT count(*) FROM shop.later) FROM shop.things").fetchall() == [("one", 0)]
        with pytest.raises(psycopg.Error) as refused:
            reader.execute("INSERT INTO shop.later VALUES (1)")
        assert refused.value.sqlstate == READ_ONLY
        reader.execute("SET default_transaction_read_only = off")
        for statement in (
            "INSERT INTO shop.later VALUES (1)",
            "SELECT * FROM billing.things",
            'SELECT * FROM "cdc_shop-orders-sink".offsets',
            "CREATE TEMP TABLE mine (id int)",
            "CREATE TABLE shop.mine (id int)",
        ):
            with pytest.raises(psycopg.Error) as refused:
                reader.execute(statement.encode())
            assert refused.value.sqlstate == FORBIDDEN, statement


def test_the_monitor_sees_who_does_what_and_no_rows(running: Running) -> None:
    with running.connect(ORDERS, "warehouse") as sink, running.connect(MONITOR, "warehouse") as monitor:
        sink.execute("SELECT 'seen'")
        [(query,)] = monitor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [sink.info.backend_pid]).fetchall()
        assert query == "SELECT 'seen'"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            monitor.execute("SELECT * FROM shop.things")


def figures(running: Running) -> str:
    """What the exporter tells Prometheus."""
    url = f"http://{POSTGRES_EXPORTER}:{POSTGRES_EXPORTER_PORT}/metrics"
    return running.project.namespace.run(lambda: httpx.get(url, timeout=60, trust_env=False).raise_for_status().text)


def test_the_exporter_enters_as_the_monitor_and_exports_what_is_named(running: Running) -> None:
    """As it is rendered: over TLS, with its password from a file."""
    running.project.up(POSTGRES_EXPORTER)
    with running.connect(ORDERS, "warehouse", application_name="long") as sink:
        sink.execute("BEGIN")
        text = figures(running)
    assert exposed(text) >= EXPORTED["postgres"]
    assert re.search(r"^pg_up 1$", text, re.MULTILINE)
    assert re.search(rf'^pg_settings_max_connections\{{server="{NAME}:5432"\}} 60$', text, re.MULTILINE)
    assert re.search(
        rf'^pg_stat_activity_max_tx_duration\{{application_name="long",.*usename="{ORDERS}".*\}}', text, re.MULTILINE
    )
    assert set(re.findall(r'^pg_scrape_collector_success\{collector="\w+"\} (\d)', text, re.MULTILINE)) == {"1"}
    assert running.stores.roles[MONITOR] not in running.project.containers[POSTGRES_EXPORTER].log.read_text()


@pytest.mark.parametrize(
    ("role", "database", "more", "why"),
    [
        (ORDERS, "warehouse", {"sslmode": "disable"}, "no encryption"),
        (ORDERS, "ledger", {}, "pg_hba.conf rejects"),
        (ORDERS, "postgres", {}, "pg_hba.conf rejects"),
        ("bi", "ledger", {}, "pg_hba.conf rejects"),
        ("postgres", "warehouse", {}, "pg_hba.conf rejects"),
        ("warehouse.shop.owner", "warehouse", {}, "pg_hba.conf rejects"),
        (ORDERS, "warehouse", {"password": "wrong"}, "password authentication failed"),
        (ORDERS, "warehouse", {"host": "127.0.0.1", "hostaddr": "", "sslmode": "verify-full"}, "127.0.0.1"),
        (ORDERS, "warehouse", {"ssl_max_protocol_version": "TLSv1.2"}, "protocol version"),
    ],
)
def test_who_may_not_enter_is_kept_out(running: Running, role: str, database: str, more: dict[str, Any], why: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=why):
        running.connect(role, database, **more)


def test_a_server_that_another_authority_signed_for_is_not_believed(running: Running, tmp_path: Path) -> None:
    foreign = write(tmp_path, {"ca.pem": CertificateAuthority("foreign").certificate}) / "ca.pem"
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        running.connect(ORDERS, "warehouse", sslrootcert=str(foreign))


def test_a_role_has_no_more_connections_than_its_limit(running: Running) -> None:
    [limit] = [role.connections for role in postgres_state(running.stores.stack.spec).roles if role.name == LEDGER]
    with contextlib.ExitStack() as open_ones:
        for _ in range(limit):
            open_ones.enter_context(running.connect(LEDGER, "ledger"))
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            running.connect(LEDGER, "ledger")


def test_a_rotated_password_and_a_right_that_was_taken_away_are_mended(running: Running) -> None:
    """Neither password is ever seen by the server's log."""
    old, new = running.stores.roles[INVOICES], "rotated: \\ and \"quotes' too"
    with running.connect(ADMINISTRATOR, "warehouse") as admin:
        admin.execute(f'REVOKE CREATE ON SCHEMA billing FROM "{INVOICES}"'.encode())
        admin.execute(f'ALTER ROLE "{INVOICES}" SUPERUSER'.encode())
    write(running.stores.folder(ACCESS), {f"{INVOICES}.password": new})
    running.stores.roles[INVOICES] = new
    container = running.project.containers[ACCESS]
    container.stop()
    container.start()
    container.wait_healthy()
    with running.connect(INVOICES, "warehouse") as connection:
        connection.execute("CREATE TABLE billing.again (id int)")
        assert connection.execute("SHOW is_superuser").fetchone() == ("off",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        running.connect(INVOICES, "warehouse", password=old)
    logs = running.project.containers[NAME].log.read_text() + container.log.read_text()
    assert not [password for password in (*running.stores.roles.values(), old) if password in logs]


def test_what_was_committed_survives_a_killed_server_and_whoever_watches_sees_it_gone(running: Running) -> None:
    running.project.up(POSTGRES_EXPORTER)
    running.project.containers[NAME].kill()
    assert "\npg_up 0\n" in figures(running)
    running.project.containers[NAME].start()
    running.project.containers[NAME].wait_healthy()
    wait_until("the exporter to see it again", lambda: "\npg_up 1\n" in figures(running), SECONDS)
    with running.connect(LEDGER, "ledger") as connection:
        assert connection.execute("SELECT note FROM public.things").fetchall() == [("one",)]


# Existing servers


EXTERNAL = """\
config:
  cdc-platform:environment:
    tier: staging
    target: docker
    kafka: {{brokers: 1, controllers: 0}}
    postgres: {{external: {{host: 127.0.0.1, port: {port}}}}}
    tenants: [{{name: shop, owner: team-shop}}]
    pipelines:
      - name: orders
        tenant: shop
        source: {{mariadb: {{host: db, password: "secret:db#password", tables: [shop.orders]}}}}
        sink: {{postgres: {{database: "data \\"base'", schema: "sche ma"}}}}
"""

Command = Callable[..., Outcome]


@pytest.fixture(name="existing", scope="module")
def _existing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresServer, Command]]:
    """A server with an administrator who is no super user, as services give one."""
    folder, work = make_folder("certificates"), tmp_path_factory.mktemp("existing")
    authority = CertificateAuthority("existing")
    own = authority.issue(LOOPBACK, LOOPBACK)
    rules = "host all postgres 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
    write(folder, {"server.crt": own.certificate, "server.key": own.key, "pg_hba.conf": rules})
    (folder / "server.key").chmod(0o600)
    shutil.chown(folder / "server.key", NOBODY)
    settings = {"ssl": "on", "ssl_cert_file": folder / "server.crt", "ssl_key_file": folder / "server.key"}
    with PostgresServer(work, {**{k: str(v) for k, v in settings.items()}, "hba_file": str(folder / "pg_hba.conf")}) as server:
        server.psql("CREATE ROLE admin LOGIN CREATEROLE CREATEDB PASSWORD 'admins own'")
        files = {"ca.pem": authority.certificate, "admin": "admins own"}
        write(work, {**files, "shop-orders-sink.password": "of the sink", "cdc_monitor.password": "of the monitor"})
        (work / "Pulumi.yaml").write_text("name: trial\nruntime: python\n")
        (work / "Pulumi.old.yaml").write_text(EXTERNAL.format(port=server.port))

        def cdc(action: str, *more: str) -> Outcome:
            entry = ("--user", "admin", "--password-file", str(work / "admin"), "--ca-file", str(work / "ca.pem"))
            return Project(work).cdc("postgres", action, "old", *entry, "--secrets", str(work), *more)

        yield server, cdc
    shutil.rmtree(folder, ignore_errors=True)


def test_an_existing_server_is_brought_to_its_state_by_an_administrator_who_is_no_super_user(
    existing: tuple[PostgresServer, Command],
) -> None:
    server, cdc = existing
    assert cdc("plan").code == 3
    assert server.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'shop%'") == "0"
    applied = cdc("apply")
    assert applied.code == 0, applied.text
    assert "of the sink" not in applied.text
    assert cdc("plan").out.strip() == "nothing to do"
    with psycopg.connect(
        host=LOOPBACK, port=server.port, user=ORDERS, password="of the sink", dbname="data \"base'", sslmode="require"
    ) as connection:
        do_a_sinks_job(connection, ORDERS, "sche ma")
    assert cdc("plan").out.strip() == "nothing to do"


def test_an_apply_that_was_broken_off_is_finished_by_the_next(existing: tuple[PostgresServer, Command]) -> None:
    server, cdc = existing
    cdc("apply")
    server.psql('REVOKE ALL ON DATABASE "data ""base\'" FROM "shop-orders-sink"')
    planned = cdc("plan", "--json")
    assert [step["what"] for step in json.loads(planned.out)["steps"]] == [
        "shop-orders-sink may connect, temporary in data \"base'"
    ]
    assert cdc("apply").code == 0
    assert cdc("plan").code == 0


@pytest.mark.parametrize(
    ("change", "why", "remedy"),
    [
        (("--user", "nobody"), "password authentication failed", "--user"),
        (("--host", "no-such-host.invalid"), "no-such-host.invalid", "--host"),
        (("--secrets", "/nonexistent"), "cannot be read", "password"),
        (("--ca-file", "/nonexistent"), "nonexistent", "--ca-file"),
    ],
)
def test_a_wrong_way_to_the_server_is_told_and_changes_nothing(
    existing: tuple[PostgresServer, Command], change: tuple[str, str], why: str, remedy: str
) -> None:
    outcome = existing[1]("apply", *change)
    assert outcome.code == 2
    assert why in outcome.err
    assert remedy in outcome.err
    assert "Traceback" not in outcome.text


def test_what_the_administrator_may_not_do_is_told_with_the_statement_that_its_owner_must_run(
    existing: tuple[PostgresServer, Command],
) -> None:
    server, cdc = existing
    cdc("apply")
    server.psql('ALTER ROLE "shop-orders-sink" SUPERUSER')
    refused = cdc("apply")
    server.psql('ALTER ROLE "shop-orders-sink" NOSUPERUSER')
    assert refused.code == 2
    assert 'ALTER ROLE "shop-orders-sink" NOSUPERUSER' in refused.err
