"""PostgreSQL as it is rendered: where rows go, who may do what, and how names are written."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.environment import EnvironmentSpec
from components.platform import render
from components.postgres.derive import budget, destination, postgres_state
from components.postgres.server import access_rules
from components.postgres.sql import connect_command, fitted, identifier, literal
from components.postgres.steps import script, steps
from tests.harness.cdc_command import SMALL, Project
from tests.strategies.examples import build, messages, pipeline, problems_of, shop
from tests.unit.on_kubernetes import manifest, rendered, spec

OWN = {"postgres.instances": 3, "sink.image": "acme/sink:1"}
SCHEMA = "pipelines[0].sink.postgres.schema"


def built(changes: dict[str, Any] | None = None) -> EnvironmentSpec:
    return build(shop({**OWN, **(changes or {})}))


def sink_settings(changes: dict[str, Any]) -> Any:
    return json.loads(manifest({**OWN, **changes}, "ConfigMap/sink-orders").body["data"]["settings.json"])


# Where rows go


def test_a_sink_that_names_no_server_goes_to_the_environments_own_checked_by_name() -> None:
    section = sink_settings({})["postgres"]
    assert section["host"] == "postgres-rw.cdc.svc"
    assert section["sslmode"] == "verify-full"
    assert section["user"] == "shop-orders-sink"
    assert section["control_schema"] == "cdc_shop-orders-sink"
    assert section["password_file"] == "/run/secrets/sink/postgres.password"


def test_a_sink_that_names_another_server_goes_there_as_before() -> None:
    other = {"pipelines[0].sink.postgres": {"host": "other", "port": 6432, "database": "w", "password": "vault:w#p"}}
    section = sink_settings(other)["postgres"]
    assert (section["host"], section["port"], section["user"]) == ("other", "6432", "cdc_sink")
    assert "control_schema" not in section
    assert postgres_state(built(other)).databases == ()


def test_a_sink_that_names_the_declared_existing_server_is_one_of_its_own() -> None:
    changes = {"postgres": {"external": {"host": "db", "port": 6432}}, "pipelines[0].sink.postgres": {"database": "w"}}
    for target in ({}, {"host": "db", "port": 6432}):
        found = destination(*_first(build(shop({**changes, "pipelines[0].sink.postgres": {"database": "w", **target}}))))
        assert (found.declared, found.host, found.port, found.tls) == (True, "db", 6432, True)


def _first(environment: EnvironmentSpec) -> tuple[EnvironmentSpec, Any]:
    return environment, environment.pipelines[0]


def test_an_existing_server_has_no_container_and_its_statements_can_be_read() -> None:
    found = rendered({"postgres": {"external": "db"}})
    assert not [one for one in found.manifests if one.component == "postgres"]
    assert 'CREATE DATABASE "warehouse"' in found.files["postgres/access.sql"]


def test_the_jdbc_sink_goes_to_the_environments_own_server_too() -> None:
    changes = {"connect": {"image": "acme/connect:1"}, "pipelines[0].sink.via": "jdbc"}
    connector = spec({"postgres.instances": 3, **changes}, "KafkaConnector/orders-sink-blue")["config"]
    assert connector["connection.url"].startswith("jdbc:postgresql://postgres-rw.cdc.svc:5432/warehouse")
    assert connector["connection.username"] == "shop-orders-sink"


def test_the_worker_of_a_cassandra_pipeline_has_a_role_as_the_others_have() -> None:
    more = pipeline("events", ("shop.views",), "cassandra", sink={"postgres": {"database": "warehouse"}})
    roles = {role.name for role in postgres_state(built({"pipelines[1]": more})).roles if role.login}
    assert {"shop-orders-sink", "shop-events-sink"} <= roles


def test_a_worker_with_a_certificate_has_no_password() -> None:
    changes = {"postgres.sinkAuthentication": "certificate"}
    section = sink_settings(changes)["postgres"]
    assert "password_file" not in section
    assert (section["certificate_file"], section["key_file"]) == (
        "/run/secrets/sink/postgres-client.pem",
        "/run/secrets/sink/postgres-client.key",
    )
    cluster = spec({**OWN, **changes}, "Cluster/postgres")
    assert cluster["certificates"] == {"clientCASecret": "postgres-client-ca"}
    assert 'hostssl "warehouse" "shop-orders-sink" all cert' in cluster["postgresql"]["pg_hba"]


# Who may do what


def test_each_role_enters_its_own_databases_and_the_rest_is_refused() -> None:
    reader = {"name": "bi", "password": "vault:bi#p", "schemas": ["warehouse.public"]}
    other = pipeline("lines", ("db.u",), "mariadb")
    found = built({"postgres.readers": [reader], "pipelines[1]": other})
    assert found.postgres is not None
    assert access_rules(found, found.postgres, postgres_state(found)) == [
        'hostssl all "cdc_admin" all scram-sha-256',
        'hostssl all "cdc_monitor" all scram-sha-256',
        'hostssl "warehouse" "bi" all scram-sha-256',
        'hostssl "w" "shop-lines-sink" all scram-sha-256',
        'hostssl "warehouse" "shop-orders-sink" all scram-sha-256',
        "host all all all reject",
    ]


def test_a_pipelines_limit_is_what_its_workers_may_open_and_the_budget_their_sum() -> None:
    """Four workers and one while they roll, two processes each, with three writers and three further threads; and tools."""
    changes = {"sink.replicas": 4, "sink.processes": 2, "sink.writers": 3}
    [role] = [role for role in postgres_state(built(changes)).roles if role.administered and role.login]
    assert role.connections == 5 * 2 * 6 + 3 == budget(built(changes))
    scaled = built({"sink.autoscaling": {"least": 2, "most": 8}})
    assert budget(scaled) == 9 * 4 + 3


def test_a_shared_database_keeps_what_everybody_may_do_in_it() -> None:
    closed = script(steps(postgres_state(built({"postgres": {"external": {"host": "db"}}}))))
    shared = script(steps(postgres_state(built({"postgres": {"external": {"host": "db", "shared": True}}}))))
    assert closed.count("FROM PUBLIC") == 2
    assert "FROM PUBLIC" not in shared


def test_nothing_is_rendered_that_holds_a_password_and_none_is_read_from_the_environment() -> None:
    found = render(built({"target": "docker", "postgres.adminPassword": "secret:planted#planted"}))
    own = [workload for workload in found.workloads if workload.component == "postgres"]
    assert [workload.name for workload in own] == ["postgres", "postgres-access"]
    assert [workload.environment for workload in own] == [{}, {}]
    assert not [text for workload in own for text in workload.files.values() if "PASSWORD '" in text or "planted" in text]


# Names


def test_names_and_texts_are_quoted_whatever_is_in_them() -> None:
    assert identifier('a"b') == '"a""b"'
    assert literal("a'b\\") == "'a''b\\'"
    assert connect_command('it\'s a \\ "b"') == '\\connect -reuse-previous=on "dbname=\'it\\\'s a \\\\ ""b""\'"'


def test_long_names_keep_apart_within_63_bytes() -> None:
    one, other = fitted("ä" * 40 + "x"), fitted("ä" * 40 + "y")
    assert one != other
    assert max(len(name.encode()) for name in (one, other)) <= 63
    found = destination(*_first(build(shop({**OWN, "pipelines[0].name": "p" * 50}))))
    assert len(found.control_schema.encode()) <= 63
    assert {role.name for role in postgres_state(build(shop({**OWN, SCHEMA: "s" * 60}))).roles if len(role.name) > 63} == set()


@pytest.mark.parametrize(
    ("changes", "path", "what"),
    [
        ({"pipelines[0].sink.postgres.database": "ä" * 32}, "pipelines[0].sink.postgres.database", "63 bytes"),
        ({SCHEMA: "a\nb"}, SCHEMA, "control character"),
        ({SCHEMA: "pg_mine"}, SCHEMA, "PostgreSQL's own prefix"),
        ({"pipelines[0].sink.postgres.database": "postgres"}, "pipelines[0].sink.postgres.database", "the server's own"),
        ({"pipelines[0].sink.postgres.user": "o'neil"}, "pipelines[0].sink.postgres.user", "no name for a role"),
        ({"pipelines[0].sink.postgres.user": "cdc_admin"}, "pipelines[0].sink.postgres.user", "an administrator's"),
        ({"postgres.parameters": {"ssl": "off"}}, "postgres.parameters.ssl", "set by the platform"),
        ({"postgres.tls": {"enabled": False}}, "postgres.tls.enabled", "always encrypts"),
        ({"postgres.adminPassword": "vault:db#admin"}, "postgres.adminPassword", "keys username and password"),
        (
            {"postgres.readers": [{"name": "bi", "password": "vault:b#p", "schemas": ["warehouse.other"]}]},
            "postgres.readers[0].schemas[0]",
            "no pipeline writes warehouse.other; use one of: warehouse.public",
        ),
        (
            {"postgres.readers": [{"name": "shop-orders-sink", "password": "vault:b#p", "schemas": ["warehouse.public"]}]},
            "pipelines[0].sink.postgres",
            "would be two",
        ),
    ],
)
def test_what_postgresql_would_cut_or_confuse_is_refused(changes: dict[str, Any], path: str, what: str) -> None:
    assert what in messages(problems_of(shop({**OWN, **changes}))).get(path, "")


# cdc postgres, before it asks a server


@pytest.mark.parametrize(
    ("written", "arguments", "what"),
    [
        ("", (), "no PostgreSQL is declared"),
        ("    postgres: {}\n", ("--password-file", "missing"), "missing: cannot be read"),
        ("    postgres: {}\n", ("--password-file", "empty"), "empty: is empty"),
        ("    postgres: {}\n", ("--secrets", "."), "shop-orders-sink.password: cannot be read"),
        ("    postgres: {}\n", ("--host", "127.0.0.1", "--port", "1"), "127.0.0.1:1, database postgres: connection failed"),
        ("    postgres: {}\n", ("--port", "0"), "Invalid value for '--port'"),
    ],
)
def test_a_wrong_call_is_told_with_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, arguments: tuple[str, ...], what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: trial\nruntime: python\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(SMALL + written)
    (tmp_path / "empty").write_text("\n")
    for action in ("plan", "apply"):
        outcome = Project(tmp_path).cdc("postgres", action, "prod", *arguments)
        assert outcome.code == 2
        assert what in " ".join(outcome.err.split())
        assert "Traceback" not in outcome.text


def test_a_plan_is_what_does_not_hold_in_its_order() -> None:
    wanted = steps(postgres_state(built()))
    assert len({step.what for step in wanted}) == len(wanted)
    places = [step.database for step in wanted]
    assert [step.alone for step in wanted].count(True) == 1
    assert places.index("warehouse") > [step.alone for step in wanted].index(True)
