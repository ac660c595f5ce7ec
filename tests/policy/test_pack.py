"""The CrossGuard pack, given what the SDK gives to policies: proxies, floats, and values that are not known yet."""

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pulumi_policy import EnforcementLevel, Policy, ResourceValidationArgs, ResourceValidationPolicy, StackValidationPolicy
from pulumi_policy.policy import PolicyCustomTimeouts, PolicyResource, PolicyResourceOptions, StackValidationArgs
from pulumi_policy.proxy import UNKNOWN_OBJECT_VALUE, UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policies import engine, pack
from policies.rules import AREAS, waivers
from tests.policy.environments import good, spec_with

TODAY = date(2026, 11, 22)
PLATFORM = "cdc:platform:CdcPlatform"
URN = f"urn:pulumi:prod::cdc-platform::{PLATFORM}::prod"
NESTED = f"urn:pulumi:prod::cdc-platform::{PLATFORM}$cdc:kafka:KafkaCluster::prod-kafka"
OPTIONS = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
POLICIES = pack.policies(lambda: TODAY)


def as_sent(value: Any) -> Any:
    """Plain values as they come over the wire: every number a float."""
    if isinstance(value, dict):
        return {key: as_sent(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_sent(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def inputs(stack: str = "prod", **changes: Any) -> dict[str, Any]:
    spec = spec_with(stack, {key.replace("__", "."): value for key, value in changes.items()})
    return {"environment": as_sent(spec.published())}


def reported(props: dict[str, Any], resource_type: str = PLATFORM, urn: str = URN) -> dict[str, list[str]]:
    """Messages by policy."""
    found: dict[str, list[str]] = {}
    for policy in POLICIES:
        if isinstance(policy, ResourceValidationPolicy):
            args = ResourceValidationArgs(resource_type, unknown_checking_proxy(props), urn, "prod", OPTIONS, None)
            policy.validate(args, _into(found.setdefault(policy.name, [])))
    return {name: messages for name, messages in found.items() if messages}


def reported_of_stack(*resources: tuple[str, dict[str, Any]]) -> list[str]:
    found: list[str] = []
    listed = [
        PolicyResource(kind, unknown_checking_proxy(props), URN, "prod", OPTIONS, None, None, [], {})
        for kind, props in resources
    ]
    for policy in POLICIES:
        if isinstance(policy, StackValidationPolicy):
            policy.validate(StackValidationArgs(listed), _into(found))
    return found


def _into(messages: list[str]) -> Callable[[str, str | None], None]:
    return lambda message, _urn: messages.append(message)


@pytest.mark.parametrize("stack", ["dev", "prod", "prod-dr"])
def test_the_stacks_pass(stack: str) -> None:
    assert set(reported(inputs(stack))) <= {"advice"}


def test_a_broken_rule_is_reported_by_its_area_with_id_place_and_remedy() -> None:
    found = reported(inputs(kafka__topicDefaults={"replicas": 1, "minInSyncReplicas": 1}))
    assert set(found) == {"kafka-replication", "kafka-storage"}
    message = next(message for message in found["kafka-replication"] if message.startswith("kafka-replication-factor:"))
    assert "kafka.topicDefaults.replicas" in message
    assert "→ Set kafka.topicDefaults.replicas" in message


def test_what_is_advice_in_this_tier_is_advice_here() -> None:
    assert set(reported(inputs(kafka__controllers__replicas=4))) == {"kafka-replication"}
    assert set(reported(inputs(kafka__controllers__replicas=4, tier="staging"))) == {"advice"}


def test_a_waiver_holds_here_too_and_its_end_too() -> None:
    waiver = {"rule": "kafka-heap", "owner": "x", "reason": "agreed in the review"}
    heap = {"kafka__brokers__jvm__heap": "6Gi"}
    assert reported(inputs(**heap, waivers=[{**waiver, "expires": "2027-03-01"}])) == {}
    assert set(reported(inputs(**heap, waivers=[{**waiver, "expires": "2026-11-22"}]))) == {"kafka-topics", "waivers"}


def test_the_verdict_is_that_of_the_check() -> None:
    changes = {"kafka.brokers.jvm.heap": "6Gi", "kafka.racks": None, "pipelines[0].dlq": {"replicas": 1}}
    verdict = engine.judge(engine.Subject.of(spec_with("prod", changes)), TODAY)
    found = reported({"environment": as_sent(spec_with("prod", changes).published())})
    told = {message.partition(":")[0] for messages in found.values() for message in messages}
    assert told == {finding.rule for finding in (*verdict.failures, *verdict.advice)}
    assert len(told) > 2


@pytest.mark.parametrize(
    ("props", "why"),
    [
        ({}, "no input environment"),
        ({"environment": UNKNOWN_OBJECT_VALUE}, "environment is not known before the update"),
        ({"environment": {"name": "prod", "tier": UNKNOWN_STRING_VALUE}}, "environment.tier is not known before the update"),
        (
            {"environment": {"name": "prod", "kafka": {"racks": [UNKNOWN_STRING_VALUE]}}},
            "environment.kafka.racks.0 is not known",
        ),
        ({"environment": {"tier": "production"}}, "it has no name"),
        ({"environment": "prod"}, "it has no name"),
        ({"environment": None}, "it has no name"),
        ({"environment": {"name": "prod", "tier": "production", "targget": "docker"}}, "targget"),
    ],
)
def test_a_spec_that_cannot_be_judged_is_a_mandatory_violation_told_once(props: dict[str, Any], why: str) -> None:
    found = reported(props)
    assert set(found) == {"spec-can-be-judged"}
    assert len(found["spec-can-be-judged"]) == 1
    assert why in found["spec-can-be-judged"][0]


def test_a_rule_that_fails_is_a_mandatory_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(subject: engine.Subject, today: date) -> engine.Verdict:
        from tests.policy.verdicts import BROKEN_RULE

        broken = type(BROKEN_RULE)(
            "kafka-racks",
            "t",
            "w.",
            "r.",
            "s",
            {"production": "advisory", "staging": "advisory", "development": "advisory"},
            BROKEN_RULE.check,
        )
        return engine.judge(subject, today, [broken])

    monkeypatch.setattr(pack, "judge", fails)
    pack._verdict.cache_clear()
    found = reported(inputs())
    pack._verdict.cache_clear()
    assert set(found) == {"kafka-replication"}
    assert "could not run" in found["kafka-replication"][0]


def test_a_component_inside_another_need_not_carry_the_spec() -> None:
    assert reported({}, "cdc:kafka:KafkaCluster", NESTED) == {}


def test_a_component_that_stands_alone_must_carry_it() -> None:
    alone = "urn:pulumi:prod::cdc-platform::my:own:Component$cdc:kafka:KafkaCluster::kafka"
    assert set(reported({}, "cdc:kafka:KafkaCluster", alone)) == {"spec-can-be-judged"}


def test_a_nested_component_with_a_spec_of_its_own_is_judged() -> None:
    found = reported(inputs(kafka__brokers__jvm__heap="6Gi"), "cdc:kafka:KafkaCluster", NESTED)
    assert set(found) == {"kafka-topics"}


def test_other_resources_are_none_of_its_business() -> None:
    assert reported({"environment": UNKNOWN_OBJECT_VALUE}, "kubernetes:core/v1:Namespace") == {}


def test_a_stack_in_which_nothing_was_judged_is_refused() -> None:
    assert reported_of_stack(("pulumi:pulumi:Stack", {}), (PLATFORM, {})) == []  # the engine shows outputs here, not inputs
    assert len(reported_of_stack(("pulumi:pulumi:Stack", {}), ("kubernetes:core/v1:Namespace", inputs()))) == 1


def test_a_spec_is_judged_once_however_many_policies_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def counted(subject: engine.Subject, today: date) -> engine.Verdict:
        judged.append(subject.spec.name)
        return engine.judge(subject, today)

    monkeypatch.setattr(pack, "judge", counted)
    pack._verdict.cache_clear()
    reported(inputs())
    reported(inputs())
    assert judged == ["prod"]


def test_mandatory_and_advisory_are_told_apart() -> None:
    assert {policy.name for policy in POLICIES if policy.enforcement_level is not EnforcementLevel.MANDATORY} == {"advice"}


def test_every_area_has_its_policy_and_every_policy_a_name_of_its_own() -> None:
    names = [policy.name for policy in POLICIES]
    assert len(names) == len(set(names))
    assert {*AREAS, "waivers", "advice", "spec-can-be-judged", "stack-is-judged"} == set(names)
    assert all(isinstance(policy, Policy) and policy.description for policy in POLICIES)
    assert waivers.RULES


def test_no_module_of_the_pack_hides_one_of_python() -> None:
    folder = Path(pack.__file__).parent
    names = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not (names - {"__init__", "__main__", "__pycache__"}) & set(sys.stdlib_module_names)


def test_the_good_spec_survives_the_wire() -> None:
    plain = pack._plain(unknown_checking_proxy(inputs())["environment"])
    assert plain == good().spec.published()
