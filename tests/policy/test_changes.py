"""What a change must not do to what exists."""

from datetime import date, timedelta
from typing import Any

import pytest

from components.core.errors import CdcError
from components.core.rendered import Rendered
from policies.changes import judge_change
from policies.engine import Verdict
from policies.rules import changes
from tests.policy.environments import REMOVED, good, spec_with

TODAY = date(2026, 11, 22)
EXTRA = {"name": "shop_extra", "tenant": "shop", "partitions": 6}


def judged(before: dict[str, Any], after: dict[str, Any], base: str = "prod") -> Verdict:
    return judge_change(spec_with(base, before), spec_with(base, after), TODAY)


def found(verdict: Verdict) -> dict[str, tuple[str, str | None]]:
    return {finding.rule: (finding.path, finding.resource) for finding in verdict.findings}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str | None]] = {
    "change-partitions-shrink": (
        {"kafka.topics": [EXTRA]},
        {"kafka.topics": [{**EXTRA, "partitions": 3}]},
        "kafka.topics[0].partitions",
        "KafkaTopic/cdc/shop-extra",
    ),
    "change-partitions-grow": (
        {"kafka.topics": [EXTRA]},
        {"kafka.topics": [{**EXTRA, "partitions": 12}]},
        "kafka.topics[0].partitions",
        "KafkaTopic/cdc/shop-extra",
    ),
    "change-topic-removal": ({"kafka.topics": [EXTRA]}, {}, "", "KafkaTopic/cdc/shop-extra"),
    "change-user-removal": (
        {"kafka.users[1]": {"name": "reader", "owner": "x", "consumes": ["shop_*"]}},
        {},
        "",
        "KafkaUser/cdc/reader",
    ),
    "change-replication-factor": (
        {"kafka.topics": [EXTRA]},
        {"kafka.topics": [{**EXTRA, "replicas": 2}]},
        "kafka.topics[0].replicas",
        "KafkaTopic/cdc/shop-extra",
    ),
    "change-cleanup-policy": (
        {"kafka.topics": [{**EXTRA, "tiered": False}]},
        {"kafka.topics": [{**EXTRA, "cleanup": "compact"}]},
        "kafka.topics[0].cleanup",
        "KafkaTopic/cdc/shop-extra",
    ),
    "change-tiering-off": (
        {"kafka.topics": [EXTRA]},
        {"kafka.topics": [{**EXTRA, "tiered": False}]},
        "kafka.topics[0].tiered",
        "KafkaTopic/cdc/shop-extra",
    ),
    "change-storage-shrink": ({}, {"kafka.brokers.storage.size": "100Gi"}, "kafka.brokers.storage.size", None),
    "change-fewer-nodes": ({"kafka.brokers.replicas": 5}, {}, "kafka.brokers.replicas", None),
    "change-broker-drain": (
        {"kafka.brokers.replicas": 5, "kafka.cruiseControl.autoRebalance": False},
        {"kafka.cruiseControl.autoRebalance": False},
        "kafka.brokers.replicas",
        None,
    ),
    "change-connect-colour": ({}, {"connect.active": "green"}, "connect.active", None),
    "change-identity": ({}, {"kafka.name": "other"}, "kafka.name", None),
    "change-listener": ({}, {"kafka.listeners[1]": {"name": "other", "port": 9097}}, "kafka.listeners", None),
    "change-metadata-downgrade": ({}, {"kafka.metadataVersion": "4.2-IV0"}, "kafka.metadataVersion", None),
    "change-version-downgrade": (
        {"kafka.metadataVersion": "4.2-IV0"},
        {"kafka.metadataVersion": "4.2-IV0", "kafka.version": "4.3.0"},
        "kafka.version",
        None,
    ),
    "change-tier-lowered": ({}, {"tier": "staging"}, "tier", None),
}


def test_every_rule_about_changes_has_a_case() -> None:
    assert set(CASES) == {rule.id for rule in changes.RULES}


@pytest.mark.parametrize("rule", CASES)
def test_a_change_is_found_where_it_is_made(rule: str) -> None:
    before, after, path, resource = CASES[rule]
    assert found(judged(before, after))[rule] == (path, resource)


@pytest.mark.parametrize("rule", CASES)
def test_no_change_is_no_finding(rule: str) -> None:
    before, after, _, _ = CASES[rule]
    assert judged(before, before).findings == ()
    assert judged(after, after).findings == ()


def test_one_volume_less_is_a_shrinking_disk() -> None:
    verdict = judged({"kafka.brokers.storage.volumes": 2}, {})
    assert found(verdict)["change-storage-shrink"] == ("kafka.brokers.storage.volumes", None)


