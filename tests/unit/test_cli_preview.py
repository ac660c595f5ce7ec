"""``cdc preview``: everything that will be declared, and the verdicts on it."""

import json
import re
from pathlib import Path

import pytest

from components.loading import parse_environment
from components.platform import render
from tests.harness.cdc_command import SMALL, Project, copy_of_repository, project

MANY = """\
config:
  cdc-platform:environment:
    tier: production
    target: kubernetes
    tenants: [{name: shop, owner: team-shop}]
    kafka:
      topics:
"""


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    return project(tmp_path, prod=SMALL)


@pytest.mark.parametrize("stack", ["dev", "prod", "prod-dr"])
def test_the_stacks_of_this_repository_break_no_mandatory_rule(tmp_path: Path, stack: str) -> None:
    outcome = copy_of_repository(tmp_path).cdc("preview", stack)
    assert outcome.code == 0, outcome.text
    assert outcome.out.startswith(stack)
    assert "passed" in outcome.out


def test_every_object_is_shown_with_its_facts(made: Project) -> None:
    shown = made.cdc("preview", "prod").out
    for manifest in render(parse_environment(SMALL, "prod")).manifests:
        name = manifest.body.get("spec", {}).get("topicName", manifest.name)
        assert any(name in line for line in shown.splitlines()), manifest.id
    assert "3 brokers · 500Gi" in shown
    assert "24 partitions · RF 3 · min ISR 2 · 7d" in shown
    assert "forever" in next(line for line in shown.splitlines() if "schema_history" in line)


def test_a_mandatory_rule_that_is_broken_gives_1_and_says_what_to_do(made: Project) -> None:
    made.edit("prod", "      listeners:", "      topicDefaults: {replicas: 1}\n      listeners:")
    outcome = made.cdc("preview", "prod")
    assert outcome.code == 1
    assert "kafka-replication-factor" in outcome.out
    assert "kafka.topicDefaults.replicas" in outcome.out
    assert "→ Set kafka.topicDefaults.replicas" in outcome.out


def test_json_holds_every_object_the_counts_and_the_verdict(made: Project) -> None:
    described = json.loads(made.cdc("preview", "prod", "--json").out)
    ids = {"/".join(filter(None, (o["kind"], o["namespace"], o["name"]))) for o in described["objects"]}
    rendered = render(parse_environment(SMALL, "prod")).manifests
    assert len(ids) == described["total"] == sum(described["counts"].values()) == len(rendered)
    assert described["counts"]["KafkaTopic"] == len([m for m in rendered if m.kind == "KafkaTopic"])
    assert described["verdict"]["counts"]["rules"] > 30


def test_on_docker_the_topics_and_users_behind_the_containers_are_shown(tmp_path: Path) -> None:
    shown = copy_of_repository(tmp_path).cdc("preview", "dev").out
    for text in ("Container", "Volume", "Network", "topics  [0-9]+ Topic", "users  [0-9]+ User", "shop_orders_orders"):
        assert re.search(text, shown), text


def test_long_lists_are_cut_and_counted_unless_all_are_asked_for(tmp_path: Path) -> None:
    topics = "".join(f"        - {{name: shop_app_entity{n:03}, owner: team-shop}}\n" for n in range(300))
    made = project(tmp_path, big=MANY + topics)
    shown = made.cdc("preview", "big").out
    assert "… and 280 more KafkaTopic" in shown
    assert "shop_app_entity019" in shown
    assert "shop_app_entity020" not in shown
    assert len(shown.splitlines()) < 80
    everything = made.cdc("preview", "big", "--all").out
    assert all(f"shop_app_entity{n:03}" in everything for n in range(300))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(made: Project, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = made.cdc("preview", "prod").out
    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown


def test_the_stack_s_file_name_stands_for_the_stack(made: Project) -> None:
    assert made.cdc("preview", "Pulumi.prod.yaml").out == made.cdc("preview", "prod").out
