"""Experiments: what they may touch, when they may run, and that each has a twin on this machine."""

import ast
from pathlib import Path
from typing import Any

import pytest

from components.chaos.kinds import KINDS, NAMES
from components.core.cron import parse
from components.core.errors import SpecError, WrongValue
from components.core.rendered import Manifest
from components.environment import EnvironmentSpec
from components.observability.alerts import alerts
from components.platform import render
from tests.harness.chaos_twins import TWINS
from tests.policy.environments import good, spec_of, with_values

ROOT = Path(__file__).parents[2]
HOURLY = [{"kind": kind, "schedule": f"0 {hour} * * wed"} for hour, kind in enumerate(NAMES, start=8)]
WINDOW = {"days": ["wed"], "opens": "08:00", "closes": "18:00", "owner": "team-platform"}


def staging(**changes: Any) -> EnvironmentSpec:
    """``prod`` as a staging environment, with every experiment unless told otherwise."""
    return spec_of(with_values("prod", {"tier": "staging", "chaos": {"experiments": HOURLY}, **changes}))


def production(**chaos: Any) -> EnvironmentSpec:
    return spec_of(with_values("prod", {"chaos": {"experiments": HOURLY, "window": WINDOW, **chaos}}))


def schedules(spec: EnvironmentSpec) -> dict[str, Manifest]:
    return {manifest.name: manifest for manifest in render(spec).manifests if manifest.kind == "Schedule"}


def problems(spec: Any) -> list[str]:
    with pytest.raises(SpecError) as refused:
        spec()
    return [problem.path for problem in refused.value.problems]


def test_nothing_is_broken_where_nothing_is_declared() -> None:
    assert not [manifest for manifest in good("prod").rendered.manifests if manifest.component == "chaos"]


def test_every_experiment_is_one_schedule_that_says_what_must_hold() -> None:
    made = schedules(staging())
    assert set(made) == {f"chaos-{kind}" for kind in NAMES}
    for kind in NAMES:
        annotations = made[f"chaos-{kind}"].body["metadata"]["annotations"]
        assert annotations["cdc.platform/must-hold"] == KINDS[kind].holds
        assert (ROOT / annotations["cdc.platform/runbook"]).is_file()


def test_the_alerts_that_may_fire_exist() -> None:
    there = {alert.name for alert in alerts(good("prod").spec)}
    assert {name for kind in KINDS.values() for name in kind.alerts} <= there


def test_an_experiment_touches_one_pod_of_the_platforms_own_namespace() -> None:
    spec = staging(**{"kubernetes.namespace": "other"})
    for manifest in schedules(spec).values():
        body = manifest.body["spec"]
        [experiment] = [value for key, value in body.items() if key.endswith("Chaos")]
        chosen = [experiment["selector"], *([experiment["target"]["selector"]] if "target" in experiment else [])]
        assert experiment["mode"] == "one"
        assert body["concurrencyPolicy"] == "Forbid"
        assert [one["namespaces"] for one in chosen] == [["other"]] * len(chosen)
        assert all(one["labelSelectors"] for one in chosen)
        assert ("duration" in experiment) != (experiment.get("action") == "pod-kill")


def test_selectors_choose_what_is_rendered() -> None:
    """By the labels of the pods, or by the names of what an operator makes pods of."""
    spec = staging()
    manifests = render(spec).manifests
    names = {(manifest.kind, manifest.name) for manifest in manifests}
    pods = [m.body["spec"]["template"]["metadata"]["labels"] for m in manifests if m.kind in {"Deployment", "StatefulSet"}]
    for manifest in schedules(spec).values():
        [experiment] = [value for key, value in manifest.body["spec"].items() if key.endswith("Chaos")]
        for part in (experiment, experiment.get("target")):
            labels = {} if part is None else part["selector"]["labelSelectors"]
            cluster, pool = labels.get("strimzi.io/cluster"), labels.get("strimzi.io/pool-name")
            if cluster is not None:
                assert {("Kafka", cluster), ("KafkaConnect", cluster)} & names
                assert pool is None or ("KafkaNodePool", pool) in names
            elif "cnpg.io/cluster" in labels:
                assert ("Cluster", labels["cnpg.io/cluster"]) in names
            elif labels:
                assert any(labels.items() <= pod.items() for pod in pods), labels


def test_what_an_experiment_takes_is_a_share_of_what_the_broker_has() -> None:
    loud = [{"kind": "broker-memory", "load": "50%"}, {"kind": "broker-cpu", "load": "90%", "schedule": "0 12 * * tue"}]
    made = schedules(staging(chaos={"experiments": loud}))
    memory, cpu = (made[f"chaos-{name}"].body["spec"]["stressChaos"]["stressors"] for name in ("broker-memory", "broker-cpu"))
    assert memory == {"memory": {"workers": 1, "size": "2GiB"}}
    assert cpu == {"cpu": {"workers": 4, "load": 90}}


