"""The schema registry: what Kafka has for it, what it is told, and which schema files are refused."""

import copy
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import SpecError
from components.loading import load_environment
from components.platform import render
from components.schema_registry.access import registry_access
from components.schema_registry.avro import avro_fault
from components.schema_registry.derive import registry_url
from components.schema_registry.json_schema import json_schema_fault
from tests.harness.cdc_command import project
from tests.strategies.draw import Draw
from tests.strategies.examples import build, messages, problems_of, shop
from tests.unit.java_properties import java_load as parse
from tests.unit.on_kubernetes import manifest, spec

ALONE: dict[str, Any] = {"schemaRegistry": {"replicas": 1}}
PLAIN: dict[str, Any] = {"schemaRegistry": {"distribution": "apicurio", "replicas": 1, "tls": {"enabled": False}}}
APICURIO: dict[str, Any] = {"schemaRegistry": {"replicas": 1, "distribution": "apicurio"}}
FILE = "schemas/order.avsc"


def state(changes: dict[str, Any]) -> Any:
    return build(shop(changes)).kafka_state


# What Kafka has for it


@pytest.mark.parametrize(
    ("changes", "names", "cleanup"),
    [
        (ALONE, ["_schemas"], "compact"),
        (APICURIO, ["kafkasql-journal", "kafkasql-snapshots", "registry-events"], "delete"),
    ],
)
def test_its_topics_have_one_partition_the_clusters_replicas_and_never_forget(
    changes: dict[str, Any], names: list[str], cleanup: str
) -> None:
    topics = [topic for topic in state(changes).topics if topic.origin == "schemaRegistry"]
    assert [topic.name for topic in topics] == names
    for topic in topics:
        assert (topic.partitions, topic.replicas, topic.config["min.insync.replicas"]) == (1, 3, 2)
        assert (topic.config["cleanup.policy"], topic.config["retention.ms"]) == (cleanup, -1)


@pytest.mark.parametrize("changes", [ALONE, APICURIO])
def test_its_user_may_use_its_topics_and_groups_and_nothing_else(changes: dict[str, Any]) -> None:
    [user] = [user for user in state(changes).users if user.name == "schema-registry"]
    own = {topic.name for topic in state(changes).topics if topic.origin == "schemaRegistry"}
    assert {acl.name for acl in user.acls if acl.resource == "topic"} == own
    assert all(acl.operations == ("Describe", "DescribeConfigs", "Read", "Write") for acl in user.acls if acl.name in own)
    [group] = [acl for acl in user.acls if acl.resource == "group"]
    assert (group.name, group.pattern, group.operations) == ("schema-registry", "prefix", ("Describe", "Read"))
    assert len(user.acls) == len(own) + 1


def test_a_naming_pattern_is_for_the_users_topics_not_for_the_registrys() -> None:
    assert problems_of(shop({**ALONE, "naming.pattern": "^shop_"})) == []


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"schemaRegistry": {"replicas": 2}}, "schemaRegistry.replicas", "declare haproxy"),
        (
            {**ALONE, "kafka.listeners": [{"name": "mutual", "port": 9094, "authentication": "tls"}]},
            "kafka.listeners",
            "need an internal listener",
        ),
        ({**ALONE, "kafka.users[1]": {"name": "schema-registry"}}, "schemaRegistry", "already made by kafka.users[1]"),
        ({**ALONE, "kafka.topics": [{"name": "_schemas"}]}, "schemaRegistry", "the name of _schemas"),
        (
            {"schemaRegistry": {"replicas": 1, "subjects": [{"subject": "x"}]}},
            "schemaRegistry.subjects[0].file",
            "nothing is said",
        ),
        (
            {"schemaRegistry": {"replicas": 1, "subjects": [{"subject": "x", "compatibility": "FULL"}] * 2}},
            "schemaRegistry.subjects[1].subject",
            "already subjects[0]",
        ),
    ],
)
def test_what_does_not_fit_is_told_at_its_place(changes: dict[str, Any], path: str, message: str) -> None:
    found = messages(problems_of(shop(changes)))
    assert list(found) == [path], found
    assert message in found[path]


# What it is told


def test_confluents_registry_reads_its_password_from_a_file() -> None:
    told = parse(manifest(ALONE, "ConfigMap/schema-registry").body["data"]["schema-registry.properties"])
    assert told["kafkastore.topic.replication.factor"] == "3"
    assert told["kafkastore.security.protocol"] == "SASL_SSL"
    assert "${directory:/run/secrets/schema-registry:schema-registry.password}" in told["kafkastore.sasl.jaas.config"]
    assert told["config.providers"] == "directory,env"
    assert (told["host.name"], told["leader.eligibility"]) == ("${env:POD_IP}", "true")
    assert told["schema.compatibility.level"] == "backward"


