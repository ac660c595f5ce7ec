"""Debezium beside each Cassandra node: its files, its container, and what its sidecar needs."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.cassandra_agent import properties as agent_files
from components.platform import render
from policies.model import properties
from tests.strategies.examples import build, messages, pipeline, problems_of, shop

AGENT = {"image": "acme/debezium-cassandra:1"}


def values(target: str = "docker", **agent: Any) -> dict[str, Any]:
    events = pipeline("events", ("shop.views", "shop.clicks"), "cassandra")
    return shop({"pipelines[1]": events, "cassandraAgent": {**AGENT, **agent}}) | {"target": target}


def files(**agent: Any) -> dict[str, str]:
    [workload] = [one for one in render(build(values(**agent))).workloads if one.component == "cassandra-agent"]
    return {path.rpartition("/")[2]: text for path, text in workload.files.items()}


def test_each_cassandra_pipeline_has_a_container_on_the_nodes_volume() -> None:
    rendered = render(build(values()))
    [workload] = [one for one in rendered.workloads if one.component == "cassandra-agent"]
    assert (workload.name, workload.image, workload.read_only) == ("cdc-cassandra-events", AGENT["image"], True)
    assert {mount.volume for mount in workload.mounts} == {"cassandra-data", "cdc-cassandra-events-state", None}
    assert {"cassandra-data", "cdc-cassandra-events-state"} <= set(rendered.volumes)


def test_numbers_stay_whole_and_topics_have_the_platforms_names() -> None:
    settings = properties(files()["debezium.properties"])
    wanted = {
        "decimal.handling.mode": "string",
        "varint.handling.mode": "string",
        "event.order.guarantee.mode": "PARTITION_VALUES",
        "topic.prefix": "shop_events",
        "topic.naming.strategy": "io.debezium.schema.SchemaRegexTopicNamingStrategy",
        "topic.replacement": "shop_events_$2",
        "kafka.producer.sasl.mechanism": "SCRAM-SHA-512",
        "kafka.producer.config.providers": "directory",
    }
    assert {key: settings[key] for key in wanted} == wanted
    assert settings["topic.regex"].replace("\\\\", "\\") == r"^shop_events\.(shop)\.(clicks|views)$"


@pytest.mark.parametrize(("snapshot", "mode"), [("initial", "INITIAL"), ("no_data", "NEVER"), ("always", "ALWAYS")])
def test_the_pipelines_snapshot_is_the_agents(snapshot: str, mode: str) -> None:
    changed = values()
    changed["pipelines"][1]["connector"] = {"snapshot": snapshot}
    [workload] = [one for one in render(build(changed)).workloads if one.component == "cassandra-agent"]
    assert properties(workload.files["/etc/cdc/debezium.properties"])["snapshot.mode"] == mode


def test_a_snapshot_that_an_agent_cannot_take_is_refused() -> None:
    wrong = values()
    wrong["pipelines"][1]["connector"] = {"snapshot": "when_needed"}
    assert "one of initial, no_data, always" in messages(problems_of(wrong))["pipelines[1].connector.snapshot"]


def test_rows_are_not_logged() -> None:
    found = files()
    assert '<root level="WARN">' in found["logback.xml"]
    assert "-Dlogback.configurationFile=/etc/cdc/logback.xml" in found["jvm.options"].splitlines()


@pytest.mark.parametrize("password", ["plain", 'a"b\\c&d/$e', "ünï '`%s"])
def test_the_driver_gets_the_password_as_it_is(password: str, tmp_path: Path) -> None:
    """The script, less Java and with folders of this test, run by a real shell."""
    found = files()
    (tmp_path / "driver.conf").write_text(found["driver.conf"], encoding="utf-8")
    (tmp_path / "events-source.database-password").write_text(password, encoding="utf-8")
    script = found["start.sh"].partition("exec java")[0]
    for folder in (agent_files.SECRETS, agent_files.FOLDER, "/tmp/driver.conf"):
        place = tmp_path / "made.conf" if folder.startswith("/tmp") else tmp_path
        script = script.replace(folder, str(place))
    subprocess.run(["sh", "-c", script], check=True)
    made = (tmp_path / "made.conf").read_text(encoding="utf-8")
    [line] = [line for line in made.splitlines() if "auth-provider.password" in line]
    assert yaml.safe_load(line.partition(" = ")[2]) == password
    assert (tmp_path / "made.conf").stat().st_mode & 0o077 == 0


def test_on_kubernetes_there_are_files_and_a_patch_for_cassandras_own_pods() -> None:
    rendered = render(build(values("kubernetes")))
    [manifest] = [one for one in rendered.manifests if one.component == "cassandra-agent"]
    assert (manifest.kind, set(manifest.body["data"])) == ("ConfigMap", set(files()))
    patch = yaml.safe_load(rendered.files["cassandra-agent/events/statefulset.patch"])
    pod = patch["spec"]["template"]
    assert pod["metadata"]["labels"] == {"cdc.platform/kafka-client": "true"}
    mounted = {mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounted == {"cassandra-data"} | {volume["name"] for volume in pod["spec"]["volumes"]}


@pytest.mark.parametrize(
    ("wrong", "path", "message"),
    [
        (shop({"cassandraAgent": AGENT}), "cassandraAgent", "no pipeline reads Cassandra"),
        (values(config={"topic.prefix": "x"}), 'cassandraAgent.config["topic.prefix"]', "set by the platform"),
        (values(jvm="4Gi"), "cassandraAgent.jvm.heap", "not less than"),
        (values(jar="connector.jar"), "cassandraAgent.jar", "pattern"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], path: str, message: str) -> None:
    found = messages(problems_of(wrong))
    assert path in found, found
    assert message in found[path] or message == "pattern"


def test_two_agents_on_one_node_are_refused() -> None:
    wrong = values()
    wrong["pipelines"].append(pipeline("more", ("shop.other",), "cassandra"))
    wrong["pipelines"][2]["source"]["cassandra"]["host"] = "events-db"
    assert "room for one agent" in messages(problems_of(wrong))["pipelines[2].source.cassandra.host"]


def test_a_topic_with_a_name_of_its_own_is_refused() -> None:
    wrong = values()
    wrong["pipelines"][1]["tables"] = {"shop.views": {"name": "views"}}
    assert 'pipelines[1].tables["shop.views"].name' in messages(problems_of(wrong))