def test_production_is_disturbed_in_its_window_only() -> None:
    made = schedules(production())
    assert {manifest.body["metadata"]["annotations"]["cdc.platform/owner"] for manifest in made.values()} == {"team-platform"}
    assert problems(lambda: spec_of(with_values("prod", {"chaos": {"experiments": ["broker-kill"]}}))) == ["chaos.window"]


@pytest.mark.parametrize(
    "experiment",
    [
        {"kind": "broker-kill", "schedule": "0 10 * * *"},
        {"kind": "broker-kill", "schedule": "59 7 * * wed"},
        {"kind": "broker-cpu", "schedule": "50 17 * * wed", "duration": "11m"},
        {"kind": "broker-kill", "schedule": "0 10 1 * wed"},
        {"kind": "broker-kill", "schedule": "0 10 * 1-11 wed"},
    ],
)
def test_a_schedule_that_leaves_the_window_is_refused(experiment: dict[str, str]) -> None:
    assert problems(lambda: production(experiments=[experiment])) == ["chaos.experiments[0].schedule"]


@pytest.mark.parametrize("second", ["0 10 * * wed", "9 10 * * 3", "51 9 * * *"])
def test_two_experiments_at_once_are_refused(second: str) -> None:
    both = [{"kind": "broker-kill", "schedule": "0 10 * * wed"}, {"kind": "broker-cpu", "schedule": second}]
    assert problems(lambda: staging(chaos={"experiments": both})) == ["chaos.experiments[1].schedule"]


def test_one_that_would_outlast_saturday_is_seen_on_sunday() -> None:
    both = [{"kind": "broker-cpu", "schedule": "55 23 * * sat"}, {"kind": "broker-kill", "schedule": "2 0 * * sun"}]
    assert problems(lambda: staging(chaos={"experiments": both})) == ["chaos.experiments[1].schedule"]


@pytest.mark.parametrize(
    ("experiment", "path"),
    [
        ({"kind": "broker-kill", "duration": "1m"}, "duration"),
        ({"kind": "broker-cpu", "latency": "1s"}, "latency"),
        ({"kind": "broker-latency", "load": "10%"}, "load"),
        ({"kind": "broker-cpu", "load": "101%"}, "load"),
        ({"kind": "broker-cpu", "duration": "61m"}, "duration"),
        ({"kind": "broker-cpu", "schedule": "@every 1h"}, "schedule"),
        ({"kind": "moon-phase"}, "kind"),
    ],
)
def test_what_an_experiment_cannot_mean_is_refused(experiment: dict[str, str], path: str) -> None:
    assert problems(lambda: staging(chaos={"experiments": [experiment]})) == [f"chaos.experiments[0].{path}"]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("broker-cpu", {"kafka.topicDefaults": {"replicas": 1}}),
        ("controller-partition", {"kafka.controllers.replicas": 1}),
        ("registry-failure", {"schemaRegistry.replicas": 1}),
        ("connect-worker-kill", {"connect.autoscaling": {"least": 1, "most": 2}}),
        ("redis-kill", {"redis": {"nodes": 1, "sentinels": 0}}),
    ],
)
def test_an_experiment_that_must_fail_is_refused(kind: str, changes: dict[str, Any]) -> None:
    """It would prove nothing but that the environment was made without what it tries."""
    assert problems(lambda: staging(chaos={"experiments": [kind]}, **changes)) == ["chaos.experiments[0].kind"]


def test_docker_has_no_chaos_mesh() -> None:
    assert problems(lambda: spec_of(with_values("docker", {"chaos": {"experiments": ["broker-kill"]}}))) == ["chaos"]


@pytest.mark.parametrize(
    ("text", "first", "count"),
    [
        ("0 10 * * 2", 2 * 1440 + 600, 1),
        ("*/20 9-10 * * mon-fri", 1440 + 540, 30),
        ("5/30 0 * * 0", 5, 2),
        ("0 0 1 * 1", 0, 7),
    ],
)
def test_a_cron_line_is_read_as_chaos_mesh_reads_it(text: str, first: int, count: int) -> None:
    starts = parse(text).starts()
    assert (starts[0], len(starts)) == (first, count)


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "0 24 * * *", "0 0 * * 7", "0 0 * * xyz", "5-1 0 * * *", "*/0 * * * *"]
)
def test_what_is_no_cron_line_is_refused(text: str) -> None:
    with pytest.raises(WrongValue):
        parse(text)


def test_every_kind_has_a_twin_that_exists() -> None:
    assert set(TWINS) == set(NAMES)
    for node in TWINS.values():
        file, _, name = node.partition("::")
        functions = [one for one in ast.parse((ROOT / file).read_text("utf-8")).body if isinstance(one, ast.FunctionDef)]
        assert name in {function.name for function in functions}, node


def test_every_kind_is_in_its_page() -> None:
    page = (ROOT / "docs" / "chaos.md").read_text("utf-8")
    for name, kind in KINDS.items():
        assert f"`{name}`" in page
        assert kind.holds in page
