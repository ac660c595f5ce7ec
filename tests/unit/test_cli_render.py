"""``cdc render``: where it writes, what it says, and what it refuses to do."""

import json
from pathlib import Path

import pytest

from components.core import yaml_text
from components.loading import parse_environment
from components.platform import render
from operations.ledger import LEDGER
from tests.harness.cdc_command import SMALL, Project, copy_of_repository, project


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return project(root, prod=SMALL)


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_under_rendered_and_twice_gives_identical_trees(made: Project, tmp_path: Path) -> None:
    assert made.cdc("render", "prod").code == 0
    first = read(made.root / "rendered" / "prod")
    assert len(first) > 10
    again = made.cdc("render", "prod")
    assert "unchanged" in again.out
    assert read(made.root / "rendered" / "prod") == first
    assert made.cdc("render", "prod", "--out", str(tmp_path / "elsewhere")).code == 0
    assert read(tmp_path / "elsewhere") == first


@pytest.mark.parametrize("stack", ["dev", "prod", "prod-dr"])
def test_every_stack_of_this_repository_can_be_rendered(tmp_path: Path, stack: str) -> None:
    made = copy_of_repository(tmp_path)
    assert made.cdc("render", stack).code == 0
    assert (tmp_path / "rendered" / stack / LEDGER).is_file()


def test_a_changed_spec_changes_only_what_follows_from_it(made: Project) -> None:
    made.cdc("render", "prod")
    before = read(made.root / "rendered" / "prod")
    made.edit("prod", "shop.orders: {partitions: 24}", "shop.orders: {partitions: 48}")
    told = json.loads(made.cdc("render", "prod", "--json").out)
    assert told["changed"] == ["kafka/topics/shop-orders-orders.yaml"]
    assert told["added"] == told["removed"] == told["editedByHand"] == []
    after = read(made.root / "rendered" / "prod")
    assert {path for path in before if before[path] != after[path]} == {*told["changed"], LEDGER}


def test_a_removed_pipeline_takes_its_files_along_and_nobody_else_s(made: Project) -> None:
    made.cdc("render", "prod")
    folder = made.root / "rendered" / "prod"
    (folder / "kafka" / "topics" / "README.md").write_text("ours\n")
    made.edit("prod", "\n        tables:\n          shop.orders: {partitions: 24}", "")
    made.edit("prod", SMALL[SMALL.index("    pipelines:") : SMALL.index("\n        tables:\n")], "    pipelines: []")
    outcome = made.cdc("render", "prod")
    assert outcome.code == 0, outcome.text
    assert "1 file of yours kept" in outcome.out
    assert sorted(path.name for path in (folder / "kafka" / "topics").iterdir()) == [
        "README.md",
        "kustomization.yaml",
        "shop-audit.yaml",
    ]


def test_a_file_edited_by_hand_is_reported(made: Project) -> None:
    made.cdc("render", "prod")
    (made.root / "rendered/prod/kafka/kafka_cdc.yaml").write_text("edited\n")
    outcome = made.cdc("render", "prod")
    assert "1 file had been edited by hand; as rendered again: kafka/kafka_cdc.yaml" in outcome.out


def test_a_file_in_the_way_is_refused_by_name(made: Project, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere"
    (out / "kafka").mkdir(parents=True)
    (out / "kafka" / "kafka_cdc.yaml").write_text("mine\n")
    outcome = made.cdc("render", "prod", "--out", str(out))
    assert outcome.code == 2
    assert "kafka/kafka_cdc.yaml" in outcome.err
    assert read(out) == {"kafka/kafka_cdc.yaml": b"mine\n"}


def test_a_folder_with_other_things_in_it_is_fine(made: Project, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere"
    out.mkdir()
    (out / "README.md").write_text("mine\n")
    assert made.cdc("render", "prod", "--out", str(out)).code == 0
    assert (out / "README.md").read_text() == "mine\n"
    assert (out / "kustomization.yaml").is_file()


def test_the_project_s_own_folder_and_what_holds_it_are_refused(made: Project) -> None:
    for out in (made.root, made.root.parent, Path("/"), made.root / "rendered" / ".."):
        outcome = made.cdc("render", "prod", "--out", str(out))
        assert outcome.code == 2
        assert "is the project's folder, or holds it" in outcome.err
    assert made.root.is_dir()


def test_a_file_as_the_folder_is_refused(made: Project) -> None:
    outcome = made.cdc("render", "prod", "--out", str(made.root / "Pulumi.prod.yaml"))
    assert outcome.code == 2
    assert "is a file, not a folder" in outcome.err


def test_a_refused_spec_leaves_the_last_tree(made: Project) -> None:
    made.cdc("render", "prod")
    before = read(made.root / "rendered" / "prod")
    made.edit("prod", "tier: production", "tier: prod")
    assert made.cdc("render", "prod").code == 2
    assert read(made.root / "rendered" / "prod") == before


def test_the_stream_holds_every_object_and_writes_nothing(made: Project) -> None:
    outcome = made.cdc("render", "prod", "--stdout")
    documents = [yaml_text.load(text, "stream") for text in outcome.out.split("---\n")[1:]]
    assert documents == [manifest.body for manifest in render(parse_environment(SMALL, "prod")).manifests]
    assert not (made.root / "rendered").exists()


def test_the_stream_on_docker_is_the_compose_file(tmp_path: Path) -> None:
    outcome = copy_of_repository(tmp_path).cdc("render", "dev", "--stdout")
    assert "services" in yaml_text.load(outcome.out, "stream")
    assert "cdc render dev writes" in outcome.err


@pytest.mark.parametrize("other", [("--out", "x"), ("--json",)])
def test_a_stream_and_files_at_once_are_refused(made: Project, other: tuple[str, ...]) -> None:
    assert made.cdc("render", "prod", "--stdout", *other).code == 2


def test_nothing_rendered_holds_a_secret_or_a_path_of_this_machine(made: Project) -> None:
    made.cdc("render", "prod")
    for path, content in read(made.root / "rendered" / "prod").items():
        assert str(made.root).encode() not in content, path
        assert b"vault:" not in content, path


def test_with_check_a_broken_mandatory_rule_leaves_everything_as_it_was(tmp_path: Path) -> None:
    made = copy_of_repository(tmp_path)
    assert made.cdc("render", "prod", "--check").code == 0
    before = read(made.root / "rendered" / "prod")
    stack = made.root / "Pulumi.prod.yaml"
    stack.write_text(stack.read_text().replace("    kafka:\n", "    kafka:\n      topicDefaults: {replicas: 1}\n", 1))

    refused = made.cdc("render", "prod", "--check")

    assert refused.code == 1
    assert "kafka-replication-factor" in refused.err
    assert read(made.root / "rendered" / "prod") == before
    assert made.cdc("render", "prod", "--check", "--stdout").out == ""
    assert made.cdc("render", "prod").code == 0
