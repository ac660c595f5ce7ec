"""A standby has all that its source has, and does nothing of it until it has taken over."""

import copy
from typing import Any

import pytest

from components.connect.connectors import Connector
from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.platform import render
from operations.connect import planning
from policies.model import properties
from tests.doubles.connect import FakeCluster, Source
from tests.harness.cdc_command import Project
from tests.strategies.examples import ROOT, build, pipeline, shop

MIRROR = {"source": {"environment": "prod", "bootstrap": "prod:9093", "password": "secret:a#b"}}
PIPELINES = [
    shop()["pipelines"][0] | {"sink": {"postgres": {"database": "w", "password": "vault:w#p"}}},
    pipeline("events", ("k.t",), "cassandra"),
]
PARTS = {
    "pipelines": PIPELINES,
    "connect": {"image": "acme/connect:1"},
    "sink": {"image": "acme/sink:1", "autoscaling": {}},
    "cassandraAgent": {"image": "acme/agent:1"},
    "haproxy": {"authentication": "none"},
}


def standby(target: str = "kubernetes", distribution: str = "confluent", **mirror: Any) -> EnvironmentSpec:
    changes = {"target": target, "mirrorMaker": MIRROR | mirror, "schemaRegistry": {"distribution": distribution}}
    if target == "docker":
        changes["sink"] = {"image": "acme/sink:1"}
    return build(shop(copy.deepcopy(PARTS | changes)))


def bodies(rendered: Rendered, kind: str) -> dict[str, Any]:
    return {one.name: one.body.get("spec") for one in rendered.manifests if one.kind == kind}


def registry_settings(rendered: Rendered) -> dict[str, str]:
    files = [one.body["data"] for one in rendered.manifests if (one.kind, one.name) == ("ConfigMap", "schema-registry")]
    files += [dict(one.files) for one in rendered.workloads if one.component == "schema-registry"]
    return properties(next(iter(files[0].values())))


def test_on_kubernetes_its_connectors_are_stopped_and_its_sinks_have_no_pods_until_it_takes_over() -> None:
    before, after = render(standby()), render(standby(failedOver=True))
    assert [spec["state"] for spec in bodies(before, "KafkaConnector").values()] == ["stopped"]
    assert [spec.get("state") for spec in bodies(after, "KafkaConnector").values()] == [None]
    assert bodies(before, "Deployment")["sink-orders"]["replicas"] == 0
    assert bodies(after, "Deployment")["sink-orders"]["replicas"] == 2
    scaled = [{name for name in bodies(rendered, "HorizontalPodAutoscaler") if "sink" in name} for rendered in (before, after)]
    assert scaled == [set(), {"sink-orders", "sink-events"}]


def test_all_but_that_is_the_same_before_and_after() -> None:
    def named(rendered: Rendered) -> set[str]:
        return {one.id for one in rendered.manifests if one.kind not in {"HorizontalPodAutoscaler", "ConfigMap"}}

    assert named(render(standby())) == named(render(standby(failedOver=True)))


def test_on_docker_its_sink_workers_and_agents_are_not_there_until_it_takes_over() -> None:
    def running(spec: EnvironmentSpec) -> set[str]:
        return {one.component for one in render(spec).workloads}

    waiting = {"sink", "cassandra-agent"}
    assert running(standby("docker")) & waiting == set()
    assert running(standby("docker", failedOver=True)) & waiting == waiting
    assert "connect" in running(standby("docker"))


@pytest.mark.parametrize("target", ["kubernetes", "docker"])
@pytest.mark.parametrize(
    ("distribution", "key", "closed", "open_"),
    [
        ("confluent", "leader.eligibility", "false", "true"),
        ("apicurio", "apicurio.storage.read-only.enabled", "true", "false"),
    ],
)
def test_its_registry_takes_nothing_new_until_it_takes_over(
    target: str, distribution: str, key: str, closed: str, open_: str
) -> None:
    values = [
        registry_settings(render(standby(target, distribution, **mirror)))[key]
        for mirror in ({}, {"failedOver": True}, {"registry": False})
    ]
    assert values == [closed, open_, open_]


def test_users_and_rights_are_there_beforehand() -> None:
    before, after = standby().kafka_state.users, standby(failedOver=True).kafka_state.users
    assert before == after
    assert {"shop-orders-source", "shop-orders-sink", "shop-events-source"} <= {user.name for user in before}


# cdc connect apply

NAMES = ("orders", "invoices")
WANTED = [Connector(name, name, "source", 0, {"connector.class": "x"}) for name in NAMES]


def cluster() -> FakeCluster:
    return FakeCluster("blue", {name: Source(end=5) for name in NAMES})


def applied(target: FakeCluster, lives: planning.Wanted) -> list[str]:
    """What was done, in words."""
    said: list[str] = []
    planned = planning.plan(WANTED, planning.observe(target), {}, lives)
    planning.apply(target, WANTED, planned, said.append, lives)
    planning.settle(target, NAMES, 0, 1, said.append, lives)
    return said


def test_a_standbys_connectors_are_made_without_ever_running_and_started_when_it_takes_over() -> None:
    target = cluster()
    assert applied(target, "stopped") == [f"{name}: made, stopped" for name in NAMES]
    target.run()
    assert all(source.written == [] for source in target.sources.values())
    assert applied(target, "stopped") == []
    assert applied(target, "running") == [f"{name}: started" for name in NAMES]
    target.run()
    assert all(source.written == list(range(5)) for source in target.sources.values())


def test_one_that_runs_on_a_standby_is_stopped() -> None:
    target = cluster()
    target.put("orders", WANTED[0].config)
    assert applied(target, "stopped") == ["invoices: made, stopped", "orders: stopped"]
    assert set(target.lives.values()) == {"stopped"}


def test_elsewhere_one_that_somebody_has_stopped_stays_so() -> None:
    target = cluster()
    applied(target, None)
    target.stop("orders")
    assert applied(target, None) == []
    assert target.lives == {"orders": "stopped", "invoices": "running"}


@pytest.mark.parametrize(
    "arguments", [("connect", "switch", "prod-dr", "--yes"), ("schemas", "apply", "prod-dr")], ids=["switch", "schemas"]
)
def test_what_is_the_sources_to_do_is_refused_on_its_standby(arguments: tuple[str, ...]) -> None:
    outcome = Project(ROOT).cdc(*arguments)
    assert outcome.code == 2
    assert "prod-dr" in outcome.err
    assert "stands by" in outcome.err
    assert "that it mirrors" in outcome.err
