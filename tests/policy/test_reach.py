"""Who reaches whom: the needs that are found in configurations, and the openings that are found in policies."""

from typing import Any

import pytest

from policies.model import Subject
from policies.reach import Edge, addressed, selects
from policies.rules.network import RULES
from policies.rules.transport import RULES as TRANSPORT
from tests.policy.environments import REMOVED, good, with_spec

SINK, REDIS, SENTINEL = "Deployment/cdc/sink-orders", "StatefulSet/cdc/redis", "StatefulSet/cdc/redis-sentinel"


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("redis:6379", {6379}),
        ("redis-0.redis.cdc.svc:6379,redis-1.redis.cdc.svc.cluster.local:6380", {6379, 6380}),
        ("host redis 6379", {6379}),
        ('{"host": "redis", "user": "a", "port": "5432"}', {5432}),
        ("export PGHOST=redis\nexport PGUSER=a\nexport PGPORT=5432", {5432}),
        ("redis-sentinel:26379", set()),
        ("my-redis:6379", set()),
        ("redis.other.svc:6379", set()),
        ("redis:7.2-alpine", set()),
    ],
)
def test_an_address_is_found_in_what_a_program_is_configured_with(text: str, ports: set[int]) -> None:
    assert addressed("redis", "cdc", text) == ports


def test_needs_are_those_of_the_programs() -> None:
    needed = good().reach.needed
    own = {(edge.target, edge.port) for edge in needed if edge.source == SINK}
    assert own >= {
        ("Cluster/cdc/postgres", 5432),
        ("Deployment/cdc/haproxy", 8081),
        ("KafkaNodePool/cdc/brokers", 9093),
        (SENTINEL, 26379),
        (REDIS, 6379),
    }
    assert ("KafkaNodePool/cdc/controllers", 9093) not in own


def test_whom_sentinels_name_is_needed_too() -> None:
    assert Edge(SINK, REDIS, 6379) in good().reach.needed


def test_what_is_open_both_ways_is_found_by_looking_at_every_pair() -> None:
    """The lookup by labels leaves nobody out."""
    reach = good("prod-dr").reach
    slow = {
        Edge(source.id, target.id, port)
        for source in reach.pods
        for target in reach.pods
        for port in target.ports
        if source.id != target.id and not (source.family and source.family == target.family)
        if reach.lets_in(source, target, port) and reach.lets_out(source, target, port)
    }
    assert set(reach.open()) == slow
    assert len(slow) > 20


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "1", "b": "1"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_a_selector_chooses_as_kubernetes_does(selector: Any, chosen: bool) -> None:
    assert selects(selector, {"a": "1"}) is chosen


JDBC = {"pipelines[0].sink.via": "jdbc"}
TOGETHER: dict[str, dict[str, Any]] = {
    "without HAProxy": {
        "haproxy": REMOVED,
        "schemaRegistry.replicas": 1,
        "backup": REMOVED,
    },  # a backup would ask Connect in plain text
    "the JDBC sink": JDBC,
    "no Sentinels": {"redis": {"nodes": 1, "sentinels": 0}},
    "another backend of traces": {"tracing": {"backend": {"endpoint": "tempo.example:4317"}}},
    "Apicurio": {"schemaRegistry.distribution": "apicurio", "connect.converter": "apicurio"},
    "another namespace": {"kubernetes.namespace": "other"},
}


@pytest.mark.parametrize("changes", TOGETHER.values(), ids=list(TOGETHER))
def test_other_environments_have_neither_too_few_openings_nor_too_many(changes: dict[str, Any]) -> None:
    subject: Subject = with_spec(changes)
    assert [violation for rule in (*RULES, *TRANSPORT) for violation in rule.check(subject)] == []
