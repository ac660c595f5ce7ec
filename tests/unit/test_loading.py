"""From a stack file to a spec, or to everything that is wrong with it: where, what, and what to do."""

from pathlib import Path
from typing import Any

import pytest

from components.core.errors import CdcError, SpecError
from components.core.fields import fields_by_key, full_annotation, model_inside
from components.core.model import SpecModel
from components.core.paths import format_path, parse_path
from components.environment import CONFIG_KEY, EnvironmentSpec
from components.loading import build_environment, load_environment, parse_environment, stacks
from components.mending import sample
from tests.strategies.examples import ROOT, STACKS, messages, pipeline, problems_in, problems_of, shop

MINIMAL = "tier: development\ntarget: docker\n"


def inline(spec: str) -> str:
    """A stack file that holds ``spec``."""
    return f"config:\n  {CONFIG_KEY}:\n" + "".join(f"    {line}\n" for line in spec.splitlines())


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# Files


@pytest.mark.parametrize("stack", STACKS)
def test_the_committed_stacks_are_valid(stack: str) -> None:
    assert load_environment(ROOT, stack).name == stack


def test_all_stacks_are_found_sorted(tmp_path: Path) -> None:
    for name in ("Pulumi.yaml", "Pulumi.prod.yaml", "Pulumi.dev.yaml", "Pulumi.dev.yaml.bak", "Pulumi.old.yml"):
        write(tmp_path, name, inline(MINIMAL))
    assert stacks(tmp_path) == ["dev", "prod"]


def test_a_wrong_stack_is_told_with_the_nearest_and_all_there_are(tmp_path: Path) -> None:
    write(tmp_path, "Pulumi.prod.yaml", inline(MINIMAL))
    write(tmp_path, "Pulumi.dev.yaml", inline(MINIMAL))
    with pytest.raises(CdcError) as refused:
        load_environment(tmp_path, "prd")
    assert "Pulumi.prd.yaml" in str(refused.value)
    assert "did you mean prod? stacks here: dev, prod" in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_folder_without_stacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(CdcError, match="stacks here: none"):
        load_environment(tmp_path / "nowhere", "dev")


def test_the_stack_is_named_by_its_file(tmp_path: Path) -> None:
    write(tmp_path, "Pulumi.dev.yaml", inline(MINIMAL))
    assert load_environment(tmp_path, "dev").name == "dev"
    write(tmp_path, "Pulumi.dev.yaml", inline(MINIMAL + "name: prod\nteir: development\n"))
    with pytest.raises(SpecError) as refused:
        load_environment(tmp_path, "dev")
    assert [problem.path for problem in refused.value.problems] == ["name", "teir"]


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_bytes(b"config: \xff\n")
    with pytest.raises(CdcError, match="cannot be read"):
        load_environment(tmp_path, "dev")


def test_a_folder_in_a_files_place_is_no_stack(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").mkdir()
    with pytest.raises(CdcError, match="no such stack"):
        load_environment(tmp_path, "dev")


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "[]", "1", "config:", "config: {}", "config: []", "other: 1", "---\na: 1\n---\nb: 1\n"]
)
def test_a_file_without_a_spec_is_told_where_to_write_it(text: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_environment(text, "dev")
    assert CONFIG_KEY in str(refused.value)


@pytest.mark.parametrize("value", [None, [], 5, True, "text"])
def test_a_spec_that_is_no_mapping_is_refused(value: object) -> None:
    with pytest.raises(SpecError, match="write at least tier: and target:"):
        build_environment(value, "dev", "Pulumi.dev.yaml")


# A spec in a file of its own


def test_a_spec_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "environments/prod.yaml", MINIMAL)
    write(tmp_path, "Pulumi.prod.yaml", f"config:\n  {CONFIG_KEY}: environments/prod.yaml\n")
    assert load_environment(tmp_path, "prod").name == "prod"


