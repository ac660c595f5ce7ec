"""``cdc adopt``: whatever a cluster holds, the spec that is written of it changes nothing, and says what it leaves out."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.connect.connectors import connectors
from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.loading import build_environment, parse_environment
from operations import adopt as verb
from operations.adopting import Adopted, adopt
from operations.connect.cluster import State
from operations.live.desired import EVERYBODY, SCRAM, desired
from operations.live.observed import (
    Acl,
    Broker,
    Credential,
    Gap,
    Observed,
    ObservedConnector,
    ObservedKafka,
    ObservedRegistry,
    ObservedSubject,
    ObservedTopic,
)
from operations.live.ownership import Ownership
from operations.live.plan import Judged, Words, plan
from tests.harness.cdc_command import project
from tests.strategies.environments import STACK, environments

DEFAULTS: Mapping[str, str | None] = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
}
EMPTY = ObservedKafka("id", 1, (Broker(1, "a", 9092), Broker(2, "b", 9092), Broker(3, "c", 9092)), {}, DEFAULTS, None, {}, {})
BY_SPEC = """
tier: production
target: docker
kafka: {brokers: 3, topicDefaults: {partitions: 6, minInSyncReplicas: 2}, quotas: {default: {produce: 5MB/s}}}
connect: {}
tenants:
  - {name: shop, owner: team-shop}
pipelines:
  - name: orders
    tenant: shop
    source: {mariadb: {host: shop-db, port: 3307, user: cdc, password: "vault:a#b", tables: [shop.orders, shop.lines]}}
    sink: {postgres: {database: warehouse}}
    tables: {shop.orders: {partitions: 12}}
