"""The way to a source, encrypted: what Debezium is told, which files it gets, and where they come from."""

import re
from typing import Any

import pytest

from components.connect.connectors import connectors
from components.environment import EnvironmentSpec
from components.platform import render
from policies.hops import hops
from tests.strategies.examples import build, pipeline, problems_of, shop
from tests.unit.connect_specs import docker, kubernetes

STORES = {
    "truststore": "vault:cdc-pipeline/trial/shop-db#truststore.p12",
    "keystore": "vault:cdc-pipeline/trial/shop-db#keystore.p12",
    "password": "vault:cdc-pipeline/trial/shop-db#stores",
}
GIVEN = {
    "truststore": "secret:shop-db-tls#truststore.p12",
    "keystore": "secret:shop-db-tls#keystore.p12",
    "password": "secret:shop-db-tls#password",
}
DATABASE = {"host": "shop-db", "password": "secret:shop-db#password", "tables": ["shop.orders"]}


def with_tls(tls: dict[str, str], kind: str = "mysql") -> dict[str, Any]:
    return {"pipelines[0].source": {kind: {**DATABASE, "tls": tls}}}


def encryption(spec: EnvironmentSpec) -> dict[str, str]:
    [source] = [one for one in connectors(spec, "blue") if one.role == "source"]
    return {
        key.removeprefix("database.ssl."): value
        for key, value in source.config.items()
        if key.startswith(("database.ssl.", "driver."))
    }


@pytest.mark.parametrize(("kind", "mode"), [("mysql", "verify_identity"), ("mariadb", "verify-full")])
def test_a_source_is_known_by_its_name_and_its_ca(kind: str, mode: str) -> None:
    found = encryption(build(docker(with_tls(GIVEN, kind))))
    folder, name = "/run/secrets/connect", "orders-source"
    password = f"${{directory:{folder}:{name}.store-password}}"
    only_ours = {"driver.fallbackToSystemTrustStore": "false"} if kind == "mariadb" else {}
    assert found == {
        "mode": mode,
        "truststore": f"{folder}/{name}.truststore",
        "truststore.password": password,
        "keystore": f"{folder}/{name}.keystore",
        "keystore.password": password,
        **only_ours,
    }


def test_without_a_store_it_is_those_that_java_trusts_that_may_have_signed() -> None:
    assert encryption(build(docker(with_tls({}, "mariadb")))) == {"mode": "verify-full"}
    assert encryption(build(docker())) == {}


def test_a_secret_of_several_files_is_mounted_once_and_its_password_may_be_read() -> None:
    spec = build(kubernetes(with_tls(GIVEN)))
    found = encryption(spec)
    assert found["truststore"] == "/mnt/shop-db-tls/orders-source.truststore"
    assert found["keystore"] == "/mnt/shop-db-tls/orders-source.keystore"
    assert found["keystore.password"] == "${secrets:cdc/shop-db-tls:password}"
    [cluster] = [m for m in render(spec).manifests if m.kind == "KafkaConnect" and m.name.endswith("-blue")]
    template = cluster.body["spec"]["template"]
    volumes = {volume["name"]: volume["secret"] for volume in template["pod"]["volumes"]}
    assert {item["path"] for item in volumes["files-shop-db-tls"]["items"]} == {
        "orders-source.truststore",
        "orders-source.keystore",
    }
    paths = [mount["mountPath"] for mount in template["connectContainer"]["volumeMounts"]]
    assert len(paths) == len(set(paths)) == len(volumes)
    [role] = [m for m in render(spec).manifests if m.kind == "Role" and m.name.endswith("connect-blue-secrets")]
    assert "shop-db-tls" in role.body["rules"][0]["resourceNames"]


