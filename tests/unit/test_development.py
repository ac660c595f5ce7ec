"""A development environment's own databases, its made-up passwords and its size."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from components.core import versions
from components.core.errors import CdcError
from components.core.rendered import SECRETS_DIRECTORY, Workload
from components.development.secrets import make_up
from components.loading import load_environment
from components.platform import render
from components.targets.sources import digest
from components.vault.uses import uses
from operations.mock_data.tables import Source
from operations.mock_data.tables import schema as mock_schema
from tests.harness.cdc_command import copy_of_repository
from tests.strategies.examples import ROOT, build, messages, problems_of, shop

LAPTOP_BYTES = 16 << 30
LEFT_FOR_THE_LAPTOP = 4 << 30
DEV = load_environment(ROOT, "dev")
NAMES = ("orders", "customers")
TOKEN = ("secrets", "sink-admin.token")
"""What the developer keeps, and no container has."""
WORKLOADS = {workload.name: workload for workload in render(DEV).workloads}


def on_docker(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    values = shop({"tier": "development", "target": "docker", "development": {"mariadb": {}, "apply": False}})
    source = values["pipelines"][0]["source"].pop("mysql")
    values["pipelines"][0]["source"]["mariadb"] = {**source, "host": "mariadb", **(changes or {})}
    return values


def mariadb(values: dict[str, Any]) -> Workload:
    [found] = [workload for workload in render(build(values)).workloads if workload.name == "mariadb"]
    return found


def test_the_whole_development_stack_fits_a_laptop_with_room_to_work_in() -> None:
    bounds = [workload.memory_bytes for workload in WORKLOADS.values()]
    assert None not in bounds
    assert sum(filter(None, bounds)) <= LAPTOP_BYTES - LEFT_FOR_THE_LAPTOP


def test_every_service_of_the_development_stack_has_a_health_check_and_waits_for_what_exists() -> None:
    assert [name for name, workload in WORKLOADS.items() if workload.health is None] == []
    assert {name for workload in WORKLOADS.values() for name in workload.depends_on} <= set(WORKLOADS)


def test_the_sink_worker_is_built_from_its_own_folder() -> None:
    worker = WORKLOADS["sink-orders-0"]
    assert (worker.build, worker.image) == ("sink_worker", "cdc-platform/sink-worker:local")
    assert (ROOT / "sink_worker" / "Dockerfile").is_file()


def test_an_image_is_either_named_or_built_and_built_on_docker_only() -> None:
    wrong = {"image": "acme/worker:1", "build": "sink_worker"}
    for sink in (wrong, {}):
        assert messages(problems_of(on_docker() | {"sink": sink, "postgres": {}})).keys() == {"sink.image"}
    problem = messages(
        problems_of(shop({"sink": {"build": "sink_worker"}, "pipelines[0].sink.postgres.password": "vault:a#b"}))
    )
    assert "does not see this machine's images" in problem["sink.build"]
    outside = messages(problems_of(on_docker() | {"sink": {"build": "../elsewhere"}}))
    assert "sink.build" in outside


def test_every_user_that_reads_mariadb_is_made_with_its_own_password_and_the_least_rights() -> None:
    start = mariadb(on_docker({"user": "it's"})).files["/etc/cdc/start.sh"]
    assert "account 'it'\"'\"'s' orders.password" in start
    assert "REPLICATION SLAVE" in start
    assert "GRANT ALL ON *.*" not in start
    [use] = [use for use in uses(build(on_docker())) if use.workload == "mariadb"]
    assert {(file.name, file.secret, file.vault) for file in use.files} == {
        ("app.password", "mariadb-app", ""),
        ("orders.password", "orders-source-database", "shop-db"),
    }


def with_cassandra(changes: dict[str, Any] | None = None, **cassandra: Any) -> dict[str, Any]:
    """MariaDB's pipeline, and one from the environment's own Cassandra."""
    values = on_docker() | {"cassandraAgent": {"build": "components/cassandra_agent/image"}}
    values["development"] = {"mariadb": {}, "cassandra": cassandra, "apply": False}
    source = {"host": "cassandra", "password": "vault:profiles#password", "tables": ["shop.users"], **(changes or {})}
    sink = {"postgres": {"database": "warehouse", "password": "vault:w#p"}}
    values["pipelines"].append({"name": "profiles", "tenant": "shop", "source": {"cassandra": source}, "sink": sink})
    return values


def cassandra(values: dict[str, Any]) -> Workload:
    [found] = [workload for workload in render(build(values)).workloads if workload.name == "cassandra"]
    return found


def test_the_agent_reads_the_volume_of_the_node_that_it_waits_for() -> None:
    node, agent = WORKLOADS["cassandra"], WORKLOADS["cdc-cassandra-customers"]
    assert "cassandra" in agent.depends_on
    assert {mount.target for mount in node.mounts if mount.volume == "cassandra-data"} == {"/var/lib/cassandra"}
    assert {mount.target for mount in agent.mounts if mount.volume == "cassandra-data"} == {"/var/lib/cassandra"}
    assert node.user == agent.user
    assert yaml.safe_load(node.files["/etc/cdc/cassandra.yaml"])["cdc_enabled"] is True
    assert 'mv "$data/cassandra.yaml.new" "$data/cassandra.yaml"' in node.files["/etc/cdc/start.sh"]
    assert "cassandra.config=/var/lib/cassandra/cassandra.yaml" in agent.files["/etc/cdc/debezium.properties"]
    elsewhere = with_cassandra() | {"cassandraAgent": {"image": "acme/agent:1", "volume": "other"}}
    assert "other" in {mount.volume for mount in cassandra(elsewhere).mounts}


def test_whoever_can_log_in_to_cassandra_finds_the_tables_and_may_no_more_than_it_must() -> None:
    start = cassandra(with_cassandra({"user": "it's"})).files["/etc/cdc/start.sh"]
    assert 'GRANT SELECT ON KEYSPACE "shop" TO "it\'"\'"\'s";' in start
    assert start.index("schema.cql") < start.index("rows.cql") < start.index("account ", start.index("rows.cql"))
    assert "SUPERUSER" not in start
    assert start.rindex("account cassandra admin.password") > start.index("account app")


def test_cassandras_demo_is_what_made_up_data_are_written_to_and_can_be_left_out() -> None:
    schema = cassandra(with_cassandra()).files["/etc/cdc/schema.cql"]
    assert set(mock_schema(Source.cassandra)[1:]) <= {line.removesuffix(";") for line in schema.splitlines()}
    assert cassandra(with_cassandra()).files["/etc/cdc/rows.cql"].count("INSERT") == 5
    bare = cassandra(with_cassandra(demo=False)).files
    assert ("TABLE" in bare["/etc/cdc/schema.cql"], bare["/etc/cdc/rows.cql"]) == (False, "")
    assert "KEYSPACE" in bare["/etc/cdc/schema.cql"]
    assert "INSERT" not in cassandra(with_cassandra({"tables": ["crm.users"]})).files["/etc/cdc/rows.cql"]


@pytest.mark.parametrize(
    ("values", "path", "words"),
    [
        (with_cassandra({"host": "elsewhere"}), "development.cassandra", "no pipeline reads it"),
        (with_cassandra() | {"cassandraAgent": None}, "development.cassandra", "brings its changes to Kafka"),
        (with_cassandra({"user": "cassandra"}), "pipelines[1].source.cassandra", "the server's own"),
        (with_cassandra(resources={"memory": "512Mi"}), "development.cassandra.resources.memory", "too little"),
        (with_cassandra() | {"cassandraAgent": {}}, "cassandraAgent.image", "no image is named"),
    ],
)
def test_a_cassandra_that_cannot_be_read_is_refused(values: dict[str, Any], path: str, words: str) -> None:
    assert words in messages(problems_of(values))[path]


def test_the_agents_image_is_made_of_the_releases_that_are_deployed() -> None:
    agent = WORKLOADS["cdc-cassandra-customers"]
    assert (agent.build, agent.image) == ("components/cassandra_agent/image", "cdc-platform/cassandra-agent:local")
    dockerfile = (ROOT / "components/cassandra_agent/image/Dockerfile").read_text()
    assert f"ARG CASSANDRA={versions.CASSANDRA}\n" in dockerfile
    assert f"ARG DEBEZIUM={versions.DEBEZIUM_CASSANDRA}\n" in dockerfile


def test_one_volume_of_two_parts_is_declared_by_one_of_them() -> None:
    rendered = render(DEV)
    parts = {workload.component for workload in rendered.workloads}
    declared = [volume for part in sorted(parts) for volume in rendered.only(part).volumes]
    assert sorted(declared) == sorted(rendered.volumes)
    assert "cassandra-data" in rendered.only("development").volumes


def test_a_vault_to_try_things_with_says_its_token_to_nobody() -> None:
    vault = WORKLOADS["vault"]
    assert "> /dev/null" in vault.files["/etc/cdc/start.sh"]
    assert not {"VAULT_TOKEN", "VAULT_DEV_ROOT_TOKEN_ID"} & set(vault.environment)
    both = {"development": {"vault": {}}, "vault": {"pki": {"enabled": False}}}
    problems = messages(problems_of(on_docker() | both | {"kafka": {"authorization": {"type": "none"}}}))
    assert "a Vault of its own" in problems["development.vault"]


def test_the_demo_is_made_where_the_shop_is_read_and_can_be_left_out() -> None:
    assert "CREATE TABLE IF NOT EXISTS shop.orders" in mariadb(on_docker()).files["/etc/cdc/seed.sql"]
    assert "TABLE" not in mariadb(on_docker({"tables": ["billing.invoices"]})).files["/etc/cdc/seed.sql"]
    without = on_docker() | {"development": {"mariadb": {"demo": False}, "apply": False}}
    assert mariadb(without).files["/etc/cdc/seed.sql"] == "CREATE DATABASE IF NOT EXISTS `shop`;\n"


def test_databases_of_ones_own_fit_docker_and_somebody_who_reads_them() -> None:
    assert "containers on one machine" in messages(problems_of(shop({"development": {}})))["development"]
    assert "no pipeline reads it" in messages(problems_of(on_docker({"host": "elsewhere"})))["development.mariadb"]
    values = on_docker()
    other = json.loads(json.dumps(values["pipelines"][0])) | {"name": "returns"}
    other["source"]["mariadb"] |= {"tables": ["shop.returns"], "password": "secret:other#password"}
    found = messages(problems_of(values | {"pipelines": [values["pipelines"][0], other]}))
    assert "another password in pipelines[0].source.mariadb" in found["pipelines[1].source.mariadb.password"]


def test_made_up_passwords_are_all_that_containers_wait_for_and_one_reference_is_one_password(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = make_up(DEV, folder)
    mounts = [mount.host_path for workload in WORKLOADS.values() for mount in workload.mounts if mount.host_path]
    assert all(Path(path.replace(SECRETS_DIRECTORY, str(folder))).is_dir() for path in mounts)
    assert len(made) == len(set(made)) == sum(1 for path in folder.rglob("*") if path.is_file())
    read = {(container, file.name) for use in uses(DEV) for file in use.files for container in use.containers}
    assert {(path.parent.name, path.name) for path in folder.rglob("*") if path.is_file()} == {*read, TOKEN}
    source, reader = folder / "mariadb/orders.password", folder / "cdc-connect-blue-0/orders-source.database-password"
    assert source.read_text() == reader.read_text()
    assert len({path.read_text() for path in folder.rglob("*.password")}) > 3
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "nobody else may look for them"


def test_making_up_again_changes_nothing_and_fills_only_what_is_missing(tmp_path: Path) -> None:
    make_up(DEV, tmp_path)
    kept = (tmp_path / "postgres/admin.password").read_text()
    (tmp_path / "postgres-access/admin.password").unlink()
    assert make_up(DEV, tmp_path) == ["postgres-access/admin.password"]
    assert (tmp_path / "postgres-access/admin.password").read_text() == kept
    assert make_up(DEV, tmp_path) == []


def test_the_admin_apis_know_the_digest_of_the_developers_token_and_each_has_a_certificate(tmp_path: Path) -> None:
    make_up(DEV, tmp_path)
    token = tmp_path / "sink-admin.token"
    lists = [tmp_path / name / "admin-tokens.json" for name in ("sink-orders-admin", "sink-customers-admin")]
    [known] = json.loads(lists[0].read_text())
    assert (known["name"], known["role"]) == ("developer", "admin")
    assert known["sha256"] == hashlib.sha256(token.read_bytes()).hexdigest()
    assert lists[0].read_text() == lists[1].read_text()
    assert stat.S_IMODE(token.stat().st_mode) == 0o400
    for folder in (file.parent for file in lists):
        certificate = x509.load_pem_x509_certificate((folder / "admin.crt").read_bytes())
        key = load_pem_private_key((folder / "admin.key").read_bytes(), None)
        assert certificate.public_key() == key.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [folder.name, "localhost"]


def test_what_is_lost_of_an_admin_api_is_made_to_fit_what_is_there(tmp_path: Path) -> None:
    make_up(DEV, tmp_path)
    own = tmp_path / "sink-orders-admin"
    token, key = (tmp_path / "sink-admin.token").read_text(), (own / "admin.key").read_text()
    for name in ("admin.crt", "admin-tokens.json"):
        (own / name).unlink()
    (tmp_path / "sink-customers-admin" / "admin-tokens.json").unlink()
    made = make_up(DEV, tmp_path)
    assert set(made) == {"sink-orders-admin/admin.crt", *(f"sink-{name}-admin/admin-tokens.json" for name in NAMES)}
    assert ((tmp_path / "sink-admin.token").read_text(), (own / "admin.key").read_text()) == (token, key)
    assert hashlib.sha256(token.encode()).hexdigest() in (own / "admin-tokens.json").read_text()
    certificate = x509.load_pem_x509_certificate((own / "admin.crt").read_bytes())
    assert certificate.public_key() == load_pem_private_key(key.encode(), None).public_key()
    (own / "admin.key").unlink()
    with pytest.raises(CdcError, match=r"sink-orders-admin/admin\.key"):
        make_up(DEV, tmp_path)


def test_nothing_is_made_up_outside_development_nor_in_place_of_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(CdcError, match="only for development"):
        make_up(load_environment(ROOT, "prod"), tmp_path)
    encrypted = build(DEV.published() | {"name": "trial", "redis": {"nodes": 1, "sentinels": 0}})
    with pytest.raises(CdcError, match=r"redis-0/redis\.crt"):
        make_up(encrypted, tmp_path)
    assert list(tmp_path.rglob("*")) == []


def test_the_command_makes_them_up_and_never_shows_one(tmp_path: Path) -> None:
    made = copy_of_repository(tmp_path).cdc("secrets", "make", "dev", "--to", str(tmp_path / "secrets"))
    assert made.code == 0
    assert "+ mariadb/app.password" in made.out
    values = [path.read_text() for path in (tmp_path / "secrets").rglob("*") if path.is_file()]
    assert [value for value in values if value in made.text] == []


def test_sources_of_an_image_are_told_apart_but_for_what_docker_ignores(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("target/\n**/*.so\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("1")
    first = digest(tmp_path)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "x").write_text("built")
    (tmp_path / "a" / "n.so").write_text("built")
    assert digest(tmp_path) == first
    (tmp_path / "a" / "b.py").write_text("2")
    assert digest(tmp_path) != first


def test_cdc_itself_needs_brokers_that_ask_for_nothing() -> None:
    closed = {"kafka": {**DEV.published()["kafka"], "authorization": {"type": "simple"}}}
    found = messages(problems_of(DEV.published() | closed | {"name": "trial"}))
    assert "has no password" in found["development.apply"]


def test_cdc_itself_keeps_the_system_from_the_same_spec(tmp_path: Path) -> None:
    """In the container it reads what was written here, and reaches every worker by its name there."""
    apply = WORKLOADS["cdc-apply"]
    for path, text in apply.files.items():
        (tmp_path / Path(path).name).write_text(text)
    again = load_environment(tmp_path, "dev")
    assert render(again).workloads == render(DEV).workloads
    script = apply.files["/etc/cdc/apply.sh"]
    assert "--blue=http://cdc-connect-blue-0:8083 --green=http://cdc-connect-green-0:8083" in script
    assert apply.files["/etc/cdc/client.properties"] == "bootstrap.servers=cdc-brokers-0:9092\n"
    assert {"cdc-connect-blue-0", "cdc-connect-green-0", "haproxy", "mariadb"} <= set(apply.depends_on)


def test_topics_are_there_before_anything_that_would_make_its_own() -> None:
    topics = WORKLOADS["cdc-topics"]
    assert topics.depends_on == ("cdc-brokers-0",)
    assert "--registry=none --blue=none --green=none" in topics.files["/etc/cdc/apply.sh"]
    waiting = {name for name, workload in WORKLOADS.items() if "cdc-topics" in workload.depends_on}
    connect = {"cdc-connect-blue-0", "cdc-connect-green-0", "cdc-cassandra-customers", "schema-registry-0"}
    sinks = {f"sink-{name}-{program}" for name in NAMES for program in ("0", "admin")}
    assert waiting == {"cdc-apply", *connect, *sinks}
