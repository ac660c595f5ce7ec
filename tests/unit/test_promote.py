"""``cdc promote``: pipelines and versions go from one environment's file to another's, and nothing else does."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from components.core import yaml_text
from components.environment import EnvironmentSpec
from components.loading import build_environment
from components.promotion.spec import MOVES, OWN, PromotionSpec
from operations.project import WrittenSpec
from operations.promoting import Side, differences, is_reference, kind_of, plan
from tests.harness.cdc_command import SMALL, Project, project
from tests.strategies.environments import environments

STAGING = SMALL.replace("tier: production", "tier: staging").replace("context: prod", "context: staging")
HEAD = "# yaml-language-server: $schema=docs/schema/stack.schema.json\n"
REFUNDS = """      # what was given back
      - name: refunds
        tenant: shop
        source:
          mysql:
            host: staging-db  # the small one
            password: "vault:staging-db#password"
            tls: {}
            tables: [shop.refunds]  # only these
        sink: {postgres: {database: warehouse, schema: shop}}
"""
SAY = (
    "--set",
    "pipelines[refunds].source.mysql.host=prod-db",
    "--set",
    "pipelines[refunds].source.mysql.password=vault:prod-db#password",
)


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    return project(tmp_path, staging=STAGING, prod=SMALL)


def told(made: Project, *arguments: str, code: int) -> dict[str, Any]:
    outcome = made.cdc("promote", "staging", "prod", "--json", *arguments)
    assert outcome.code == code, outcome.text
    found = json.loads(outcome.out)
    assert isinstance(found, dict)
    return found


def prod(made: Project) -> str:
    return (made.root / "Pulumi.prod.yaml").read_text(encoding="utf-8")


def test_two_that_differ_only_where_they_may_need_nothing(made: Project) -> None:
    found = told(made, code=0)

    assert (found["moves"], found["refused"], found["written"]) == ([], [], False)
    assert [each["path"] for each in found["kept"]] == ["tier", "kubernetes.context"]
    assert "nothing to do" in made.cdc("promote", "staging", "prod").out


def test_a_new_pipeline_is_shown_then_written_with_its_comments_and_then_there_is_nothing_to_do(made: Project) -> None:
    made.write("staging", STAGING + REFUNDS)

    told(made, *SAY, code=3)
    assert prod(made) == SMALL

    assert told(made, *SAY, "--yes", code=0)["written"]
    assert prod(made) == SMALL + REFUNDS.replace("      # what was given back\n", "").replace(
        "host: staging-db", "host: prod-db"
    ).replace('"vault:staging-db#password"', "vault:prod-db#password")
    assert told(made, *SAY, "--yes", code=0)["written"] is False


def test_servers_and_secrets_of_the_first_never_reach_the_second(made: Project) -> None:
    made.write("staging", STAGING + REFUNDS)

    found = told(made, "--yes", code=1)

    assert found["unsaid"] == ["pipelines[refunds].source.mysql.host", "pipelines[refunds].source.mysql.password"]
    assert prod(made) == SMALL
    text = made.cdc("promote", "staging", "prod").out
    assert "--set 'pipelines[refunds].source.mysql.host=…'" in text


def test_tables_schemas_and_versions_move_and_comments_stay(made: Project) -> None:
    commented = SMALL.replace("        tenant: shop\n", "        tenant: shop  # theirs\n").replace(
        "    kafka:\n", "    kafka:\n      version: 4.2.0  # for now\n      metadataVersion: 4.2-IV1\n"
    )
    made.write("prod", commented)
    made.edit("staging", "shop.order_lines]", "shop.order_lines, shop.refunds]")
    made.edit("staging", "schema: shop", "schema: shop_v2")

    found = told(made, "--yes", code=0)

    assert {each["path"] for each in found["moves"]} == {
        "kafka.version",
        "kafka.metadataVersion",
        "pipelines[orders].source.mysql.tables",
        "pipelines[orders].sink.postgres.schema",
    }
    assert "tenant: shop  # theirs" in prod(made)
    assert "version: 4.2.0" not in prod(made)
    assert "tables: [shop.orders, shop.order_lines, shop.refunds]" in prod(made)
    assert "schema: shop_v2" in prod(made)


def test_what_only_the_second_has_is_never_taken_away(made: Project) -> None:
    made.write("prod", SMALL + REFUNDS)

    found = told(made, "--yes", code=1)

    assert [each["path"] for each in found["refused"]] == ["pipelines[refunds]"]
    assert "only prod has it" in made.cdc("promote", "staging", "prod").out
    assert prod(made) == SMALL + REFUNDS


def test_a_difference_in_neither_list_is_refused_and_named(made: Project) -> None:
    made.write("prod", SMALL + "    promotion: {diverges: [kubernetes, promotion]}\n")

    found = told(made, "--yes", code=1)

    assert [(each["path"], each["to"], each["from"]) for each in found["refused"]] == [("tier", "production", "staging")]
    text = made.cdc("promote", "staging", "prod").out
    assert "✗ tier: production → staging: may neither differ nor be moved" in text
    assert "declare them under promotion in Pulumi.prod.yaml" in text


def test_what_is_declared_to_differ_stays(made: Project) -> None:
    made.write("prod", SMALL + REFUNDS + "    promotion: {diverges: [tier, kubernetes, promotion, 'pipelines[refunds]']}\n")

    assert told(made, "--yes", code=0)["refused"] == []


def test_only_the_named_pipelines_move(made: Project) -> None:
    made.write("staging", STAGING.replace("[shop.orders, ", "[shop.returns, shop.orders, ") + REFUNDS)

    found = told(made, "--pipeline", "orders", "--yes", code=0)

    assert [each["path"] for each in found["moves"]] == ["pipelines[orders].source.mysql.tables"]
    assert "refunds" not in prod(made)


def test_a_result_that_breaks_a_mandatory_rule_is_not_written(made: Project) -> None:
    """Other names would leave the topics, and what is in them, behind."""
    made.edit("staging", "naming: {", 'naming: {topic: "{tenant}_{application}_{entity}-v2", ')

    found = told(made, "--yes", code=1)

    assert found["change"]["verdict"]["passed"] is False
    assert prod(made) == SMALL


def test_a_spec_in_a_file_of_its_own_is_changed_there(made: Project) -> None:
    inner = yaml_text.load(SMALL, "x")["config"]["cdc-platform:environment"]
    (made.root / "spec.yaml").write_text("# kept\n" + yaml_text.dump(inner), encoding="utf-8")
    made.write("prod", "config: {cdc-platform:environment: spec.yaml}\n")
    made.edit("staging", "schema: shop", "schema: shop_v2")

    found = told(made, "--yes", code=0)

    assert found["file"] == "spec.yaml"
    text = (made.root / "spec.yaml").read_text(encoding="utf-8")
    assert text.startswith("# kept\n")
    assert "schema: shop_v2" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["staging", "staging"], "promoted to itself"),
        (["staging", "prod", "--pipeline", "nothing"], "staging has no pipeline nothing"),
        (["staging", "prod", "--set", "pipelines"], "is no PATH=VALUE"),
        (["staging", "prod", "--set", "pipelines[orders].tenant=x"], "is not prod's own"),
        (["staging", "nowhere"], "there is no such stack"),
        (["nowhere", "prod"], "there is no such stack"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(made: Project, arguments: list[str], message: str) -> None:
    outcome = made.cdc("promote", *arguments, "--yes")

    assert (outcome.code, message in outcome.err, prod(made)) == (2, True, SMALL), outcome.text


def test_an_environment_takes_only_from_those_that_it_names(made: Project) -> None:
    made.write("prod", SMALL + "    promotion: {sources: [qa]}\n")

    outcome = made.cdc("promote", "staging", "prod")

    assert outcome.code == 2
    assert "promoted from qa only" in outcome.err


def test_a_layout_that_cannot_be_kept_is_left_to_a_person(made: Project) -> None:
    """Two pipelines that share a part by an anchor: a change of one would be a change of both."""
    sink = "sink: {postgres: {database: warehouse, schema: shop}}"
    shared = SMALL.replace(sink, sink.replace("sink: ", "sink: &sink ")) + REFUNDS.replace(sink, "sink: *sink")
    made.write("prod", shared)
    made.write("staging", STAGING.replace("schema: shop", "schema: shop_v2", 1) + REFUNDS)

    outcome = made.cdc("promote", "staging", "prod", "--yes")

    assert (outcome.code, prod(made)) == (2, shared)
    assert "its layout is none that cdc can change and keep" in outcome.err


def test_markdown_for_a_pull_request_tells_what_changes_and_what_the_rules_say(made: Project) -> None:
    made.edit("staging", "schema: shop", "schema: shop_v2")

    outcome = made.cdc("promote", "staging", "prod", "--markdown")

    assert outcome.code == 3
    assert "| `pipelines[orders].sink.postgres.schema` | `shop` | `shop_v2` |" in outcome.out
    assert "### ✅ passed: `prod`" in outcome.out


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (("kafka", "brokers", "replicas"), "diverges"),
        (("kafka", "version"), "moves"),
        (("sink", "image"), "moves"),
        (("observability", "grafana", "image"), "moves"),
        (("pipelines", "orders"), "moves"),
        (("pipelines", "orders", "source", "mysql", "host"), "diverges"),
        (("pipelines", "orders", "source", "mysql", "tables"), "moves"),
        (("pipelines", "orders", "tables", "shop.orders", "partitions"), "diverges"),
        (("pipelines", "orders", "tables", "shop.orders", "cleanup"), "moves"),
        (("unheard",), None),
    ],
)
def test_the_longest_pattern_says_what_becomes_of_a_place(path: tuple[str, ...], kind: str | None) -> None:
    assert kind_of(path, PromotionSpec()) == kind


def test_every_field_of_an_environment_is_said_in_one_of_the_lists() -> None:
    fields = {info.alias or name for name, info in EnvironmentSpec.model_fields.items()} - {"name"}

    assert fields - {*MOVES, *OWN} == set()


@given(environments(target="docker"))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_whatever_the_pipelines_are_they_arrive_as_they_are_but_for_what_may_differ(value: dict[str, Any]) -> None:
    bare: dict[str, Any] = {key: value[key] for key in ("tier", "target", "naming") if key in value}
    source, target = _side(value, "one"), _side({**bare, "kafka": {"brokers": value["kafka"]["brokers"]}}, "two")
    pipelines = value.get("pipelines", [])
    said = {
        f"pipelines[{pipeline['name']}].source.{kind}.{key}": from_where[key]
        for pipeline in pipelines
        for kind, from_where in pipeline["source"].items()
        for key in ("host", "password")
    }

    promotion = plan(source, target, [], said)

    written = yaml_text.load(promotion.text, "two").get("pipelines", [])
    assert [pipeline["name"] for pipeline in written] == [pipeline["name"] for pipeline in pipelines]
    for theirs, ours in zip(pipelines, written, strict=True):
        for each in differences(theirs, ours):
            place = ("pipelines", str(theirs["name"]), *each.location)
            assert kind_of(place, PromotionSpec()) == "diverges" or is_reference(each.source), each.path


def _side(value: dict[str, Any], name: str) -> Side:
    return Side(build_environment(value, name, name), WrittenSpec(value, yaml_text.dump(value), name, ()))