def test_each_container_is_known_by_its_own_name() -> None:
    rendered = render(build(shop({"target": "docker", "schemaRegistry": {}, "haproxy": {"authentication": "none"}})))
    found = [workload for workload in rendered.workloads if workload.component == "schema-registry"]
    assert [workload.name for workload in found] == [f"schema-registry-{number}" for number in range(3)]
    for workload in found:
        [text] = workload.files.values()
        assert parse(text)["host.name"] == workload.name
        assert set(workload.depends_on) == {"cdc-brokers-0", "cdc-brokers-1", "cdc-brokers-2"}


def test_apicurio_makes_no_topic_unless_anybody_may() -> None:
    for create in (False, True):
        changes = {**APICURIO, "kafka.autoCreateTopics": create}
        told = parse(manifest(changes, "ConfigMap/schema-registry").body["data"]["application.properties"])
        assert told["apicurio.kafkasql.topic.auto-create"] == str(create).lower()
        assert "\\${directory:/run/secrets/schema-registry:" in told["apicurio.kafka.common.sasl.jaas.config"]


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        (ALONE, "https://schema-registry:8081"),
        ({**ALONE, "tier": "staging"}, "http://schema-registry:8081"),
        (PLAIN, "http://schema-registry:8081/apis/ccompat/v7"),
        ({**APICURIO, "target": "docker"}, "https://schema-registry-0:8081/apis/ccompat/v7"),
        ({**APICURIO, "haproxy": {"authentication": "none"}}, "https://haproxy:8081"),
    ],
)
def test_clients_find_confluents_api(changes: dict[str, Any], url: str) -> None:
    assert registry_url(build(shop(changes))) == url


@pytest.mark.parametrize("changes", [ALONE, APICURIO], ids=["confluent", "apicurio"])
def test_where_the_tier_is_production_it_speaks_tls_with_a_certificate_of_its_own(changes: dict[str, Any]) -> None:
    pod = spec(changes, "Deployment/schema-registry")["template"]["spec"]
    [secrets] = [volume["projected"] for volume in pod["volumes"] if volume["name"] == "secrets"]
    files = {item["path"] for source in secrets["sources"] for item in source["secret"]["items"]}
    assert {"server.pem", "server.pem.key", "schema-registry-ca.pem"} <= files
    asked = {pod["containers"][0][probe]["httpGet"]["port"]: probe for probe in ("livenessProbe", "readinessProbe")}
    for port, probe in asked.items():
        assert pod["containers"][0][probe]["httpGet"]["scheme"] == ("HTTPS" if port == 8081 else "HTTP")
    plain = spec({**changes, "tier": "staging"}, "Deployment/schema-registry")["template"]["spec"]
    [secrets] = [volume["projected"] for volume in plain["volumes"] if volume["name"] == "secrets"]
    assert "server.pem" not in str(secrets)


def test_confluents_registries_know_each_other_by_their_ca_and_on_docker_by_name() -> None:
    told = parse(manifest(ALONE, "ConfigMap/schema-registry").body["data"]["schema-registry.properties"])
    assert told["listeners"] == "https://0.0.0.0:8081"
    assert (told["inter.instance.protocol"], told["ssl.endpoint.identification.algorithm"]) == ("https", "")
    assert told["kafkastore.ssl.endpoint.identification.algorithm"] == "https", "brokers are known by name all the same"
    assert told["sni.host.check.enabled"] == "false", "clients call it by HAProxy's name"
    assert (told["ssl.keystore.type"], told["ssl.truststore.location"]) == (
        "PEM",
        "/run/secrets/schema-registry/schema-registry-ca.pem",
    )
    made = render(build(shop({"target": "docker", "schemaRegistry": {}, "haproxy": {"authentication": "none"}})))
    first = next(one for one in made.workloads if one.name == "schema-registry-0")
    [text] = first.files.values()
    assert parse(text)["ssl.endpoint.identification.algorithm"] == "https"
    script = first.command[-1]
    assert script.index("umask 077") < script.index("server.pem.key") < script.index("exec schema-registry-start")
    assert first.health is not None
    assert first.health.command == ("bash", "-c", "exec 3<>/dev/tcp/schema-registry-0/8081")


