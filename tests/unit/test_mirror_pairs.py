"""What two environments that stand in for each other must agree on, seen where each is loaded."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import SpecError
from components.loading import load_environment
from tests.strategies.examples import pipeline, shop

MIRROR = {"source": {"environment": "prod", "bootstrap": "kafka.prod.example:9094"}}
RECOVERY = {"standby": "prod-dr"}
REGISTRY = {"replicas": 1}


def problems(root: Path, stack: str, **stacks: dict[str, Any]) -> dict[str, str]:
    """What is said of ``stack``, by path, where the project has these stacks (``_`` for ``-``)."""
    for name, value in stacks.items():
        text = json.dumps({"config": {"cdc-platform:environment": value}}, indent=1)
        (root / f"Pulumi.{name.replace('_', '-')}.yaml").write_text(text)
    try:
        load_environment(root, stack)
    except SpecError as error:
        return {problem.path: f"{problem.message}; {problem.remedy}" for problem in error.problems}
    return {}


def prod(**more: Any) -> dict[str, Any]:
    return {**shop(), "disasterRecovery": RECOVERY, **more}


def dr(**more: Any) -> dict[str, Any]:
    return {**shop(), "mirrorMaker": MIRROR, **more}


def test_a_pair_that_agrees_is_accepted_on_both_sides(tmp_path: Path) -> None:
    assert problems(tmp_path, "prod", prod=prod(), prod_dr=dr()) == {}
    assert problems(tmp_path, "prod-dr") == {}


def test_a_standby_that_does_not_exist_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    found = problems(tmp_path, "prod", prod=prod(disasterRecovery="prod-rd"), prod_dr=dr())
    assert "no Pulumi.prod-rd.yaml" in found["disasterRecovery.standby"]
    assert "prod-dr" in found["disasterRecovery.standby"]


def test_a_source_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "no Pulumi.prod.yaml" in problems(tmp_path, "prod-dr", prod_dr=dr())["mirrorMaker.source.environment"]


def test_what_is_refused_is_told_with_its_line(tmp_path: Path) -> None:
    problems(tmp_path, "prod", prod=prod(disasterRecovery="nowhere"))
    with pytest.raises(SpecError) as refused:
        load_environment(tmp_path, "prod")
    assert [bool(problem.line) for problem in refused.value.problems] == [True]


def test_a_standby_that_mirrors_nothing_or_another_is_refused(tmp_path: Path) -> None:
    assert "mirrors nothing" in problems(tmp_path, "prod", prod=prod(), prod_dr=shop())["disasterRecovery.standby"]
    other = dr(mirrorMaker={"source": {**MIRROR["source"], "environment": "test"}})
    assert "mirrors test" in problems(tmp_path, "prod", prod=prod(), prod_dr=other, test=shop())["disasterRecovery.standby"]


def test_a_source_that_has_another_standby_or_none_is_refused(tmp_path: Path) -> None:
    said = "mirrorMaker.source.environment"
    assert "no standby" in problems(tmp_path, "prod-dr", prod=shop(), prod_dr=dr())[said]
    found = problems(tmp_path, "prod-dr", prod=prod(disasterRecovery="other"), other=dr(), prod_dr=dr())
    assert "other for its standby" in found[said]


def test_a_circle_of_mirrors_is_refused_on_every_side(tmp_path: Path) -> None:
    back = {"source": {"environment": "prod-dr", "bootstrap": "dr:9092"}}
    both = {"prod": prod(mirrorMaker=back), "prod_dr": dr(disasterRecovery="prod")}
    for stack in ("prod", "prod-dr"):
        found = problems(tmp_path, stack, **both)
        assert "circle" in found["mirrorMaker.source.environment"]
        assert "circle" in found["disasterRecovery.standby"]


def test_a_circle_of_three_is_refused(tmp_path: Path) -> None:
    def link(source: str, standby: str) -> dict[str, Any]:
        return {
            **shop(),
            "mirrorMaker": {"source": {"environment": source, "bootstrap": "x:9092"}},
            "disasterRecovery": standby,
        }

    found = problems(tmp_path, "a", a=link("c", "b"), b=link("a", "c"), c=link("b", "a"))
    assert "a → c → b → a" in found["mirrorMaker.source.environment"]


def test_after_a_failover_the_old_source_may_follow_the_new_one(tmp_path: Path) -> None:
    old = {**shop(), "mirrorMaker": {"source": {"environment": "prod-dr", "bootstrap": "dr:9092"}}}
    new = dr(mirrorMaker={**MIRROR, "failedOver": True}, disasterRecovery="prod")
    assert problems(tmp_path, "prod", prod=old, prod_dr=new) == {}
    assert problems(tmp_path, "prod-dr") == {}


@pytest.mark.parametrize("field", ["rpo", "rto"])
def test_both_sides_promise_the_same(tmp_path: Path, field: str) -> None:
    found = problems(tmp_path, "prod", prod=prod(disasterRecovery={**RECOVERY, field: "2m"}), prod_dr=dr())
    assert "is 2m" in found[f"disasterRecovery.{field}"]


def test_a_mirrored_topic_with_other_partitions_is_refused(tmp_path: Path) -> None:
    own = shop({"pipelines[0].topic": {"partitions": 4}})
    found = problems(tmp_path, "prod-dr", prod=prod(), prod_dr={**own, "mirrorMaker": MIRROR})
    assert "4 partition(s), and 10 in prod" in found["pipelines[0].topic.partitions"]


def test_a_mirrored_topic_with_fewer_replicas_is_refused(tmp_path: Path) -> None:
    own = shop({"kafka.topicDefaults": {"replicas": 2}})
    found = problems(tmp_path, "prod-dr", prod=prod(), prod_dr={**own, "mirrorMaker": MIRROR})
    assert any("2 replica(s), and 3 in prod" in text for text in found.values())


def test_registries_of_two_kinds_are_refused(tmp_path: Path) -> None:
    registry = {"distribution": "apicurio", "replicas": 1}
    found = problems(
        tmp_path,
        "prod-dr",
        prod=prod(schemaRegistry=registry),
        prod_dr=dr(schemaRegistry={**registry, "distribution": "confluent"}),
    )
    assert "cannot read what apicurio" in found["schemaRegistry.distribution"]
    assert "nobody could read here" in problems(tmp_path, "prod-dr", prod_dr=dr())["schemaRegistry"]


def test_connectors_that_would_not_find_their_positions_are_refused(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "prod-dr",
        prod=prod(connect={"image": "x:1", "active": "green"}, schemaRegistry=REGISTRY),
        prod_dr=dr(connect={"image": "x:1"}, schemaRegistry=REGISTRY),
    )
    assert "green in prod" in found["connect.active"]


def test_replication_ids_that_both_sides_use_are_refused(tmp_path: Path) -> None:
    connect = {"image": "x:1", "serverIds": {"orders": 7000}}
    both = {"connect": connect, "schemaRegistry": REGISTRY}
    found = problems(tmp_path, "prod-dr", prod=prod(**both), prod_dr=dr(**both))
    assert "7001 of orders (green)" in found["connect.serverIds"] or "7000 of orders (blue)" in found["connect.serverIds"]


def test_a_partner_that_is_refused_itself_is_left_to_its_own_check(tmp_path: Path) -> None:
    broken = dr(kafka={"brokers": -1})
    assert problems(tmp_path, "prod", prod=prod(), prod_dr=broken) == {}
    assert "kafka.brokers.replicas" in "".join(problems(tmp_path, "prod-dr"))


def test_environments_without_partners_read_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.broken.yaml").write_text(":::")
    assert problems(tmp_path, "prod", prod=shop({"pipelines[1]": pipeline("other")})) == {}