def test_errors_in_it_name_that_file_and_its_lines(tmp_path: Path) -> None:
    write(tmp_path, "environments/prod.yaml", MINIMAL + "kafka:\n  brokers: none\n")
    write(tmp_path, "Pulumi.prod.yaml", f"config:\n  {CONFIG_KEY}: environments/prod.yaml\n")
    with pytest.raises(SpecError) as refused:
        load_environment(tmp_path, "prod")
    assert str(refused.value).startswith("environments/prod.yaml: 1 problem\n  kafka.brokers.replicas (line 4): ")


@pytest.mark.parametrize(
    "reference",
    [
        "../outside.yaml",
        "environments/../../outside.yaml",
        "nowhere.yaml",
        ".",
        "link.yaml",
        "a\0b",
        "x" * 5000,
        "/etc/hostname",
    ],
)
def test_a_reference_out_of_the_project_or_to_nothing_is_refused(tmp_path: Path, reference: str) -> None:
    project = tmp_path / "project"
    outside = write(tmp_path, "outside.yaml", MINIMAL)
    write(project, "environments/prod.yaml", MINIMAL)
    (project / "link.yaml").symlink_to(outside)
    with pytest.raises(SpecError, match="is not a file inside the project"):
        parse_environment(f'config: {{"{CONFIG_KEY}": "{reference}"}}'.replace("\0", "\\0"), "prod", project)


def test_a_spec_that_is_one_long_text_is_not_repeated(tmp_path: Path) -> None:
    """As ``pulumi config set`` would store JSON."""
    text = f"""config: {{"{CONFIG_KEY}": '{{"kafka": {{"users": [{{"name": "a", "password": "hunter2"}}]}}}}'}}"""
    with pytest.raises(SpecError) as refused:
        parse_environment(text, "prod", tmp_path)
    assert "hunter2" not in str(refused.value)


# Unknown keys