def test_apicurios_answers_nothing_in_the_clear() -> None:
    told = parse(manifest(APICURIO, "ConfigMap/schema-registry").body["data"]["application.properties"])
    assert (told["quarkus.http.insecure-requests"], told["quarkus.http.ssl-port"]) == ("disabled", "8081")
    assert told["apicurio.config.dynamic.allow-all"] == "false"


USERS = [{"name": name, "passwordHash": f"vault:h#{name}-hash", "password": f"vault:h#{name}"} for name in ("a", "sink")]


@pytest.mark.parametrize(("client", "user"), [("sink", "sink"), ("connect", "a")])
def test_a_program_enters_as_the_user_of_its_name_or_else_as_the_first(client: str, user: str) -> None:
    access = registry_access(build(shop({"schemaRegistry": {}, "haproxy": {"users": USERS}})), client)
    assert access is not None
    assert (access.url, access.user) == ("https://haproxy:8081", user)
    assert [file.name for file in access.secrets] == ["haproxy-ca.pem", f"{user}.haproxy-password"]


def test_a_program_reaches_apicurios_own_api_by_haproxy_too_or_the_one_registry_itself() -> None:
    through = registry_access(build(shop({**APICURIO, "haproxy": {"authentication": "none"}})), "connect", native=True)
    itself = registry_access(build(shop(APICURIO)), "connect", native=True)
    assert through is not None
    assert itself is not None
    assert through.url == "https://haproxy:8081/apis/registry/v2"
    assert itself.url == "https://schema-registry:8081/apis/registry/v2"
    assert [file.name for file in itself.secrets] == ["schema-registry-ca.pem"]
    assert registry_access(build(shop()), "connect") is None


def test_it_is_reached_by_haproxy_or_else_by_clients_themselves() -> None:
    def sources(changes: dict[str, Any]) -> list[Any]:
        [rule] = spec(changes, "NetworkPolicy/schema-registry")["ingress"]
        return [next(iter(entry["podSelector"]["matchLabels"].items())) for entry in rule["from"]]

    own = ("app.kubernetes.io/name", "schema-registry")
    assert sources({**ALONE, "haproxy": {"authentication": "none"}}) == [("app.kubernetes.io/name", "haproxy"), own]
    assert sources(ALONE) == [("cdc.platform/kafka-client", "true"), own]
    assert "clusterIP" not in spec(ALONE, "Service/schema-registry")


def test_the_tree_says_which_subjects_are_declared() -> None:
    subjects = [{"subject": "a-value", "file": FILE}, {"subject": "b-value", "compatibility": "FULL"}]
    rendered = render(build(shop({"schemaRegistry": {"replicas": 1, "subjects": subjects}})))
    declared = json.loads(rendered.files["schema-registry/subjects.json"])
    assert declared == {
        "compatibility": "BACKWARD",
        "subjects": [
            {"subject": "a-value", "schemaType": "AVRO", "file": FILE},
            {"subject": "b-value", "schemaType": "AVRO", "compatibility": "FULL"},
        ],
    }


# Files