def test_names_of_volumes_are_labels_and_stay_apart() -> None:
    long = f"{'a' * 70}.b"
    tls = {**GIVEN, "truststore": f"secret:{long}#t.p12", "keystore": f"secret:{long.replace('.', '-')}#k.p12"}
    [cluster, _] = [m for m in render(build(kubernetes(with_tls(tls)))).manifests if m.kind == "KafkaConnect"]
    names = [volume["name"] for volume in cluster.body["spec"]["template"]["pod"]["volumes"]]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names)


def test_what_vault_keeps_as_base64_reaches_kubernetes_as_it_was() -> None:
    spec = build(kubernetes({**with_tls(STORES), "vault": {}}))
    objects = {m.name: m.body["spec"] for m in render(spec).manifests if m.kind == "ExternalSecret"}
    for what in ("truststore", "keystore"):
        [one] = objects[f"orders-source-{what}"]["data"]
        assert one["secretKey"] == f"{what}.p12"
        assert one["remoteRef"]["decodingStrategy"] == "Base64"
    [password] = objects["orders-source-stores"]["data"]
    assert "decodingStrategy" not in password["remoteRef"]


def test_an_agent_verifies_the_name_and_gets_the_password_where_it_starts() -> None:
    events = pipeline("events", ("shop.views",), "cassandra")
    events["source"]["cassandra"]["tls"] = GIVEN
    values = shop({"pipelines[1]": events, "cassandraAgent": {"image": "acme/debezium-cassandra:1"}}) | {"target": "docker"}
    [agent] = [one for one in render(build(values)).workloads if one.component == "cassandra-agent"]
    driver = next(text for path, text in agent.files.items() if path.endswith("driver.conf"))
    engine = "advanced.ssl-engine-factory"
    assert f"{engine}.class = DefaultSslEngineFactory" in driver
    assert f"{engine}.hostname-validation = true" in driver
    assert f'{engine}.truststore-path = "/run/secrets/cassandra-agent/events-source.truststore"' in driver
    assert f'{engine}.keystore-password = "<store password>"' in driver
    start = next(text for path, text in agent.files.items() if path.endswith("start.sh"))
    assert "file=/run/secrets/cassandra-agent/events-source.store-password" in start


@pytest.mark.parametrize(
    ("tls", "where"),
    [
        ({"truststore": "secret:a#ca.crt", "password": "secret:a#b"}, "tls.truststore"),
        ({"truststore": "secret:a#b.p12"}, "tls.password"),
        ({"password": "secret:a#b"}, "tls.password"),
    ],
)
def test_stores_that_cannot_be_opened_are_refused(tls: dict[str, str], where: str) -> None:
    [problem] = problems_of(shop(with_tls(tls)))
    assert problem.path == f"pipelines[0].source.mysql.{where}"


def test_an_address_is_no_name_to_verify() -> None:
    """Seen with Debezium 3.5: with an address and a certificate for it, rows are read over JDBC, and the binary log is not."""
    values = with_tls({}, "mariadb")
    values["pipelines[0].source"]["mariadb"]["host"] = "10.0.0.7"
    [problem] = problems_of(shop(values))
    assert problem.path == "pipelines[0].source.mariadb.host"


def test_encryption_is_the_sources_and_not_said_in_free_form() -> None:
    values = docker({"pipelines[0].connector": {"config": {"database.ssl.mode": "disabled"}}})
    [problem] = problems_of(values)
    assert problem.path == 'pipelines[0].connector.config["database.ssl.mode"]'
    assert "tls" in problem.remedy


@pytest.mark.parametrize(
    ("tls", "encrypted", "mutual"),
    [(None, False, False), ({}, True, False), (GIVEN, True, True)],
    ids=["none", "own", "mutual"],
)
def test_the_hop_is_what_it_is(tls: dict[str, str] | None, encrypted: bool, mutual: bool) -> None:
    [hop] = [hop for hop in hops(build(shop({} if tls is None else with_tls(tls)))) if "source" in hop.target]
    assert (hop.encrypted, hop.mutual, hop.accepted) == (encrypted, mutual, "")
    assert hop.path == "pipelines[0].source.mysql"