@pytest.mark.parametrize(
    ("path", "key", "near"),
    [
        ("", "teir", "tier"),
        ("kafka", "broker", "brokers"),
        ("kafka", "topic_defaults", "topicDefaults"),
        ("kafka.users[0]", "pasword", "password"),
        ("kafka.users[0].quota", "producer", "produce"),
        ("pipelines[0].source.mysql", "table", "tables"),
        ('pipelines[0].tables["shop.orders"]', "partitons", "partitions"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_known_one(path: str, key: str, near: str) -> None:
    place = f"{path}.{key}".removeprefix(".")
    assert messages(problems_of(shop({place: 1}))) == {place: f"unknown key; did you mean {near}?"}


def test_a_key_like_no_other_is_told_with_all_known_ones() -> None:
    found = messages(problems_of(shop({"kafka.users[0].zzz": 1})))
    assert found == {
        "kafka.users[0].zzz": "unknown key; known keys: acls, authentication, consumes, groups, name, owner, password, "
        "produces, quota, tenant"
    }


def test_keys_are_those_of_the_schema_not_their_names_in_python() -> None:
    assert list(messages(problems_of(shop({"kafka.auto_create_topics": True})))) == ["kafka.auto_create_topics"]


@pytest.mark.parametrize("key", [1, None, (1, 2), True, 1.5])
def test_a_key_that_is_not_text_is_told(key: object) -> None:
    values = shop()
    values["kafka"][key] = 1
    values["kafka"]["config"] = {key: 1}
    found = problems_of(values)
    assert {problem.message for problem in found} == {"is a key that is not text"}
    assert len(found) == 2


# Paths and lines


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ((), ""),
        (("kafka", "topics", 3, "name"), "kafka.topics[3].name"),
        (("pipelines", 0, "tables", "shop.orders", "partitions"), 'pipelines[0].tables["shop.orders"].partitions'),
        (("kafka", "config", "min.insync.replicas"), 'kafka.config["min.insync.replicas"]'),
        (("kafka", "config", 'a"b]\\'), 'kafka.config["a\\"b]\\\\"]'),
        (("kafka", "config", "3"), 'kafka.config["3"]'),
        (("kafka", "config", ""), 'kafka.config[""]'),
        (("kafka", "config", "ключ"), 'kafka.config["ключ"]'),
    ],
)
def test_a_path_is_read_as_it_was_written(location: tuple[str | int, ...], path: str) -> None:
    assert format_path(location) == path
    assert parse_path(path) == location


WRONG = """\
tier: production
target: kubernetes
kafka:
  brokers: 2
  users:
    - name: a
      password: hunter2
    - {name: b, quota: {produce: 0}}
  topicDefaults:
    replicas: 3
  config:
    min.insync.replicas: 1
tenants:
  - {name: shop, owner: team-shop}
pipelines:
  - name: orders
    tenant: shop
    source:
      mysql: {host: db, password: vault:a#b, tables: [shop.orders]}
    sink:
      postgres: {database: w}
    tables:
      shop.orders:
        partitons: 3
      shop.nowhere:
        partitions: 3
"""


def test_every_problem_has_its_line() -> None:
    """Line 1 of the spec is line 3 of the file."""
    assert {problem.path: problem.line - 2 for problem in problems_in(inline(WRONG))} == {
        "kafka.users[0].password": 7,
        "kafka.users[1].quota.produce": 8,
        "kafka.topicDefaults.replicas": 10,
        'kafka.config["min.insync.replicas"]': 12,
        'pipelines[0].tables["shop.orders"].partitons': 24,
        'pipelines[0].tables["shop.nowhere"]': 25,
    }


def test_a_missing_key_has_the_line_of_its_parent() -> None:
    [problem] = problems_in(inline("tier: production\ntarget: docker\ntenants:\n  - owner: x\n"))
    assert (problem.path, problem.line - 2, problem.message) == ("tenants[0].name", 4, "is missing")
    assert problem.remedy.startswith("write it: The tenant's name")


def test_a_shorthand_has_the_line_of_its_key() -> None:
    [problem] = problems_in(inline("tier: production\ntarget: docker\nkafka:\n  brokers: many\n"))
    assert (problem.path, problem.line - 2) == ("kafka.brokers.replicas", 4)


# Everything at once


def test_an_unknown_key_a_literal_secret_and_replicas_above_brokers_are_told_together() -> None:
    values = shop({
        "kafka.topicDefault": {"partitions": 3},
        "kafka.topicDefaults": {"replicas": 5},
        "kafka.users[0].password": "hunter2",
        "pipelines[0].source.mysql.password": "hunter2",
    })  # fmt: skip
    assert messages(problems_of(values)) == {
        "kafka.users[0].password": "a secret is written as a reference, never as its value; "
        "write vault:<path>#<key> or secret:<name>#<key>",
        "pipelines[0].source.mysql.password": "a secret is written as a reference, never as its value; "
        "write vault:<path>#<key> or secret:<name>#<key>",
        "kafka.topicDefault": "unknown key; did you mean topicDefaults?",
        "kafka.topicDefaults.replicas": "5 replicas need as many brokers, and there are 3; write at most 3, or add brokers",
    }


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"kafka.brokers": "five"}, {"kafka.topicDefaults.replicas": 5}),
        ({"kafka.brokrs": 5}, {"kafka.topicDefaults.replicas": 5}),
        ({"kafka.users[0].name": "Admin"}, {"kafka.authorization.superUsers": ["admin"]}),
        ({"tenants[0].name": "Shop"}, {}),
        ({"tenants": {"name": "shop"}}, {}),
        ({"tenants[0].quota.produce": "0B/s"}, {"tenants[0].budget.produce": "1MiB/s"}),
        ({"pipelines[0].source.mysql.tables": "shop.orders"}, {'pipelines[0].tables["shop.orders"].partitions': 3}),
        ({"pipelines[0].source.mysql.tables[0]": "orders"}, {'pipelines[0].tables["shop.orders"].partitions': 3}),
        ({"pipelines[0].source": {"mysqll": {}}}, {'pipelines[0].tables["shop.orders"].partitions': 3}),
        ({"target": "doker"}, {"kafka.cruiseControl": {}, "kafka.tls.internal": False}),
        ({"kafka.topics": [{"name": "a b"}, {"name": "a c"}]}, {}),
        ({"kafka.tls.validity": "1"}, {"kafka.tls.renewBefore": "400d"}),
        ({"kafka.tierd": {"bucket": "b"}}, {"kafka.topics": [{"name": "x", "tiered": True}]}),
        ({"naming.pattern": 5, "naming.topic": 7}, {}),
        ({"pipelines[0].topc": {"partitions": 3}}, {}),
        ({"pipelines[0].sink": 5, "pipelines[1]": {**pipeline("other"), "sink": 5}}, {}),
    ],
)
def test_what_may_follow_from_a_refused_value_is_not_told(wrong: dict[str, Any], right: dict[str, Any]) -> None:
    """Only the refused places themselves: what the rest means depends on what was meant there."""
    values = shop({**right, **wrong})
    if "kafka.brokrs" in wrong:
        del values["kafka"]["brokers"]
    paths = [problem.path for problem in problems_of(values)]
    assert paths
    assert [path for path in paths if not any(path.startswith(refused) for refused in wrong)] == []


