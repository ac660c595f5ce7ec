"""A development environment's own databases, its made-up passwords and its size."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import CdcError
from components.core.rendered import SECRETS_DIRECTORY, Workload
from components.development.secrets import make_up
from components.loading import load_environment
from components.platform import render
from components.targets.sources import digest
from components.vault.uses import uses
from tests.harness.cdc_command import copy_of_repository
from tests.strategies.examples import ROOT, build, messages, problems_of, shop

LAPTOP_BYTES = 16 << 30
LEFT_FOR_THE_LAPTOP = 4 << 30
DEV = load_environment(ROOT, "dev")
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
    assert {(path.parent.name, path.name) for path in folder.rglob("*") if path.is_file()} == read
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
    assert waiting == {"cdc-apply", "cdc-connect-blue-0", "cdc-connect-green-0", "schema-registry-0", "sink-orders-0"}
