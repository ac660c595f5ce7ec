"""``cdc diff``: what differs, told by name and field, and what the rules say to the change."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.compare import ABSENT, FieldChange, compare
from operations.objects import compare_objects
from tests.harness.cdc_command import SMALL, Project, copy_of_repository, project

REFUNDS = """      - name: refunds
        tenant: shop
        source:
          mysql: {host: shop-db, password: "vault:shop-db#password", tables: [shop.refunds]}
        sink: {postgres: {database: warehouse, schema: shop}}
"""


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    return project(tmp_path, prod=SMALL)


@pytest.fixture(name="committed")
def _committed(made: Project) -> Project:
    """A project whose one stack is committed on branch main."""
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        [
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.com",
            "-c",
            "commit.gpgsign=false",
            "commit",
            "--quiet",
            "--message=first",
        ],
    ):
        subprocess.run(["git", *arguments], cwd=made.root, check=True)
    return made


def told(made: Project, *arguments: str) -> dict[str, Any]:
    outcome = made.cdc("diff", *arguments, "--json")
    assert outcome.code in {0, 1, 3}, outcome.text
    found = json.loads(outcome.out)
    assert isinstance(found, dict)
    return found


# ---- plain values


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": 1}, {"b": 1}, [("a", 1, ABSENT), ("b", ABSENT, 1)]),
        ({"a": None}, {}, [("a", None, ABSENT)]),
        ({"a": {"b.c/d": 1}}, {"a": {"b.c/d": 2}}, [('a["b.c/d"]', 1, 2)]),
        ({"a": True}, {"a": 1}, [("a", True, 1)]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [("a", [1, 2], [2, 1])]),
        ({"a": (1, 2)}, {"a": [1, 2]}, []),
        ([{"name": "x", "v": 1}, {"name": "y"}], [{"name": "y"}, {"name": "x", "v": 2}], [("[x].v", 1, 2)]),
        ({"l": [{"name": "x"}]}, {"l": [{"name": "y"}]}, [("l[x]", {"name": "x"}, ABSENT), ("l[y]", ABSENT, {"name": "y"})]),
        ({"l": [{"name": "x"}, {"name": "x"}]}, {"l": [{"name": "x"}]}, []),
        ({"l": [{"v": 1}, {"v": 2}]}, {"l": [{"v": 0}, {"v": 1}, {"v": 2}]}, [("l[0]", ABSENT, {"v": 0})]),
        ({"l": [{"v": 1}, {"v": 2}]}, {"l": [{"v": 1}, {"v": 3}]}, [("l[1].v", 2, 3)]),
        ({"l": [{"v": 1}]}, {"l": []}, [("l[0]", {"v": 1}, ABSENT)]),
        ({"a": "x"}, {"a": ["x"]}, [("a", "x", ["x"])]),
    ],
)
def test_values_are_compared_field_by_field_and_named_items_by_name(before: Any, after: Any, changes: list[Any]) -> None:
    assert list(compare(before, after)) == [FieldChange(*change) for change in changes]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "b", "c"]), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert list(compare(value, value)) == []


@given(PLAIN, PLAIN)
def test_there_and_back_tell_the_same_changes_with_sides_swapped(one: Any, other: Any) -> None:
    there = [(change.before, change.after) for change in compare(one, other)]
    back = [(change.after, change.before) for change in compare(other, one)]
    assert sorted(map(repr, there)) == sorted(map(repr, back))


def test_objects_are_matched_by_id() -> None:
    changes = compare_objects({"A/x": {"v": 1}, "A/y": {}}, {"A/x": {"v": 2}, "A/z": {}})
    assert [(change.id, change.action) for change in changes] == [("A/z", "added"), ("A/y", "removed"), ("A/x", "changed")]
    assert changes[2].fields == (FieldChange("v", 1, 2),)


# ---- two stacks


def test_two_stacks_of_the_same_spec_are_the_same(made: Project) -> None:
    made.write("prod-dr", SMALL)
    outcome = made.cdc("diff", "prod", "prod-dr")
    assert outcome.code == 0, outcome.text
    assert "no difference" in outcome.out


def test_a_shorthand_and_its_full_form_are_the_same_and_so_are_a_default_and_itself(made: Project) -> None:
    other = SMALL.replace("storage: 500Gi", "storage: {size: 500GiB, volumes: 1}").replace("partitions: 6", "partitions: 0x6")
    made.write("prod-dr", other)
    assert made.cdc("diff", "prod", "prod-dr").code == 0


def test_a_changed_field_is_told_with_the_objects_that_follow_from_it(made: Project) -> None:
    made.write("prod-dr", SMALL.replace("partitions: 24", "partitions: 48"))
    found = told(made, "prod", "prod-dr")
    assert found["spec"] == [{"path": 'pipelines[orders].tables["shop.orders"].partitions', "before": 24, "after": 48}]
    assert found["objects"] == [
        {
            "id": "KafkaTopic/cdc/shop-orders-orders",
            "change": "changed",
            "fields": [{"path": "spec.partitions", "before": 24, "after": 48}],
        }
    ]
    shown = made.cdc("diff", "prod", "prod-dr")
    assert shown.code == 3
    assert "24 → 48" in shown.out


def test_an_item_put_first_does_not_make_the_others_differ(made: Project) -> None:
    made.write("prod-dr", SMALL.replace("    pipelines:\n", "    pipelines:\n" + REFUNDS))
    found = told(made, "prod", "prod-dr")
    assert [change["path"] for change in found["spec"]] == ["pipelines[refunds]"]
    changed = {change["id"] for change in found["objects"] if change["change"] != "added"}
    assert changed == {"ConfigMap/cdc/backup-topics-0", "KafkaUser/cdc/backup"}, "it is backed up too"
    assert "KafkaTopic/cdc/shop-refunds-refunds" in {change["id"] for change in found["objects"]}


def test_the_stacks_of_this_repository_can_be_compared(tmp_path: Path) -> None:
    made = copy_of_repository(tmp_path)
    outcome = made.cdc("diff", "prod", "prod-dr")
    assert outcome.code == 3
    for text in ("kafka.tiered.bucket", "cdc-prod-tiered → cdc-prod-dr-tiered", "- KafkaTopic", "+ Kafka", "~ KafkaNodePool"):
        assert text in outcome.out
    assert made.cdc("diff", "prod", "dev").code == 3


def test_objects_with_the_same_change_are_told_together(made: Project) -> None:
    made.write("prod-dr", SMALL.replace("    kafka:\n", "    kafka:\n      topicDefaults: {compression: zstd}\n"))
    shown = made.cdc("diff", "prod", "prod-dr").out
    assert shown.count('spec.config["compression.type"]') == 1
    assert "and 2 more (7)" in shown


# ---- a git reference


def test_an_edit_is_compared_with_a_git_reference(committed: Project) -> None:
    assert committed.cdc("diff", "prod", "main").code == 0
    committed.edit("prod", "partitions: 24", "partitions: 48")
    found = told(committed, "prod", "main")
    assert (found["before"], found["after"]) == ("prod at main", "prod")
    assert [(change["before"], change["after"]) for change in found["spec"]] == [(24, 48)]
    assert committed.cdc("diff", "prod", "HEAD").code == 3


def test_a_change_that_loses_data_breaks_a_rule(committed: Project) -> None:
    committed.edit("prod", "partitions: 24", "partitions: 12")
    outcome = committed.cdc("diff", "prod", "main")
    assert outcome.code == 1
    assert "from 24 partitions to 12" in outcome.out
    assert told(committed, "prod", "main")["verdict"]["passed"] is False


def test_a_stack_wins_over_a_branch_of_its_name_unless_the_branch_is_written_in_full(committed: Project) -> None:
    subprocess.run(["git", "branch", "prod"], cwd=committed.root, check=True)
    committed.edit("prod", "partitions: 24", "partitions: 48")
    assert committed.cdc("diff", "prod", "prod").code == 0
    assert committed.cdc("diff", "prod", "refs/heads/prod").code == 3


def test_a_spec_in_a_file_of_its_own_is_read_at_the_reference_too(committed: Project) -> None:
    (committed.root / "prod.spec.yaml").write_text(SMALL[SMALL.index("    tier:") :])
    committed.write("prod", "config: {cdc-platform:environment: prod.spec.yaml}\n")
    assert committed.cdc("diff", "prod", "main").code == 0


@pytest.mark.parametrize("reference", ["nosuch", "--output=x", "main:Pulumi.yaml", "a b", "..", "@{"])
def test_what_is_neither_a_stack_nor_a_reference_is_refused(committed: Project, reference: str) -> None:
    trap = committed.root / "x:."  # where git would write when it took the reference for its option --output
    trap.mkdir()
    outcome = committed.cdc("diff", "prod", "--", reference)
    assert outcome.code == 2
    assert reference in outcome.err
    assert "→" in outcome.err
    assert list(trap.iterdir()) == []


def test_a_stack_that_the_reference_does_not_have_is_refused(committed: Project) -> None:
    committed.write("new", SMALL)
    outcome = committed.cdc("diff", "new", "main")
    assert outcome.code == 2
    assert "Pulumi.new.yaml" in outcome.err


def test_outside_a_repository_it_says_so(made: Project) -> None:
    outcome = made.cdc("diff", "prod", "main")
    assert outcome.code == 2
    assert "main" in outcome.err


# ---- the tree rendered last


def test_without_a_tree_it_says_so_and_everything_is_added(made: Project) -> None:
    outcome = made.cdc("diff", "prod")
    assert outcome.code == 3
    assert "nothing has been rendered there yet: cdc render prod would write" in outcome.out
    assert {change["change"] for change in told(made, "prod")["objects"]} == {"added"}


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_tree_just_rendered_does_not_differ(tmp_path: Path, stack: str) -> None:
    made = copy_of_repository(tmp_path)
    made.cdc("render", stack)
    outcome = made.cdc("diff", stack)
    assert outcome.code == 0, outcome.text
    assert "no difference" in outcome.out


def test_an_edit_is_told_as_objects_field_by_field(made: Project) -> None:
    made.cdc("render", "prod")
    made.edit("prod", "partitions: 24", "partitions: 48")
    made.edit("prod", "    pipelines:\n", "    pipelines:\n" + REFUNDS)
    objects = {change["id"]: change for change in told(made, "prod")["objects"]}
    assert objects["KafkaTopic/cdc/shop-orders-orders"]["fields"] == [{"path": "spec.partitions", "before": 24, "after": 48}]
    assert objects["KafkaTopic/cdc/shop-refunds-refunds"]["change"] == "added"
    assert not any("kustomization" in name for name in objects)


def test_a_topic_taken_away_breaks_a_rule_against_the_tree_too(made: Project) -> None:
    made.cdc("render", "prod")
    made.edit("prod", "        - {name: shop_audit, owner: team-shop, partitions: 6}\n", "")
    made.edit("prod", "      topics:\n", "      topics: []\n")
    outcome = made.cdc("diff", "prod")
    assert outcome.code == 1
    assert "shop_audit" in outcome.out


def test_what_was_edited_or_deleted_by_hand_is_told(made: Project) -> None:
    made.cdc("render", "prod")
    folder = made.root / "rendered" / "prod"
    topic = folder / "kafka/topics/shop-audit.yaml"
    topic.write_text(topic.read_text().replace("partitions: 6", "partitions: 7"))
    (folder / "kafka/kafka_cdc.yaml").unlink()
    outcome = made.cdc("diff", "prod")
    assert "edited by hand since: kafka/topics/shop-audit.yaml" in outcome.out
    assert "deleted by hand since: kafka/kafka_cdc.yaml" in outcome.out
    objects = {change["id"]: change for change in told(made, "prod")["objects"]}
    assert objects["KafkaTopic/cdc/shop-audit"]["fields"] == [{"path": "spec.partitions", "before": 7, "after": 6}]
    assert objects["Kafka/cdc/cdc"]["change"] == "added"


def test_a_docker_tree_is_compared_file_by_file_and_texts_line_by_line(tmp_path: Path) -> None:
    made = copy_of_repository(tmp_path)
    made.cdc("render", "dev")
    made.edit("dev", "topicDefaults: {partitions: 3", "topicDefaults: {partitions: 4")
    outcome = made.cdc("diff", "dev")
    assert outcome.code == 3
    assert "- num.partitions=3" in outcome.out
    assert "+ num.partitions=4" in outcome.out


def test_without_a_stack_all_are_compared_with_their_trees(made: Project) -> None:
    made.write("other", SMALL)
    made.cdc("render", "prod")
    outcome = made.cdc("diff")
    assert outcome.code == 3
    assert "rendered/prod → prod  no difference" in outcome.out
    assert "rendered/other → other\n" in outcome.out
    assert [one["differs"] for one in json.loads(made.cdc("diff", "--json").out)] == [True, False]


def test_a_damaged_tree_is_an_error_that_names_the_file(made: Project) -> None:
    made.cdc("render", "prod")
    (made.root / "rendered/prod/kafka/kafka_cdc.yaml").write_text("a: [\n")
    outcome = made.cdc("diff", "prod")
    assert outcome.code == 2
    assert "kafka/kafka_cdc.yaml" in outcome.err
    assert "Traceback" not in outcome.text