def test_a_refused_value_is_told_once() -> None:
    assert [problem.message for problem in problems_of(shop({"pipelines[0].source": 5}))] == ["is not a mapping"]


def test_hundreds_of_refused_values_are_all_told() -> None:
    topics = [{"name": f"topic-{number}", "partitions": 0} for number in range(300)]
    assert [problem.path for problem in problems_of(shop({"kafka.topics": topics}))] == [
        f"kafka.topics[{number}].partitions" for number in range(300)
    ]


def test_every_type_in_the_spec_has_two_meanings_to_try() -> None:
    """Otherwise what follows from one guess would pass for certain."""
    assert [path for path, annotation in leaves(EnvironmentSpec) if sample(annotation, 0) == sample(annotation, -1)] == []


def leaves(model: type[SpecModel], path: str = "") -> list[tuple[str, Any]]:
    """Every field of the whole tree that holds no further model."""
    found = []
    for key, field in fields_by_key(model).items():
        inner = model_inside(field.annotation)
        if inner is not None:
            found += leaves(inner, f"{path}.{key}")
        elif "Mapping" not in str(field.annotation):
            found.append((f"{path}.{key}", full_annotation(field)))
    return found


# What must fit together


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"kafka.topicDefaults.replicas": 4}, "kafka.topicDefaults.replicas", "there are 3"),
        ({"kafka.topics": [{"name": "x", "replicas": 4}]}, "kafka.topics[0].replicas", "there are 3"),
        ({"pipelines[0].topic.replicas": 4}, "pipelines[0].topic.replicas", "there are 3"),
        ({"pipelines[0].dlq.replicas": 4}, "pipelines[0].dlq.replicas", "there are 3"),
        (
            {'pipelines[0].tables["shop.orders"].replicas': 4},
            'pipelines[0].tables["shop.orders"].replicas',
            "there are 3",
        ),
        ({"kafka.topicDefaults.minInSyncReplicas": 3}, "kafka.topicDefaults.minInSyncReplicas", "no room"),
        ({"kafka.topicDefaults.minInSyncReplicas": 4}, "kafka.topicDefaults.minInSyncReplicas", "no room"),
        (
            {"kafka.topics": [{"name": "x", "replicas": 2, "minInSyncReplicas": 2}]},
            "kafka.topics[0].minInSyncReplicas",
            "write at most 1",
        ),
        ({"pipelines[0].topic.minInSyncReplicas": 3}, "pipelines[0].topic.minInSyncReplicas", "no room"),
        ({"kafka.brokers": 0}, "kafka.brokers.replicas", "at least one broker"),
        ({"kafka.topics": [{"name": "a.b"}, {"name": "a_b"}]}, "kafka.topics[1]", "Kafka's metrics"),
        ({"kafka.topics": [{"name": "A_b"}, {"name": "a-b"}]}, "kafka.topics[1]", "the Kubernetes name"),
        ({"kafka.topics": [{"name": "x"}, {"name": "x"}]}, "kafka.topics[1]", "has the name of x"),
        ({"kafka.topics": [{"name": "shop_orders_orders"}]}, "pipelines[0].source.mysql.tables[0]", "the name of"),
        ({"pipelines[0].tenant": "nobody"}, "pipelines[0].tenant", "use one of: shop"),
        ({"kafka.users[0].tenant": "nobody"}, "kafka.users[0].tenant", "use one of: shop"),
        ({"tenants[1]": {"name": "shop", "owner": "x"}}, "tenants[1].name", "already tenants[0]"),
        ({"kafka.users[1]": {"name": "admin"}}, "kafka.users[1]", "already made by kafka.users[0]"),
        ({"kafka.users[1]": {"name": "shop-orders-sink"}}, "pipelines[0].sinkUser", "already made by"),
        ({"kafka.config": {"log.dirs": "/x"}}, 'kafka.config["log.dirs"]', "set by the platform"),
        ({"kafka.config": {"num.partitions": 1}}, 'kafka.config["num.partitions"]', "kafka.topicDefaults.partitions"),
        ({"kafka.config": {"ssl.enabled.protocols": "x"}}, 'kafka.config["ssl.enabled.protocols"]', "kafka.tls.protocols"),
        (
            {"kafka.topics": [{"name": "x", "config": {"retention.ms": 1}}]},
            'kafka.topics[0].config["retention.ms"]',
            "set retention",
        ),
        (
            {"kafka.topics": [{"name": "x", "config": {"delete.retention": 1}}]},
            'kafka.topics[0].config["delete.retention"]',
            "did you mean delete.retention.ms?",
        ),
        (
            {"kafka.topics": [{"name": "x", "config": {"segment.ms": "7d"}}]},
            'kafka.topics[0].config["segment.ms"]',
            "not a whole number",
        ),
        ({"kafka.topics": [{"name": "__consumer_offsets"}]}, "kafka.topics[0].name", "internal topics"),
        ({"kafka.topics": [{"name": "x", "tiered": True}]}, "kafka.topics[0].tiered", "no tiered storage"),
        ({"kafka.authorization.superUsers": ["boss"]}, "kafka.authorization.superUsers[0]", "use one of: admin"),
        ({"kafka.listeners": [{"name": "a", "port": 9404}]}, "kafka.listeners[0].port", "metrics"),
        (
            {"kafka.listeners": [{"name": "a", "port": 9092}, {"name": "b", "port": 9092}]},
            "kafka.listeners[1].port",
            "listeners[0]",
        ),
        (
            {"kafka.listeners": [{"name": "a", "port": 9092}, {"name": "a", "port": 9093}]},
            "kafka.listeners[1].name",
            "listeners[0]",
        ),
        (
            {"kafka.listeners": [{"name": "a", "port": 9092, "tls": False, "authentication": "tls"}]},
            "kafka.listeners[0].authentication",
            "encrypted",
        ),
        ({"kafka.listeners": [{"name": "a", "port": 9092, "type": "host"}]}, "kafka.listeners[0].type", "kubernetes target"),
        ({"kafka.tls.internal": False}, "kafka.tls.internal", "always encrypts"),
        ({"kafka.tls.renewBefore": "365d"}, "kafka.tls.renewBefore", "renew for ever"),
        ({"kafka.tls.renewBefore": "12h"}, "kafka.tls.renewBefore", "less than a day"),
        ({"kafka.tiered": {"bucket": "b", "store": "local"}}, "kafka.tiered.store", "one machine"),
        ({"kafka.name": "1st"}, "kafka.name", "a letter first"),
        ({"kafka.name": "x" * 36}, "kafka.name", "at most 35"),
        ({"kafka.version": "4.2.0"}, "kafka.metadataVersion", "newer than Kafka 4.2.0"),
        ({"kafka.quotas.connectionRate": "0.5/s"}, "kafka.quotas.connectionRate", "whole"),
        ({"kafka.brokers": {"jvm": "4Gi"}}, "kafka.brokers.jvm.heap", "half of the memory"),
        ({"kafka.brokers": {"resources": {"memory": "1MiB"}}}, "kafka.brokers.resources.memory", "less than 1MiB"),
        ({"kafka.brokers": {"resources": {"cpu": 2, "cpuLimit": 1}}}, "kafka.brokers.resources.cpuLimit", "less than"),
        (
            {"kafka.users[0].authentication": "tls", "kafka.users[0].password": "vault:a#b"},
            "kafka.users[0].password",
            "certificate",
        ),
        (
            {"kafka.users[0].acls": [{"resource": "topic", "operations": ["Read"]}]},
            "kafka.users[0].acls[0].name",
            "needs a name",
        ),
        ({"kubernetes.namespace": "kube-system"}, "kubernetes.namespace", "Kubernetes' own"),
        ({"kubernetes.namespace": "strimzi"}, "kubernetes.namespace", "operator's"),
        ({"naming.pattern": "("}, "naming.pattern", "not a regular expression"),
        ({"naming.pattern": "^[a-z]+$"}, "pipelines[0].dlq", "does not match naming.pattern"),
        ({"naming.topic": "{team}_{entity}"}, "naming.topic", "unknown placeholder {team}"),
        ({"naming.topic": "{tenant!r}"}, "naming.topic", "no form or conversion"),
        ({"naming.topic": "{tenant:>9}"}, "naming.topic", "no form or conversion"),
        ({"naming.topic": "{tenant"}, "naming.topic", "not a name pattern"),
        ({"naming.topic": "{tenant}"}, "pipelines[0].source.mysql.tables[1]", "has the name of"),
        ({"naming.topic": "{tenant} {entity}"}, "pipelines[0].source.mysql.tables[0]", "not a topic name"),
        ({"pipelines[0].topic.name": "x"}, "pipelines[0].topic.name", "cannot serve all tables"),
        ({"pipelines[0].source": {}}, "pipelines[0].source", "exactly one source"),
        (
            {"pipelines[0].source.cassandra": {"host": "c", "password": "vault:a#b", "tables": ["a.b"]}},
            "pipelines[0].source",
            "one",
        ),
        (
            {"pipelines[0].source.mysql.tables[2]": "shop.orders"},
            "pipelines[0].source.mysql.tables[2]",
            "listed twice; keep one",
        ),
        (
            {'pipelines[0].tables["shop.x"].partitions': 1},
            'pipelines[0].tables["shop.x"]',
            "use one of shop.orders, shop.lines",
        ),
        ({"pipelines[0].name": "x" * 60}, "pipelines[0].sourceUser", "longer than 63"),
        (
            {"pipelines[1]": {**pipeline("other"), "source": shop()["pipelines"][0]["source"]}},
            "pipelines[1].source.mysql.tables[0]",
            "already captured by pipelines[0].source.mysql.tables[0]",
        ),
        ({"pipelines[1]": pipeline("orders")}, "pipelines[1].name", "already pipelines[0]"),
        ({"pipelines[1]": pipeline("other"), "naming.group": "g"}, "naming.group", "that of pipelines[0] and pipelines[1]"),
        (
            {"pipelines[1]": pipeline("other", sink={"postgres": {"database": "w"}, "group": "shop_orders_sink"})},
            "pipelines[1].sink.group",
            "that of pipelines[0]",
        ),
        ({"tenants[0].budget.produce": "19MB/s"}, "tenants[0].budget.produce", "add up to"),
        ({"tenants[0].budget.controllerMutations": "1/s"}, "tenants[0].budget.controllerMutations", "add up to 20"),
        (
            {"tenants[0].budget.produce": "90MB/s", "kafka.quotas.default": {"consume": "1MB/s"}},
            "tenants[0].budget.produce",
            "no bound",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], path: str, message: str) -> None:
    found = messages(problems_of(shop(changes)))
    assert message in found.get(path, f"nothing about {path}: {found}")
    assert all(text.partition("; ")[2] for text in found.values())


