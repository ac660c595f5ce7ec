"""What the engine makes of rules: nothing swallowed, waivers bounded, the order always the same."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from policies.engine import Finding, Subject, Verdict, judge
from policies.model import EVERYWHERE, Rule, Violation, levels
from policies.rules import ALL, waivers
from tests.policy.environments import good, with_spec

TODAY = date(2026, 11, 22)
TOMORROW = TODAY + timedelta(days=1)


def rule(rule_id: str, *violations: Violation, weight: Any = EVERYWHERE) -> Rule[Subject]:
    return Rule(rule_id, "Title", "Why.", "Do it.", "Source", weight, lambda _: violations)


def raising(error: Exception, weight: Any = EVERYWHERE) -> Rule[Subject]:
    def check(_: Subject) -> Iterator[Violation]:
        yield Violation("kafka", "found before it failed")
        raise error

    return Rule("kafka-heap", "Title", "Why.", "Do it.", "Source", weight, check)


def waiver(rule_id: str, expires: date, path: str | None = None) -> dict[str, object]:
    place = {} if path is None else {"path": path}
    return {"rule": rule_id, **place, "owner": "team-shop", "reason": "agreed in the review", "expires": expires.isoformat()}


def found(verdict: Verdict) -> list[tuple[str, str]]:
    return [(finding.rule, finding.path) for finding in verdict.findings]


@pytest.mark.parametrize("stack", ["prod", "prod-dr"])
def test_production_is_clean(stack: str) -> None:
    verdict = judge(good(stack), TODAY)
    assert verdict.passed
    assert verdict.findings == ()


def test_development_passes_with_little_advice() -> None:
    verdict = judge(good("dev"), TODAY)
    assert verdict.passed
    assert len(verdict.advice) <= 3


def test_a_lowered_replication_factor_fails_and_names_rule_and_field() -> None:
    verdict = judge(with_spec({"kafka.topicDefaults": {"replicas": 1}}), TODAY)
    assert not verdict.passed
    assert ("kafka-replication-factor", "kafka.topicDefaults.replicas") in found(verdict)


def test_a_disabled_rule_does_not_run() -> None:
    broken = raising(ZeroDivisionError(), levels("disabled", "mandatory", "mandatory"))
    verdict = judge(good(), TODAY, [broken])
    assert verdict.passed
    assert broken not in verdict.rules


def test_an_advisory_rule_does_not_fail_the_check() -> None:
    verdict = judge(good(), TODAY, [rule("x", Violation("kafka", "m"), weight=levels("advisory", "advisory", "advisory"))])
    assert verdict.passed
    assert [finding.level for finding in verdict.findings] == ["advisory"]


@pytest.mark.parametrize("weight", [EVERYWHERE, levels("advisory", "advisory", "advisory")])
def test_a_rule_that_raises_fails_the_check_whatever_its_level(weight: Any) -> None:
    verdict = judge(good(), TODAY, [raising(ZeroDivisionError("division by zero"), weight)])
    assert not verdict.passed
    failure = next(finding for finding in verdict.findings if not finding.ran)
    assert (failure.rule, failure.level) == ("kafka-heap", "mandatory")
    assert "ZeroDivisionError" in failure.message
    assert "check, line" in failure.message


def test_what_a_rule_found_before_it_raised_is_kept() -> None:
    verdict = judge(good(), TODAY, [raising(KeyError("spec"))])
    assert "found before it failed" in [finding.message for finding in verdict.findings]


def test_an_error_that_could_repeat_a_value_is_not_repeated() -> None:
    verdict = judge(good(), TODAY, [raising(ValueError("could not read hunter2"))])
    assert "hunter2" not in repr(verdict.findings)


def test_a_rule_that_raises_cannot_be_waived() -> None:
    subject = with_spec({"waivers": [waiver("kafka-heap", TOMORROW)]})
    verdict = judge(subject, TODAY, [raising(ZeroDivisionError())])
    assert not verdict.passed
    assert [finding.ran for finding in verdict.failures] == [False]


def test_a_raising_rule_stops_no_other() -> None:
    verdict = judge(good(), TODAY, [raising(ZeroDivisionError()), rule("names", Violation("kafka", "m"))])
    assert "names" in [finding.rule for finding in verdict.findings]


BROKEN = {"kafka.brokers.jvm.heap": "6Gi", "kafka.controllers.jvm": "1536Mi"}


def judged_with(*given: dict[str, object], today: date = TODAY) -> Verdict:
    return judge(with_spec({**BROKEN, "waivers": list(given)}), today)


def test_a_waiver_keeps_the_finding_and_says_whose_it_is() -> None:
    verdict = judged_with(waiver("kafka-heap", TODAY + timedelta(days=90)))
    assert verdict.passed
    assert [finding.path for finding in verdict.waived] == ["kafka.brokers.jvm.heap", "kafka.controllers.jvm.heap"]
    assert {(f.waiver.owner, f.waiver.reason) for f in verdict.waived if f.waiver} == {("team-shop", "agreed in the review")}


def test_a_waiver_for_a_path_covers_it_and_its_parts_alone() -> None:
    verdict = judged_with(waiver("kafka-heap", TODAY + timedelta(days=90), "kafka.brokers"))
    assert [finding.path for finding in verdict.waived] == ["kafka.brokers.jvm.heap"]
    assert [finding.path for finding in verdict.failures] == ["kafka.controllers.jvm.heap"]


@pytest.mark.parametrize("path", ["kafka.broker", "kafka.brokers.jvm.hea", "kafka.brokers.jvm.heap.more", "jvm", ".kafka"])
def test_a_waiver_covers_no_other_path(path: str) -> None:
    verdict = judged_with(waiver("kafka-heap", TODAY + timedelta(days=90), path))
    assert verdict.waived == ()


def test_a_waiver_covers_one_item_of_a_list_and_not_the_one_whose_number_begins_alike() -> None:
    topics = [{"name": f"shop_a_{i}", "tenant": "shop", "replicas": 2} for i in range(11)]
    given = waiver("kafka-replication-factor", TODAY + timedelta(days=90), "kafka.topics[1]")
    verdict = judge(with_spec({"kafka.topics": topics, "waivers": [given]}), TODAY)
    assert [finding.path for finding in verdict.waived] == ["kafka.topics[1].replicas"]
    assert "kafka.topics[10].replicas" in [finding.path for finding in verdict.failures]


def test_a_waiver_may_name_an_object() -> None:
    changes = {"pipelines[0].dlq": {"replicas": 1}}
    given = waiver("kafka-replication-factor", TODAY + timedelta(days=90), "KafkaTopic/cdc/shop-orders-dlq")
    verdict = judge(with_spec({**changes, "waivers": [given]}), TODAY)
    assert [finding.resource for finding in verdict.waived] == ["KafkaTopic/cdc/shop-orders-dlq"]


def test_a_waiver_of_one_rule_covers_no_other() -> None:
    verdict = judged_with(waiver("kafka-racks", TODAY + timedelta(days=90)))
    assert len(verdict.failures) == 2


def test_an_expired_waiver_covers_nothing_and_fails_by_itself() -> None:
    verdict = judged_with(waiver("kafka-heap", TODAY))
    assert not verdict.passed
    assert verdict.waived == ()
    assert ("waiver-expired", "waivers[0].expires") in found(verdict)
    assert "waiver-unused" not in [finding.rule for finding in verdict.findings]


def test_a_waiver_holds_until_the_day_before_it_expires() -> None:
    verdict = judged_with(waiver("kafka-heap", TOMORROW))
    assert verdict.passed
    assert ("waiver-expiring", "waivers[0].expires") in found(verdict)


@pytest.mark.parametrize(("days", "announced"), [(1, True), (14, True), (15, False)])
def test_the_end_of_a_waiver_is_announced_two_weeks_before(days: int, announced: bool) -> None:
    verdict = judged_with(waiver("kafka-heap", TODAY + timedelta(days=days)))
    assert ("waiver-expiring" in [finding.rule for finding in verdict.advice]) is announced


def test_a_waiver_of_an_unknown_rule_fails_and_names_the_nearest() -> None:
    verdict = judged_with(waiver("kafka-heep", TODAY + timedelta(days=90)))
    failure = next(finding for finding in verdict.failures if finding.rule == "waiver-unknown-rule")
    assert failure.path == "waivers[0].rule"
    assert "did you mean kafka-heap?" in failure.message


@pytest.mark.parametrize("rule_id", [rule.id for rule in waivers.RULES])
def test_rules_about_waivers_cannot_be_waived(rule_id: str) -> None:
    expired = waiver("kafka-heap", TODAY)
    verdict = judged_with(expired, waiver(rule_id, TODAY + timedelta(days=90)))
    assert not verdict.passed
    assert ("waiver-expired", "waivers[0].expires") in found(verdict)
    assert ("waiver-unknown-rule", "waivers[1].rule") in found(verdict)


def test_a_waiver_that_covers_nothing_is_advice() -> None:
    verdict = judge(with_spec({"waivers": [waiver("kafka-heap", TODAY + timedelta(days=90))]}), TODAY)
    assert verdict.passed
    assert found(verdict) == [("waiver-unused", "waivers[0]")]


def test_a_waiver_of_a_rule_about_changes_is_neither_unknown_nor_unused() -> None:
    given = waiver("change-topic-removal", TODAY + timedelta(days=90), "KafkaTopic/cdc/old")
    assert judge(with_spec({"waivers": [given]}), TODAY).findings == ()


def test_failures_come_first_then_advice_then_what_is_waived_by_natural_order_of_places() -> None:
    topics = [{"name": f"shop_a_{i}", "tenant": "shop", "replicas": 2, "maxMessage": "8MiB"} for i in range(11)]
    given = waiver("kafka-replication-factor", TODAY + timedelta(days=90), "kafka.topics[0]")
    rules = [rule for rule in ALL if rule.id in {"kafka-replication-factor", "kafka-topic-message-size"}]
    verdict = judge(with_spec({"kafka.topics": topics, "waivers": [given]}), TODAY, rules)
    kinds = ["waived" if finding.waiver else finding.level for finding in verdict.findings]
    assert kinds == ["mandatory"] * 10 + ["advisory"] * 11 + ["waived"]
    failing = [finding.path for finding in verdict.failures]
    assert failing[0] == "kafka.topics[1].replicas"
    assert failing[-1] == "kafka.topics[10].replicas"


def test_the_same_environment_gets_the_same_verdict_in_any_order_of_rules() -> None:
    subject = with_spec(BROKEN)
    assert judge(subject, TODAY).findings == judge(subject, TODAY, ALL[::-1]).findings


def test_counts_add_up() -> None:
    verdict = judged_with(waiver("kafka-heap", TODAY + timedelta(days=90), "kafka.brokers"))
    assert len(verdict.failures) + len(verdict.advice) + len(verdict.waived) == len(verdict.findings)


def test_passed_means_no_unwaived_mandatory_finding() -> None:
    finding = Finding("x", "t", "mandatory", "p", "m", "r")
    verdict = Verdict("prod", "production", TODAY, (finding,), ())
    assert not verdict.passed
    assert replace(verdict, findings=(replace(finding, level="advisory"),)).passed
