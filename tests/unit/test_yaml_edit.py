"""Edits of a YAML text: the value that is meant changes, and every other byte that can stay does."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.core import yaml_text
from components.core.yaml_text import flow
from operations.yaml_edit import CannotEdit, item_text, with_item, with_value, without

TEXT = """\
# head
config:
  "quoted":   # beside
    tier: production   # why
    flow: {a: 1, b: [x, y], c: "z"}  # behind
    tables:
      # before orders
      - shop.orders   # the orders
      - shop.lines
    empty:
    pipelines:
      # the first
      - name: orders
        source: {mysql: {host: db}}
        # inside
        topic:
          retention: 14d
      - {name: events, sink: {}}  # in one line

    # at the end
    naming: {pattern: ^a}
"""
Q = ("config", "quoted")


def loaded(text: str) -> Any:
    return yaml.safe_load(text)["config"]["quoted"]


def comments(text: str) -> list[str]:
    return re.findall(r"#.*", text)


@pytest.mark.parametrize(
    ("place", "value", "line"),
    [
        (("tier",), "staging", "    tier: staging   # why\n"),
        (("flow", "b"), [1], '    flow: {a: 1, b: [1], c: "z"}  # behind\n'),
        (("flow", "new", "deep"), True, '    flow: {a: 1, b: [x, y], c: "z", new: {deep: true}}  # behind\n'),
        (("empty", "key"), "v", "    empty: {key: v}\n"),
        (("pipelines", 0, "topic", "cleanup"), "compact", "          cleanup: compact\n"),
        (("pipelines", 0, "topic"), {"partitions": 3}, "        topic: {partitions: 3}\n"),
        (("pipelines", 1, "sink", "deletes"), False, "      - {name: events, sink: {deletes: false}}  # in one line\n"),
        (("naming", "pattern"), "^[a-z]+: #", "    naming: {pattern: '^[a-z]+: #'}\n"),
        (("kafka",), {"version": "4.3.1"}, "    kafka: {version: 4.3.1}\n"),
    ],
)
def test_a_value_is_set_where_it_stands_and_no_comment_is_lost(place: tuple[str | int, ...], value: Any, line: str) -> None:
    changed = with_value(TEXT, (*Q, *place), value)

    found = loaded(changed)
    for step in place:
        found = found[step]
    assert found == value
    assert line in changed
    assert comments(changed) == [*comments(TEXT)] or "#'" in line


def test_items_of_a_list_that_stay_keep_their_comments() -> None:
    changed = with_value(TEXT, (*Q, "tables"), ["shop.customers", "shop.orders"])

    assert loaded(changed)["tables"] == ["shop.customers", "shop.orders"]
    assert "      # before orders\n      - shop.orders   # the orders\n" in changed


@pytest.mark.parametrize(
    ("place", "gone"),
    [
        (("tier",), "    tier: production   # why\n"),
        (("flow", "a"), "a: 1, "),
        (("flow", "c"), ', c: "z"'),
        (("pipelines", 0, "topic", "retention"), "        topic:\n          retention: 14d\n"),
        (("naming", "pattern"), "    naming: {pattern: ^a}\n"),
        (("tables", 1), "      - shop.lines\n"),
    ],
)
def test_what_is_taken_out_leaves_the_rest_as_it_was_and_no_empty_parent(place: tuple[str | int, ...], gone: str) -> None:
    assert without(TEXT, (*Q, *place)) == TEXT.replace(gone, "", 1)


def test_what_is_not_there_is_taken_out_already() -> None:
    assert without(TEXT, (*Q, "flow", "nothing", "here")) == TEXT


def test_an_item_comes_behind_the_last_one_with_its_comments_and_the_lists_own_indent() -> None:
    item = item_text(TEXT, (*Q, "pipelines", 0))
    assert item == "- name: orders\n  source: {mysql: {host: db}}\n  # inside\n  topic:\n    retention: 14d\n"

    changed = with_item(TEXT, (*Q, "pipelines"), item.replace("orders", "refunds"))

    assert [pipeline["name"] for pipeline in loaded(changed)["pipelines"]] == ["orders", "events", "refunds"]
    assert changed.replace(changed[changed.index("      - name: refunds") : changed.index("\n    # at the end")], "", 1) == TEXT


@pytest.mark.parametrize(
    "empty", ["a: {x: 1}\n", "a: {x: 1, list: []}\n", "a:\n  x: 1\n", "a:\n  list:\n  x: 1\n", "a:\n  x: 1"]
)
def test_an_item_makes_the_list_where_there_is_none(empty: str) -> None:
    changed = with_item(empty, ("a", "list"), "- name: one\n  of: {b: 2}\n")

    assert yaml.safe_load(changed)["a"] == {"x": 1, "list": [{"name": "one", "of": {"b": 2}}]}


@pytest.mark.parametrize("text", ["a: [", "", "a: {b: 1 # why\n  }\n", "- - a: 1\n    b: 2\n"])
def test_a_layout_that_is_not_known_is_left_alone(text: str) -> None:
    with pytest.raises(CannotEdit):
        without(with_value(text, ("a", "c"), 1), (0, 0, "a"))


@given(st.text(max_size=8) | st.from_regex(r"[-+.]?[0-9][0-9a-fxobE_.:+-]{0,6}", fullmatch=True))
def test_a_text_in_flow_style_is_read_alike_by_every_reader(text: str) -> None:
    """YAML 1.1 takes ``1_0`` for a number, YAML 1.2 ``1e5`` and ``0o7``."""
    written = flow([text])

    assert "\n" not in written
    assert yaml.safe_load(written) == [text]
    assert yaml_text.load(written, "x") == [text]


NAMES = st.sampled_from(["a", "b", "c", "d e", "1", "null", "é"])
SCALARS = st.one_of(st.integers(), st.booleans(), st.text("ab:#'\"{}[],\n é-", max_size=8), st.none())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
TREES = st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, min_size=1, max_size=3), min_size=1, max_size=3)


@given(TREES, st.booleans() | st.none(), NAMES, NAMES, VALUES)
def test_whatever_the_text_is_an_edit_means_what_it_says_or_is_refused(
    tree: dict[str, Any], style: bool | None, first: str, second: str, value: Any
) -> None:
    text = yaml.safe_dump(tree, default_flow_style=style, allow_unicode=True, indent=3)
    try:
        changed = yaml.safe_load(with_value(text, (first, second), value))
    except CannotEdit:
        assert not isinstance(tree.get(first), dict)
    else:
        assert changed == {**tree, first: {**tree.get(first, {}), second: value}}


@given(TREES, st.booleans() | st.none(), st.data())
def test_whatever_the_text_is_a_key_can_be_taken_out(tree: dict[str, Any], style: bool | None, data: st.DataObject) -> None:
    tree["other"] = {"x": 1}
    text = yaml.safe_dump(tree, default_flow_style=style, allow_unicode=True, sort_keys=False)
    first = data.draw(st.sampled_from(sorted(tree)))
    second = data.draw(st.sampled_from(sorted(tree[first])))
    expected = {key: {k: v for k, v in inner.items() if (key, k) != (first, second)} for key, inner in tree.items()}
    try:
        changed = without(text, (first, second))
    except CannotEdit:
        return
    assert yaml.safe_load(changed) == {key: inner for key, inner in expected.items() if inner}
