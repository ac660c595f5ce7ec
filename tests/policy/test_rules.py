"""Each rule: refuses its bad cases, naming the place, and finds nothing in the environment they were made from."""

import re
from typing import Any

import pytest

from policies.model import Rule, Subject
from policies.rules import ALL, AREAS, changes, waivers
from tests.policy.cases import CASES, Case
from tests.policy.environments import good, with_manifests, with_spec

RULES = {rule.id: rule for rule in ALL}
EVERY_RULE: list[Rule[Any]] = [*ALL, *changes.RULES, *waivers.RULES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_environment_is_refused_where_it_is_broken(case: Case) -> None:
    found = list(RULES[case.rule].check(case.broken()))
    assert (case.path, case.resource) in [(violation.path, violation.resource) for violation in found]
    assert all(violation.message for violation in found)


@pytest.mark.parametrize("base", sorted({case.base for case in CASES}))
@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in ALL])
def test_the_environment_that_is_not_broken_keeps_every_rule_it_is_used_for(rule: Rule[Subject], base: str) -> None:
    if base == "prod" or rule.id in {case.rule for case in CASES if case.base == base}:
        kept_apart = {"environment-one-machine", "kafka-tiered-store"} if base == "docker" else set()
        assert rule.id in kept_apart or list(rule.check(good(base))) == []


def test_every_rule_has_a_case_that_breaks_it() -> None:
    assert {case.rule for case in CASES} == set(RULES)


def test_no_case_repeats_a_secret() -> None:
    for case in CASES:
        if case.rule == "literal-secret":
            found = list(RULES[case.rule].check(case.broken()))
            assert not [violation for violation in found if "hunter2" in repr(violation)]


def test_rules_have_ids_of_their_own_that_are_kebab_words() -> None:
    ids = [rule.id for rule in EVERY_RULE]
    assert len(ids) == len(set(ids))
    assert not [rule_id for rule_id in ids if not re.fullmatch(r"[a-z]+(-[a-z]+)*", rule_id)]


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in EVERY_RULE])
def test_a_rule_says_what_why_what_to_do_and_who_says_so(rule: Rule[Any]) -> None:
    assert all(text.strip() == text and text for text in (rule.title, rule.why, rule.remedy, rule.source))
    assert rule.why.endswith(".")
    assert rule.remedy.endswith(".")
    assert set(rule.levels) == {"production", "staging", "development"}
    assert "disabled" not in (rule.levels["production"],)


def test_a_rule_is_never_weaker_in_a_stricter_tier() -> None:
    weight = {"disabled": 0, "advisory": 1, "mandatory": 2}
    for rule in EVERY_RULE:
        weights = [weight[rule.levels[tier]] for tier in ("development", "staging", "production")]
        assert weights == sorted(weights), rule.id


def test_what_takes_a_bad_default_is_not_told_one_by_one() -> None:
    found = list(RULES["kafka-replication-factor"].check(with_spec({"kafka.topicDefaults": {"replicas": 1}})))
    assert [violation.path for violation in found] == ["kafka.topicDefaults.replicas"]
    assert re.search(r"; [0-9]{2,} take that$", found[0].message)


def test_a_container_has_the_rights_that_its_pod_says() -> None:
    def leave_it_to_the_pod(body: dict[str, Any]) -> None:
        for container in ("kafkaContainer", "initContainer"):
            body["spec"]["kafka"]["template"][container]["securityContext"].pop("runAsNonRoot", None)

    assert list(RULES["workload-pod-rights"].check(with_manifests(leave_it_to_the_pod, "Kafka"))) == []


def test_plain_text_between_nodes_is_told_by_its_own_rule_alone() -> None:
    subject = with_spec({"kafka.tls": {"internal": False}, "kafka.authorization": {"type": "none"}}, base="docker")
    assert list(RULES["kafka-listener-encryption"].check(subject)) == []
    assert list(RULES["kafka-listener-authentication"].check(subject)) == []


def test_a_tenant_may_reach_its_own_names_by_prefix() -> None:
    subject = with_spec({"pipelines[0].sinkUser": {"access": {"reads": ["shop_*"]}}})
    assert list(RULES["kafka-tenant-isolation"].check(subject)) == []


def test_every_rule_is_in_one_area() -> None:
    assert sorted(rule.id for rules in AREAS.values() for rule in rules) == sorted(RULES)