@pytest.mark.parametrize(
    ("listeners", "brokers", "path", "message"),
    [
        ([("a", 19092), ("b", 19093)], 3, "kafka.listeners[1].port", "listeners[0]"),
        ([("a", 65534)], 3, "kafka.listeners[0].port", "65536"),
    ],
)
def test_host_listeners_need_room_for_every_broker(
    listeners: list[tuple[str, int]], brokers: int, path: str, message: str
) -> None:
    kafka = {"brokers": brokers, "listeners": [{"name": name, "port": port, "type": "host"} for name, port in listeners]}
    assert message in messages(problems_of({"tier": "development", "target": "docker", "kafka": kafka}))[path]


# Secrets


@pytest.mark.parametrize(
    "path",
    [
        *("kafka.users[0].password", "kafka.users[0].pasword", "kafka.users[0].name", "kafka.users[0].quota.produce"),
        *("pipelines[0].source.mysql.password", "pipelines[0].source.mysql.host", "kafka.config.x", "kafka.tiered"),
        *("kafka.topicDefaults.partitions", "tier", "tenants", "kafka.listeners[0]", "waivers", "naming.pattern", "name"),
    ],
)
@pytest.mark.parametrize(
    "wrap", [lambda secret: {"value": secret}, lambda secret: [secret], lambda secret: {"a": [{"b": secret}]}]
)
def test_a_literal_secret_is_not_repeated_wherever_it_is_put(path: str, wrap: Any) -> None:
    values = shop({"kafka.listeners": [{"name": "a", "port": 9092}], path: wrap("hunter2")})
    text = " ".join(map(str, problems_of(values)))
    assert text
    assert "hunter2" not in text