def test_a_listener_that_moves_is_noticed() -> None:
    verdict = judged({}, {"kafka.listeners[0].port": 9097})
    assert "moves from port 9093 to 9097" in verdict.findings[0].message


def test_growth_and_additions_pass() -> None:
    verdict = judged({}, {"kafka.brokers.replicas": 5, "kafka.brokers.storage.size": "1Ti", "kafka.topics": [EXTRA]})
    assert verdict.findings == ()


@pytest.mark.parametrize("tier", ["production", "staging"])
def test_a_topic_goes_only_with_a_waiver_for_it(tier: str) -> None:
    before = {"tier": tier, "kafka.topics": [EXTRA, {**EXTRA, "name": "shop_other"}]}
    given = {
        "rule": "change-topic-removal",
        "path": "KafkaTopic/cdc/shop-extra",
        "owner": "team-shop",
        "reason": "moved to another cluster",
        "expires": (TODAY + timedelta(days=7)).isoformat(),
    }
    verdict = judged(before, {"tier": tier, "waivers": [given]})
    assert [finding.resource for finding in verdict.waived] == ["KafkaTopic/cdc/shop-extra"]
    assert [finding.resource for finding in verdict.failures] == ["KafkaTopic/cdc/shop-other"]
    expired = judged(before, {"tier": tier, "waivers": [{**given, "expires": TODAY.isoformat()}]})
    assert len(expired.failures) == 2


def test_a_renamed_topic_is_a_removed_one() -> None:
    verdict = judged({}, {"pipelines[0].dlq": {"name": "shop_orders_letters"}})
    assert found(verdict)["change-topic-removal"] == ("", "KafkaTopic/cdc/shop-orders-dlq")
    assert not verdict.passed


def test_lowering_the_tier_in_the_same_change_excuses_from_nothing() -> None:
    verdict = judged({"kafka.topics": [EXTRA]}, {"tier": "development"})
    assert verdict.tier == "production"
    assert {"change-tier-lowered", "change-topic-removal"} <= {finding.rule for finding in verdict.failures}


def test_a_topic_may_go_from_a_development_environment() -> None:
    verdict = judged({"pipelines[0].dlq": {"name": "shop_old"}}, {}, base="dev")
    assert verdict.passed
    assert found(verdict)["change-topic-removal"] == ("", "Topic/shop_old")


def test_a_rendered_tree_is_compared_like_the_spec_it_was_rendered_from() -> None:
    tree = Rendered(manifests=good().rendered.manifests)
    assert judge_change(tree, good().spec, TODAY).findings == ()
    after = spec_with(
        "prod", {"pipelines[0].tables": {}, "kafka.brokers.storage.size": "1Gi", "pipelines[1].dlq": {"name": "shop_x"}}
    )
    verdict = judge_change(tree, after, TODAY)
    assert {"change-partitions-shrink", "change-storage-shrink", "change-topic-removal"} <= set(found(verdict))


def test_a_tree_without_a_cluster_cannot_be_compared() -> None:
    with pytest.raises(CdcError, match="holds 0 Kafka objects"):
        judge_change(Rendered(), good().spec, TODAY)


def test_brokers_that_are_emptied_first_may_go() -> None:
    verdict = judged({"kafka.brokers.replicas": 5}, {})
    assert verdict.passed
    assert set(found(verdict)) == {"change-fewer-nodes"}


def test_on_docker_nothing_empties_a_broker() -> None:
    verdict = judged({"kafka.brokers": 4}, {}, base="docker")
    assert [finding.rule for finding in verdict.failures] == ["change-broker-drain"]


def test_a_colour_swapped_by_hand_is_noticed_in_a_tree_as_in_a_spec_and_says_what_moves_connectors() -> None:
    tree = Rendered(manifests=good().rendered.manifests)
    verdict = judge_change(tree, spec_with("prod", {"connect.active": "green"}), TODAY)
    [finding] = [finding for finding in verdict.findings if finding.rule == "change-connect-colour"]
    assert finding.message == "the connectors go from blue to green"
    assert verdict.passed
    [rule] = [rule for rule in changes.RULES if rule.id == "change-connect-colour"]
    assert "cdc connect switch" in rule.remedy


def test_a_connect_that_was_not_there_may_begin_with_either_colour() -> None:
    nothing = {"connect": REMOVED}
    assert "change-connect-colour" not in found(judged(nothing, {"connect.active": "green"}))


def test_removed_controllers_are_noticed() -> None:
    verdict = judged({}, {"kafka.controllers": 0})
    assert found(verdict)["change-fewer-nodes"] == ("kafka.controllers.replicas", None)
