"""The sink workers' settings files and deployments. The worker itself reads them in tests/sink/unit."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from components.environment import EnvironmentSpec
from components.loading import load_environment
from components.platform import render
from components.sink.settings import SECRETS
from tests.strategies.examples import ROOT, STACKS, build, messages, pipeline, problems_of, shop
from tests.unit.on_kubernetes import manifest, rendered, spec

SCHEMA = json.loads((Path(__file__).parents[2] / "sink_worker" / "settings.schema.json").read_text(encoding="utf-8"))
PASSWORD = "pipelines[0].sink.postgres.password"
SINK: dict[str, Any] = {"sink.image": "acme/sink:1", PASSWORD: "vault:warehouse#password"}
WHOLE = {
    **SINK,
    "schemaRegistry": {},
    "haproxy": {"users": [{"name": "sink", "passwordHash": "vault:h#sink-hash", "password": "vault:h#sink"}]},
}


def settings_of(environment: EnvironmentSpec) -> dict[str, str]:
    """Every settings file, by the name of its object."""
    found = render(environment)
    if environment.target == "docker":
        return {w.name: w.files["/etc/cdc/settings.json"] for w in found.workloads if w.component == "sink"}
    maps = [m for m in found.manifests if m.component == "sink" and m.kind == "ConfigMap"]
    return {m.name: m.body["data"]["settings.json"] for m in maps}


def on_docker(changes: dict[str, Any] | None = None) -> EnvironmentSpec:
    return build(shop({**SINK, "tier": "development", "target": "docker", **(changes or {})}))


CHANGES = {
    "breaking": "queue",
    "rewriteLimit": "1Gi",
    "audit": True,
    "tables": {"shop.lines": {"breaking": "stop", "dropped": "stop"}},
    "indexes": [{"table": "shop.orders", "columns": ["email"]}],
}
VARIANTS = {
    "alone": SINK,
    "with everything": WHOLE,
    "no TLS at all": {**SINK, "sink.postgresTls": "disable", "kafka.listeners": [{"name": "a", "port": 9092, "tls": False}]},
    "tuned": {
        **WHOLE,
        "sink.processes": 2,
        "sink.writers": 2,
        "sink.settings": {
            "batchRows": 1000,
            "batchBytes": "8MiB",
            "onMismatch": "reject",
            "createTables": False,
            "evolveTables": False,
            "geometry": "postgis",
        },
        "pipelines[0].sink.deletes": False,
    },
    "schema changes": {**SINK, "pipelines[0].schemaChanges": CHANGES},
    "masked": {
        **SINK,
        "sink.maskingKey": "vault:masking#key",
        "pipelines[0].personalData": {"shop.orders": {"columns": {"email": "hash"}}},
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_settings_are_what_the_workers_schema_describes(name: str) -> None:
    [text] = settings_of(build(shop(VARIANTS[name]))).values()
    jsonschema.validate(json.loads(text), SCHEMA)


@pytest.mark.parametrize("name", STACKS)
def test_every_stacks_workers_accept_their_settings(name: str) -> None:
    for text in settings_of(load_environment(ROOT, name)).values():
        jsonschema.validate(json.loads(text), SCHEMA)


def test_a_topic_goes_to_its_tables_name_in_the_pipelines_schema() -> None:
    [text] = settings_of(build(shop({**SINK, "pipelines[0].sink.postgres.schema": "shop"}))).values()
    routing = json.loads(text)["routing"]
    assert routing["schema"] == "shop"
    assert {rule["topics"]: rule["table"] for rule in routing["rules"]} == {
        "shop_orders_orders": "orders",
        "shop_orders_lines": "lines",
    }


def test_personal_data_is_masked_by_its_tables_rule_and_nothing_is_read_without_one() -> None:
    orders = {"email": "hash", "phone": {"rule": "partial", "keep": 2}, "nickname": "clear"}
    personal = {"shop.orders": {"columns": orders}, "shop.lines": {"columns": {"x": "clear"}}}
    [text] = settings_of(build(shop({**SINK, "pipelines[0].personalData": personal}))).values()
    settings = json.loads(text)
    rules = {rule["table"]: rule.get("masks") for rule in settings["routing"]["rules"]}
    assert rules == {"orders": {"email": {"rule": "hash"}, "phone": {"rule": "partial", "keep": 2}}, "lines": None}
    assert settings["masking"] == {"key_file": f"{SECRETS}/masking.key"}
    [clear] = settings_of(
        build(shop({**SINK, "pipelines[0].personalData": {"shop.lines": {"columns": {"x": "clear"}}}}))
    ).values()
    assert "masking" not in json.loads(clear)


def test_a_worker_of_cassandra_knows_each_topics_table_and_reads_again_only_where_that_is_said() -> None:
    merge = {
        "horizon": "3d",
        "tables": {"ks.t": {"columns": {"tags": "set<text>", "at": "time"}}, "ks.u": {"ambiguous": "audit"}},
    }
    events = pipeline(
        "events", ("ks.t", "ks.u"), "cassandra", cassandra=merge, sink={"postgres": {"database": "w", "password": "vault:w#p"}}
    )
    spec = build(shop({**SINK, "pipelines[1]": events}))
    settings = json.loads(settings_of(spec)["sink-events"])
    jsonschema.validate(settings, SCHEMA)
    assert settings["cassandra"] == {
        "topics": ["shop_events_t", "shop_events_u"],
        "sources": {"shop_events_t": "ks.t", "shop_events_u": "ks.u"},
        "tables": {"ks.t": {"columns": {"tags": "set<text>", "at": "time"}}, "ks.u": {"on_ambiguous": "audit"}},
        "on_ambiguous": "refuse",
        "horizon_hours": 72,
    }
    again = {**events, "cassandra": {"ambiguous": "reread", "ca": "secret:cassandra-ca#ca.crt"}}
    settings = json.loads(settings_of(build(shop({**SINK, "pipelines[1]": again})))["sink-events"])
    assert settings["cassandra"]["reread"] == {
        "hosts": [events["source"]["cassandra"]["host"]],
        "port": 9042,
        "username": "debezium",
        "password_file": f"{SECRETS}/cassandra.password",
        "ca_file": f"{SECRETS}/cassandra-ca.pem",
    }
    assert "cassandra" not in json.loads(settings_of(spec)["sink-orders"])


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        (
            {"pipelines[0].personalData": {"shop.men": {"columns": {"e": "hash"}}}},
            'pipelines[0].personalData["shop.men"]',
            "captured",
        ),
        (
            {"pipelines[0].personalData": {"shop.lines": {"columns": {"e": "md5"}}}},
            'pipelines[0].personalData["shop.lines"].columns.e',
            "hash",
        ),
        (
            {
                "pipelines[0].personalData": {"shop.lines": {"columns": {"e": "hash"}}},
                "pipelines[0].sink.via": "jdbc",
                "connect.image": "a/b:1",
            },
            "pipelines[0].personalData",
            "JDBC",
        ),
        ({"pipelines[0].cassandra": {"ambiguous": "audit"}}, "pipelines[0].cassandra", "mysql"),
    ],
)
def test_what_a_worker_cannot_do_is_refused(changes: dict[str, Any], path: str, words: str) -> None:
    found = messages(problems_of(shop({**SINK, **changes})))
    assert [told for where, told in found.items() if where.startswith(path) and words in told], found


@pytest.mark.parametrize(
    ("columns", "masks", "refused"),
    [
        ({"home": "frozen<address>"}, {"home": "hash", "home.street": "redact"}, {"home", "home.street"}),
        (
            {"tags": "set<text>", "n": "varint", "at": "time"},
            {"tags": "tokenize", "n": "partial", "at": "hash"},
            {"tags", "n", "at"},
        ),
        (
            {"tags": "set<text>", "ip": "inet", "s": "text static"},
            {"tags": "redact", "ip": "redact", "s": "hash", "x": "hash"},
            set(),
        ),
        ({"ip": "inet"}, {"ip": "hash", "tags[0]": "redact"}, {"ip", "tags[0]"}),
    ],
)
def test_a_mask_that_a_column_of_cassandra_cannot_have_is_refused(
    columns: dict[str, str], masks: dict[str, str], refused: set[str]
) -> None:
    merge = {"tables": {"ks.t": {"columns": columns}}}
    sink = {"postgres": {"database": "w", "password": "vault:w#p"}}
    events = pipeline("events", ("ks.t",), "cassandra", cassandra=merge, sink=sink, personalData={"ks.t": {"columns": masks}})
    found = messages(problems_of(shop({**SINK, "pipelines[1]": events})))
    paths = {path for path in found if "personalData" in path}
    assert {name for name in masks if any(path.endswith((f".{name}", f'["{name}"]')) for path in paths)} == refused
    assert len(paths) == len(refused)


def test_schema_changes_go_by_target_table_and_are_told_to_a_topic_that_the_worker_may_write() -> None:
    environment = build(shop({**SINK, "pipelines[0].sink.postgres.schema": "sh.op", "pipelines[0].schemaChanges": CHANGES}))
    [text] = settings_of(environment).values()
    assert json.loads(text)["evolution"] == {
        "breaking": "queue",
        "rewrite_max_bytes": 1 << 30,
        "audit_topic": "shop_orders_dlq_schema_audit",
        "rules": [{"tables": r"sh\.op\.lines", "breaking": "stop", "dropped": "stop"}],
        "indexes": [{"table": "sh.op.orders", "columns": ["email"], "method": "btree"}],
    }
    state = environment.kafka_state
    assert "shop_orders_dlq_schema_audit" in {topic.name for topic in state.topics}
    user = next(user for user in state.users if user.name == "shop-orders-sink")
    assert ("Describe", "Write") in [acl.operations for acl in user.acls if acl.name == "shop_orders_dlq_schema_audit"]
    [plain] = settings_of(build(shop(SINK))).values()
    assert "evolution" not in json.loads(plain)


@pytest.mark.parametrize(("changes", "path", "words"), [
    ({"pipelines[0].schemaChanges.tables": {"shop.nothing": "queue"}}, "tables", "captured"),
    ({"pipelines[0].schemaChanges.indexes": [{"table": "shop.no", "columns": ["a"]}]}, "indexes[0].table", "captured"),
    ({"pipelines[0].sink.via": "jdbc", "pipelines[0].schemaChanges.breaking": "stop"}, "schemaChanges", "JDBC"),
])  # fmt: skip
def test_schema_changes_that_nobody_can_judge_are_refused(changes: dict[str, Any], path: str, words: str) -> None:
    found = messages(problems_of(shop({**SINK, **changes})))
    assert [told for where, told in found.items() if path in where and words in told], found


def test_what_another_program_writes_has_no_worker() -> None:
    changes = {
        **SINK,
        "connect.image": "acme/connect:1",
        "pipelines[1]": pipeline(
            "lines", ("db.u",), "mariadb", sink={"via": "jdbc", "postgres": {"database": "w", "password": "vault:w#p"}}
        ),
    }
    assert set(settings_of(build(shop(changes)))) == {"sink-orders"}


def test_a_changed_setting_rolls_the_pods_out() -> None:
    def checksum(changes: dict[str, Any]) -> Any:
        return spec({**SINK, **changes}, "Deployment/sink-orders")["template"]["metadata"]["annotations"]

    assert checksum({}) == checksum({"sink.replicas": 3})
    assert checksum({}) != checksum({"sink.writers": 2})


def test_a_worker_may_send_and_read_dead_letters_and_nothing_more() -> None:
    user = next(u for u in build(shop(SINK)).kafka_state.users if u.name == "shop-orders-sink")
    rights = {(acl.resource, acl.name): acl.operations for acl in user.acls}
    assert rights == {
        ("topic", "shop_orders_orders"): ("Describe", "Read"),
        ("topic", "shop_orders_lines"): ("Describe", "Read"),
        ("topic", "shop_orders_dlq"): ("Describe", "Read", "Write"),
        ("group", "shop_orders_sink"): ("Describe", "Read"),
        ("transactionalId", "shop_orders_sink.outbox"): ("Describe", "Write"),
    }


def test_the_network_opens_no_more_than_a_worker_needs() -> None:
    policy = spec(WHOLE, "NetworkPolicy/sink-orders")
    assert policy["policyTypes"] == ["Egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [[5432], [8081]]


def test_workers_are_added_by_load() -> None:
    scaled = spec({**SINK, "sink.autoscaling": {"least": 3, "most": 6, "cpu": 50}}, "HorizontalPodAutoscaler/sink-orders")
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (3, 6)
    assert scaled["scaleTargetRef"]["name"] == manifest(SINK, "Deployment/sink-orders").name
    assert not [one for one in rendered(SINK).manifests if one.kind == "HorizontalPodAutoscaler"]


def test_docker_has_a_container_for_each_worker() -> None:
    workers = [w for w in render(on_docker({"sink.replicas": 2})).workloads if w.component == "sink"]
    assert [w.name for w in workers] == ["sink-orders-0", "sink-orders-1"]
    assert all(w.read_only and w.user == "10001:10001" and w.health for w in workers)


def test_a_worker_without_its_databases_password_is_refused() -> None:
    assert "needs the password" in messages(problems_of(shop({"sink": {"image": "a:1"}})))[PASSWORD]


def test_docker_scales_nothing() -> None:
    values = shop({**SINK, "target": "docker", "tier": "development", "sink.autoscaling": 3})
    assert messages(problems_of(values)) == {"sink.autoscaling": "docker scales nothing; leave it out, and set replicas"}


# By load


LAG: dict[str, Any] = {**SINK, "sink.autoscaling": {"least": 3, "most": 60, "lag": 5000}}


def test_lag_is_asked_of_the_pipelines_group_as_the_pipelines_user() -> None:
    [lag, cpu] = spec(LAG, "ScaledObject/sink-orders")["triggers"]
    assert lag["metadata"] | {"consumerGroup": "shop_orders_sink", "lagThreshold": "5000", "tls": "enable"} == lag["metadata"]
    assert lag["metadata"]["sasl"] == "scram_sha512"
    assert "topic" not in lag["metadata"], "one trigger over all topics: of several the greatest counts, not the sum"
    assert cpu == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}}
    access = spec(LAG, "TriggerAuthentication/sink-orders")
    assert lag["authenticationRef"] == {"name": "sink-orders"}
    assert {(one["parameter"], one["name"], one["key"]) for one in access["secretTargetRef"]} == {
        ("password", "shop-orders-sink", "password"),
        ("ca", "cdc-cluster-ca-cert", "ca.crt"),
    }
    assert access["configMapTargetRef"] == [{"parameter": "username", "name": "sink-orders-scaler", "key": "username"}]
    assert manifest(LAG, "ConfigMap/sink-orders-scaler").body["data"] == {"username": "shop-orders-sink"}


def test_one_thing_alone_changes_a_deployments_replicas() -> None:
    for changes, kinds in ((LAG, ["ScaledObject"]), ({**SINK, "sink.autoscaling": 9}, ["HorizontalPodAutoscaler"])):
        found = [one.kind for one in rendered(changes).manifests if "scaleTargetRef" in one.body.get("spec", {})]
        assert found == kinds


@pytest.mark.parametrize("lag", [None, 5000])
@pytest.mark.parametrize(("processes", "most"), [(1, 20), (2, 10), (3, 7), (64, 1)])
def test_there_are_never_more_workers_than_partitions(lag: int | None, processes: int, most: int) -> None:
    changes = {**SINK, "sink.autoscaling": {"least": 9, "most": 60} | ({"lag": lag} if lag else {})}
    changes["sink.processes"] = processes
    found = spec(changes, "ScaledObject/sink-orders" if lag else "HorizontalPodAutoscaler/sink-orders")
    limits = [found.get(key) for key in ("minReplicaCount", "maxReplicaCount", "minReplicas", "maxReplicas")]
    assert [limit for limit in limits if limit] == [min(9, most), most]


def test_a_listener_without_passwords_or_tls_needs_no_credentials() -> None:
    open_to_all = [{"name": "a", "port": 9092, "tls": False, "authentication": "none"}]
    changes = {**LAG, "tier": "development", "kafka.authorization": {"type": "none"}, "kafka.listeners": open_to_all}
    [lag, _] = spec(changes, "ScaledObject/sink-orders")["triggers"]
    assert (lag["metadata"]["tls"], lag["metadata"]["sasl"], "authenticationRef" in lag) == ("disable", "none", False)
    assert not [one for one in rendered(changes).manifests if one.kind == "TriggerAuthentication"]


def test_the_brokers_are_open_to_keda_where_it_is_used_and_to_nothing_else_there() -> None:
    policy = spec({**LAG, "sink.autoscaling": {"lag": {"kedaNamespace": "scaling"}}}, "NetworkPolicy/cdc-keda")
    [rule] = policy["ingress"]
    [peer] = rule["from"]
    assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "scaling"}}
    assert peer["podSelector"] == {"matchLabels": {"app": "keda-operator"}}
    assert [port["port"] for port in rule["ports"]] == [9093]
    assert policy["podSelector"]["matchLabels"] == {"strimzi.io/cluster": "cdc", "strimzi.io/kind": "Kafka"}
    assert not [one for one in rendered(SINK).manifests if one.name == "cdc-keda"]


def test_a_stack_does_not_take_back_what_a_scaler_has_changed() -> None:
    from components.targets.kubernetes import _scaled

    for changes in (LAG, {**SINK, "sink.autoscaling": 9}):
        assert _scaled(rendered(changes).manifests) == {("Deployment", "sink-orders")}