STACK = """config:
  cdc-platform:environment:
    tier: development
    target: docker
    schemaRegistry:
      replicas: 1
      subjects:
        - {subject: a-value, file: schemas/order.avsc}
        - {subject: b-value, file: FILE, schemaType: JSON}
"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not a file inside the project"),
        (b"", "is not JSON"),
        (b"{", "is not JSON (line 1, column 2"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"type": "recrod", "name": "x", "fields": []}', "is not an Avro schema: the schema: recrod is no type"),
        (b'"' + b"x" * (1 << 20) + b'"', "larger than 1 MiB"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_schema_is_refused_with_its_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    made = project(tmp_path, dev=STACK.replace("FILE", "good.json"))
    (tmp_path / "schemas").mkdir()
    (tmp_path / "good.json").write_text('{"type": "object"}')
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(SpecError) as refused:
        load_environment(tmp_path, "dev")
    [problem] = refused.value.problems
    assert (problem.path, problem.line) == ("schemaRegistry.subjects[0].file", 8)
    assert message in problem.message
    assert problem.remedy
    assert made.cdc("check", "dev").code == 2


@pytest.mark.parametrize("file", ["../outside.avsc", "/etc/hostname", "schemas", "a\x00b"])
def test_a_file_outside_the_project_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / "outside.avsc").write_text('"string"')
    inside = tmp_path / "project"
    (inside / "schemas").mkdir(parents=True)
    (inside / FILE).write_text('"string"')
    project(inside, dev=STACK.replace("FILE", json.dumps(file)))
    with pytest.raises(SpecError, match="not a file inside the project") as refused:
        load_environment(inside, "dev")
    assert [problem.path for problem in refused.value.problems] == ["schemaRegistry.subjects[1].file"]


def test_a_spec_of_plain_values_reads_no_file() -> None:
    subjects = [{"subject": "a-value", "file": "nowhere.avsc"}]
    assert problems_of(shop({"schemaRegistry": {"replicas": 1, "subjects": subjects}})) == []


# Avro, by a second opinion

NAMES = st.sampled_from(["a", "B_1", "x.y.Z", "Other"])
PRIMITIVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "bytes", "string"])


def schemas() -> st.SearchStrategy[Any]:
    """Avro schemas, and some that almost are."""
    return st.recursive(PRIMITIVES | st.sampled_from(["Missing", "a", "record", 5, None]), _larger, max_leaves=8)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    field = st.fixed_dictionaries({"name": st.sampled_from(["f", "g", "h-i", ""]), "type": inner})
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"type": st.just("map"), "values": inner}),
        st.fixed_dictionaries({"type": st.just("record"), "name": NAMES, "fields": st.lists(field, max_size=3)}),
        st.fixed_dictionaries(
            {"type": st.just("enum"), "name": NAMES, "symbols": st.lists(st.sampled_from(["A", "B", "1"]), max_size=3)}
        ),
        st.fixed_dictionaries({"type": st.just("fixed"), "name": NAMES, "size": st.sampled_from([0, 16])}),
    )


def fastavro_takes(value: Any) -> bool:
    try:
        fastavro.parse_schema(copy.deepcopy(value))
    except Exception:
        return False
    return True


@given(schemas())
def test_what_fastavro_refuses_is_refused_here_too(value: Any) -> None:
    """fastavro lets several things pass that the specification does not; what it takes and we refuse is named below."""
    if avro_fault(value) is None:
        assert fastavro_takes(value), value


@st.composite
def right_schemas(draw: Draw) -> Any:
    """Records with one of everything, each name its own."""
    count = draw(st.integers(0, 4))
    kinds: list[Any] = [
        {"type": "enum", "name": "E", "symbols": ["A", "B"], "default": "A"},
        {"type": "fixed", "name": "shop.F", "size": 4},
        {"type": "array", "items": {"type": "map", "values": ["null", "long", "Top"]}},
        ["null", {"type": "record", "name": "R", "namespace": "other", "fields": [{"name": "e", "type": "R"}]}],
        {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
    ]
    chosen = draw(st.permutations(kinds))[:count]
    fields = [{"name": f"f{number}", "type": kind, "order": "ignore"} for number, kind in enumerate(chosen)]
    return {"type": "record", "name": "Top", "namespace": "shop", "fields": fields}


@given(right_schemas())
def test_what_is_a_schema_is_taken(value: Any) -> None:
    assert fastavro_takes(value)
    assert avro_fault(value) is None


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (
            {"type": "record", "name": "R", "fields": [{"name": "f", "type": "int"}, {"name": "f", "type": "int"}]},
            "there twice",
        ),
        (["int", "int"], "in it twice"),
        ([["int"]], "itself a union"),
        ({"type": "enum", "name": "E", "symbols": ["A", "A"]}, "twice"),
        ({"type": "fixed", "name": "F", "size": -1}, "size"),
        ({"type": "record", "fields": []}, "no valid name"),
        ({"name": "x"}, "has no type"),
        ("Nowhere", "is no type"),
        (7, "neither"),
    ],
)
def test_what_is_no_avro_schema_is_told(value: Any, fault: str) -> None:
    found = avro_fault(value)
    assert found is not None
    assert fault in found


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([], "neither an object"),
        ({"type": "strnig"}, "is none of"),
        ({"properties": {"a": {"type": 5}}}, "type of a in properties of the schema"),
        ({"required": "id"}, "list of names"),
        ({"items": [{"type": "x"}]}, "item 1"),
        ({"allOf": []}, "list of schemas"),
        ({"$schema": 7}, "not text"),
    ],
)
def test_what_is_no_json_schema_is_told(value: Any, fault: str) -> None:
    found = json_schema_fault(value)
    assert found is not None
    assert fault in found


def test_what_is_a_json_schema_is_taken() -> None:
    properties = {"a": True, "b": {"$ref": "#/$defs/x"}, "c": {"type": ["null", "string"], "enum": [None, "x"]}}
    value = {"type": "object", "properties": properties, "$defs": {"x": {}}, "additionalProperties": False, "required": ["a"]}
    assert json_schema_fault(value) is None