@pytest.mark.parametrize("secret", ["hunter2", "vault:hunter2", "vault:a#hunter2 ", "vault:a#hunter2\n", "env:hunter2#a", ""])
def test_a_secret_that_is_no_reference_is_refused_unseen(secret: str) -> None:
    [problem] = problems_of(shop({"kafka.users[0].password": secret}))
    assert problem.path == "kafka.users[0].password"
    assert "hunter2" not in str(problem)


# Values that other tools would quietly take


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kafka.brokers.replicas", True),
        ("kafka.brokers.replicas", "3"),
        ("kafka.brokers.replicas", 3.0),
        ("kafka.autoCreateTopics", "yes"),
        ("kafka.autoCreateTopics", 1),
        ("pipelines[0].sink.deletes", "off"),
        ("kafka.config", {"a": float("nan")}),
        ("kafka.config", {"a": float("inf")}),
    ],
)
def test_a_value_of_another_type_is_refused_even_if_it_could_be_read(path: str, value: object) -> None:
    values = shop({"kafka.brokers": {"replicas": 3}, path: value})
    assert [problem.path for problem in problems_of(values) if problem.path.startswith(path)]


def test_a_choice_that_is_almost_right_is_told() -> None:
    assert messages(problems_of(shop({"tier": "producton"}))) == {
        "tier": "is not one of the known values; did you mean production? write one of development, staging, production"
    }


def test_refused_items_do_not_make_their_list_too_short() -> None:
    assert list(messages(problems_of(shop({"pipelines[0].source.mysql.tables": ["orders"]})))) == [
        "pipelines[0].source.mysql.tables[0]"
    ]


def test_the_text_of_an_error_has_everything_and_nothing_of_pydantic() -> None:
    with pytest.raises(SpecError) as refused:
        parse_environment(inline(WRONG), "trial")
    text = str(refused.value)
    assert text.startswith("Pulumi.trial.yaml: 6 problems\n")
    assert (
        "kafka.users[0].password (line 9): a secret is written as a reference, never as its value\n      → write vault:" in text
    )
    assert "pydantic" not in text
    assert refused.value.exit_code == 2