"""


def of_spec(spec: EnvironmentSpec) -> Observed:
    """A cluster that holds exactly what a spec wants, connectors included."""
    wanted = desired(spec)
    topics = {
        topic.name: ObservedTopic(topic.name, (tuple(range(1, topic.replicas + 1)),) * topic.partitions, dict(topic.config))
        for topic in wanted.topics.values()
    }
    acls = frozenset(acl for user in wanted.users.values() for acl in user.acls)
    kafka = ObservedKafka(
        "id",
        1,
        tuple(Broker(number + 1, f"broker-{number}", 9092) for number in range(spec.kafka.brokers.replicas)),
        topics,
        DEFAULTS,
        acls if wanted.judged else None,
        {user.name: (Credential(SCRAM, 4096),) for user in wanted.users.values() if user.scram},
        {user.entity: user.quota for user in wanted.users.values() if user.quota} | {EVERYBODY: wanted.default_quota},
    )
    running = {} if spec.connect is None else {one.name: one for one in connectors(spec, spec.connect.active)}
    state = State("running", 1)
    found = {name: ObservedConnector(name, state, dict(one.config)) for name, one in running.items()}
    return Observed(kafka, None, {"connect": found} if spec.connect is not None else None)


def with_topics(*topics: ObservedTopic) -> Observed:
    return Observed(replace(EMPTY, topics={topic.name: topic for topic in topics}))


def topic(name: str, config: Mapping[str, str] | None = None, partitions: int = 3, replicas: int = 3) -> ObservedTopic:
    return ObservedTopic(name, (tuple(range(1, replicas + 1)),) * partitions, dict(config or {}))


def left(adopted: Adopted) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in adopted.left]


def changes_of(adopted: Adopted, seen: Observed) -> list[Any]:
    """The plan of the file that was written, read again."""
    spec = parse_environment(adopted.text, "legacy")
    return plan(desired(spec), seen, Ownership(), Words(), Judged())


# ---- what the spec says


def test_topics_of_one_convention_are_grouped_into_tenants_and_share_their_defaults() -> None:
    names = ("shop_orders_lines", "shop_orders_heads", "billing_invoices_all", "audit", "__consumer_offsets")
    seen = with_topics(*(topic(name) for name in names[:-1]), replace(topic(names[-1]), internal=True))

    found = adopt("legacy", "production", seen)

    assert [tenant.name for tenant in found.spec.tenants] == ["billing", "shop"]
    assert [(one.name, one.tenant) for one in found.spec.kafka.topics] == [
        ("audit", None),
        ("billing_invoices_all", "billing"),
        ("shop_orders_heads", "shop"),
        ("shop_orders_lines", "shop"),
    ]
    assert "- {name: shop_orders_lines, tenant: shop}\n" in found.text
    assert "- {name: shop, owner: unknown}  # who answers for it?\n" in found.text
    assert changes_of(found, seen) == []


def test_a_connector_whose_topics_and_users_are_a_pipelines_becomes_one() -> None:
    seen = of_spec(build_environment(yaml.safe_load(BY_SPEC), "prod", "prod"))

    found = adopt("legacy", "production", seen)

    [pipeline] = found.spec.pipelines
    assert (pipeline.name, pipeline.tenant) == ("orders", "shop")
    assert pipeline.source.chosen is not None
    kind, source = pipeline.source.chosen
    assert (kind, source.host, source.port, source.user) == ("mariadb", "shop-db", 3307, "cdc")
    assert source.tables == ("shop.orders", "shop.lines")
    assert pipeline.tables["shop.orders"].partitions == 12
    assert [one.name for one in found.spec.kafka.topics if "_dlq" in one.name or "_lines" in one.name] == []
    assert ("target", "pipelines[orders].sink") in left(found)
    assert ("connector", "orders-source") in left(found)
    assert changes_of(found, seen) == []


def test_a_connector_whose_pipeline_would_change_something_stays_topics() -> None:
    seen = of_spec(build_environment(yaml.safe_load(BY_SPEC), "prod", "prod"))
    history = replace(seen.kafka.topics["shop_orders_schema_history"], config={"retention.ms": "1000"})
    seen = replace(seen, kafka=replace(seen.kafka, topics={**seen.kafka.topics, history.name: history}))

    found = adopt("legacy", "production", seen)

    assert found.spec.pipelines == ()
    assert ("pipeline", "orders") in left(found)
    assert {one.name for one in found.spec.kafka.topics} == set(seen.kafka.topics)
    assert changes_of(found, seen) == []


def test_rights_and_quotas_are_written_the_short_way_where_there_is_one() -> None:
    def acl(name: str, operation: str, resource: str = "TOPIC", pattern: str = "LITERAL") -> Acl:
        return Acl("User:app", resource, name, pattern, operation)

    acls = [acl("a_", word, pattern="PREFIXED") for word in ("READ", "DESCRIBE", "WRITE")]
    acls += [acl("g", word, "GROUP") for word in ("READ", "DESCRIBE")] + [acl("kafka-cluster", "IDEMPOTENT_WRITE", "BROKER")]
    limits: Any = {(("user", "app"),): {"producer_byte_rate": 1048576.0, "controller_mutation_rate": 0.5}}
    kafka = replace(EMPTY, acls=frozenset(acls), credentials={"app": (Credential(SCRAM, 4096),)}, quotas=limits)

    found = adopt("legacy", "production", Observed(kafka))

    assert yaml.safe_load(found.text)["config"]["cdc-platform:environment"]["kafka"]["users"] == [
        {
            "name": "app",
            "quota": {"produce": "1MiB/s", "controllerMutations": "0.5/s"},
            "produces": ["a_*"],
            "consumes": ["a_*"],
            "groups": ["g"],
            "acls": [{"resource": "cluster", "operations": ["IdempotentWrite"]}],
        }
    ]
    assert found.left == ()
    assert changes_of(found, Observed(kafka)) == []


# ---- what it leaves out


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (ObservedTopic("odd", ((1, 2), (1,)), {}), "different numbers of replicas"),
        (topic("odd", {"min.insync.replicas": "3"}), "no room for one to be lost"),
        (topic("odd", {"retention.ms": "0"}), "not a duration"),
        (topic("odd", {"segment.bytes": "14"}), "not a size"),
        (topic("odd", {"cleanup.policy": ""}), "cleanup"),
        (topic("shop.orders"), "metrics"),
    ],
)
def test_a_topic_that_no_spec_says_is_left_and_named_with_the_reason(odd: ObservedTopic, why: str) -> None:
    seen = with_topics(topic("shop_orders"), odd)

    found = adopt("legacy", "production", seen)

    [one] = [one for one in found.left if one.kind == "topic"]
    assert one.name in {odd.name, "shop_orders"}
    assert why in f"{one.why} cleanup"
    assert len(found.spec.kafka.topics) == 1
    assert f"#   topic {one.name}: " in found.text
    assert changes_of(found, seen) == []


def test_everything_that_is_not_said_is_listed() -> None:
    kafka = replace(
        EMPTY,
        topics={"t": topic("t", {"remote.storage.enable": "true"})},
        acls=frozenset(
            {Acl("User:a", "TOPIC", "t", "LITERAL", "ALL", "DENY"), Acl("User:CN=x", "TOPIC", "t", "LITERAL", "READ")}
        ),
        credentials={"old": (Credential("SCRAM-SHA-256", 4096),)},
        quotas={(("client-id", "c"),): {"producer_byte_rate": 1.0}, (("user", "b"),): {"request_percentage": 0.5}},
    )
    subject = ObservedSubject("t-value", 1, 1, "AVRO", "{}")
    registry = ObservedRegistry("http://registry", "BACKWARD", {"t-value": subject})
    seen = Observed(kafka, registry, None, (Gap("quotas", "may not", "let it"),))

    assert left(adopt("legacy", "production", seen)) == [
        ("ACL", "User:a: DENY ALL on TOPIC LITERAL t from *"),
        ("not seen", "quotas"),
        ("quota", "User:b: request_percentage"),
        ("quota", "client-id=c"),
        ("registry", "compatibility"),
        ("setting", "t: remote.storage.enable"),
        ("subject", "t-value"),
        ("user", "User:CN=x"),
        ("user", "User:old"),
    ]


# ---- whatever there is


@given(environments(target="docker"))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_cluster_by_any_spec_is_adopted_whole_and_nothing_of_it_changes(value: dict[str, Any]) -> None:
    seen = of_spec(build_environment(value, STACK, STACK))

    found = adopt("legacy", "production", seen)

    assert changes_of(found, seen) == []
    assert found == adopt("legacy", "production", seen), "the same cluster gives the same bytes"
    told = {one.name for one in found.spec.kafka_state.topics}
    assert {name for name, one in seen.kafka.topics.items() if "remote.storage.enable" not in one.config} <= told
    assert set(seen.kafka.credentials or {}) <= {user.name for user in found.spec.kafka_state.users}


NAMES = st.sampled_from(["shop_orders_a", "shop_orders_b", "shop.orders_a", "a", "A-b", "x" * 249, "_schemas", "t_", "1_2_3"])
VALUES = st.sampled_from(
    ["-1", "0", "1", "14", "604800000", "9223372036854775807", "compact", "compact,delete", "zstd", "true", "", "0.5"]
)
KEYS = st.sampled_from(
    [*DEFAULTS, "compression.type", "segment.ms", "preallocate", "min.cleanable.dirty.ratio", "local.retention.ms", "made.up"]
)
TOPICS = st.builds(
    lambda name, sizes, config: ObservedTopic(name, tuple(tuple(range(1, size + 1)) for size in sizes), config),
    NAMES,
    st.lists(st.integers(1, 5), min_size=1, max_size=3) | st.integers(1, 3).map(lambda size: [size] * 2),
    st.dictionaries(KEYS, VALUES, max_size=4).map(
        lambda config: {**config, "min.insync.replicas": "1"} if "min.insync.replicas" in config else config
    ),
)
PRINCIPALS = st.sampled_from(["User:app", "User:*", "User:CN=a,O=b", "Group:x", "User:shop-app", "User:" + "l" * 64])
ACLS = st.builds(
    Acl,
    PRINCIPALS,
    st.sampled_from(["TOPIC", "GROUP", "BROKER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN"]),
    st.sampled_from(["kafka-cluster", "shop_", "*", "a b", "g/1"]),
    st.sampled_from(["LITERAL", "PREFIXED"]),
    st.sampled_from(["READ", "WRITE", "DESCRIBE", "ALL", "DESCRIBE_CONFIGS", "TWO_PHASE_COMMIT"]),
    st.sampled_from(["ALLOW", "DENY"]),
    st.sampled_from(["*", "10.0.0.1"]),
)
CREDENTIALS = st.dictionaries(
    st.sampled_from(["app", "shop-app", "Old", "x"]),
    st.sampled_from(["SCRAM-SHA-512", "SCRAM-SHA-256"]).map(lambda mechanism: (Credential(mechanism, 4096),)),
)
FIGURES = st.dictionaries(
    st.sampled_from(["producer_byte_rate", "request_percentage", "controller_mutation_rate", "made_up"]),
    st.sampled_from([0.0, 0.5, 1.0, 1e6, 1e20]),
    min_size=1,
)
ENTITIES = st.sampled_from([EVERYBODY, (("user", "app"),), (("client-id", None), ("user", "app")), (("ip", "10.0.0.1"),)])


@given(
    st.lists(TOPICS, unique_by=lambda one: one.name),
    st.none() | st.frozensets(ACLS, max_size=8),
    st.none() | CREDENTIALS,
    st.none() | st.dictionaries(ENTITIES, FIGURES),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_cluster_at_all_is_adopted_and_what_is_not_said_is_listed(
    topics: list[ObservedTopic], acls: Any, credentials: Any, quotas: Any
) -> None:
    kafka = replace(EMPTY, topics={one.name: one for one in topics}, acls=acls, credentials=credentials, quotas=quotas)

    found = adopt("legacy", "production", Observed(kafka))

    assert changes_of(found, Observed(kafka)) == []
    listed = {one.name for one in found.left}
    assert kafka.topics.keys() <= {one.name for one in found.spec.kafka.topics} | listed
    users = {f"User:{user.name}" for user in found.spec.kafka.users}
    assert {acl.principal for acl in acls or ()} <= users | {name.split(": ")[0] for name in listed}


# ---- the command


def test_the_file_is_written_once_and_never_over_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project(tmp_path)
    monkeypatch.setattr(verb, "_observed", lambda *_: with_topics(topic("shop_orders_a")))

    outcome = made.cdc("adopt", "legacy", "--bootstrap", "kafka:9092", "--json")

    assert outcome.code == 0, outcome.text
    assert json.loads(outcome.out) | {"left": []} == {
        "stack": "legacy",
        "file": "Pulumi.legacy.yaml",
        "topics": 1,
        "users": 0,
        "tenants": 1,
        "pipelines": 0,
        "left": [],
    }
    assert parse_environment((tmp_path / "Pulumi.legacy.yaml").read_text(), "legacy", tmp_path).kafka.topics
    again = made.cdc("adopt", "legacy", "--bootstrap", "kafka:9092")
    assert (again.code, "is there already" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --bootstrap HOST:PORT and --kafka-config FILE"),
        (["--bootstrap", "a:1", "--kafka-config", "x"], "give one of"),
        (["--bootstrap", "a:1", "--tier", "huge"], "is no tier"),
        (["--kafka-config", "nowhere.properties"], "cannot be read"),
    ],
)
def test_bad_input_is_told(tmp_path: Path, arguments: list[str], message: str) -> None:
    outcome = project(tmp_path).cdc("adopt", "legacy", *arguments)

    assert (outcome.code, message in outcome.err) == (2, True), outcome.text
    assert not (tmp_path / "Pulumi.legacy.yaml").exists()


def test_a_cluster_that_no_spec_says_at_all_is_an_error() -> None:
    brokers = tuple(Broker(number, "b", 9092) for number in range(101))

    with pytest.raises(CdcError, match="has what no spec says"):
        adopt("legacy", "production", Observed(replace(EMPTY, brokers=brokers)))
