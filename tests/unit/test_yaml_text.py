"""YAML in and out: one meaning for every reader, and no text that brings the program down."""

import math
import time
from typing import Any

import pytest
import yaml
import yaml_rs
from hypothesis import example, given
from hypothesis import strategies as st

from components.core import yaml_text
from components.core.errors import SpecError

NASTY = [
    *("on", "off", "yes", "no", "y", "n", "true", "True", "TRUE", "~", "null", "Null", "", " ", " a", "a ", "=", "<<"),
    *("1_000", "_1", "1__0", "0b1", "0x1f", "0o7", "010", "08", "1e3", "1e", ".5", "1.", "+.5", "-0", "+1", ".inf", ".nan"),
    *("1:20:30", "190:20:30", "2026-01-01", "2026-1-1", "2026-01-01 10:00:00", "2026-01-01T00:00:00Z", "1_0.5", "-_1"),
    *("a: b", "a:", ": ", ":", "- a", "-", "--", "---", "...", "- ", "# c", "a #c", "?", "? a", "*a", "&a", "!a", "!!str a"),
    *("%a", "@a", "`a", "|", ">", "[", "]", "{", "}", ",", "'", '"', "\\", "a\nb", "a\n", "\n", "\n\n", "a\r\nb", "\r", "\t"),
    *(
        "\u2028",
        "a\u2029b",
        "\x85",
        "\ufeff",
        "\x00",
        "\x07",
        "\x7f",
        "\u200b",
        "\xa0",
        "\u3000",
        "\ud7ff",
        "\ufffe",
        "\U0010ffff",
    ),
]
TEXTS = (
    st.sampled_from(NASTY)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.text("0123456789_-+.:oxbe", max_size=8)
)
SCALARS = TEXTS | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: 1 is neither True nor 1.0 here."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and not (isinstance(one, float) and math.copysign(1, one) != math.copysign(1, other))


@given(VALUES)
@example([*NASTY])
@example({text: text for text in NASTY})
@example({"a": [{text: [text]} for text in NASTY]})
@example({"a\nb": {"c\nd": ["e\nf", {"g\nh": 1}]}})
def test_what_is_written_reads_alike_everywhere(value: Any) -> None:
    """By YAML 1.1 readers (kubectl's and Helm's ancestors, PyYAML) and by a YAML 1.2 reader."""
    text = yaml_text.dump({"value": value})
    assert same(yaml.load(text, Loader=yaml.CSafeLoader), {"value": value})
    assert same(yaml_rs.loads(text, parse_datetime=False), {"value": value})


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_nasty_string_reads_as_itself_wherever_it_stands(text: str) -> None:
    """Alone in its document: beside others it may be safe because of them."""
    for value in (text, [text], {text: 1}, {"a": text}, {"a": [{text: [text]}]}, {"a": {text: text, "b": [[text]]}}):
        written = yaml_text.dump({"value": value})
        assert same(yaml.load(written, Loader=yaml.CSafeLoader), {"value": value})
        assert same(yaml_rs.loads(written, parse_datetime=False), {"value": value})


def test_nothing_is_written_as_an_alias() -> None:
    shared = {"a": "0b1"}
    assert "*" not in yaml_text.dump({"one": shared, "two": shared})


def test_keys_keep_their_order() -> None:
    assert yaml_text.dump({"b": 1, "a": "2026-01-01"}).startswith("b: 1\n")


@given(st.text(max_size=40) | st.text("[]{}:,-?&*!|>'\"%@`#\n\t ab1~<=", max_size=40))
@example("? {a: 1}\n: 2\n")
@example("a: \ud800")
@example("\x00")
@example("a: 1e400")
@example("!!set {a, b}")
@example("!!binary aGk=")
@example("a: &a [*a]")
def test_any_text_is_a_document_or_an_error(text: str) -> None:
    try:
        value = yaml_text.load(text, "file.yaml")
    except SpecError as error:
        assert str(error).startswith("file.yaml: 1 problem")  # noqa: PT017 - both outcomes are right
        assert error.problems[0].remedy  # noqa: PT017
    else:
        assert value is None or isinstance(value, (dict, list, str, int, float))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [1\n", 2, "not YAML"),
        ("a:\n\t- 1\n", 2, "tabs"),
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", 5, "duplicate mapping key: 'c'"),
        ("a: *nowhere\n", 1, "unknown anchor"),
    ],
)
def test_a_syntax_error_has_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(SpecError, match=message) as refused:
        yaml_text.load(text, "file.yaml")
    assert refused.value.problems[0].line == line


def test_the_broken_line_is_not_repeated() -> None:
    with pytest.raises(SpecError) as refused:
        yaml_text.load("password: 'hunter2\n", "file.yaml")
    assert "hunter2" not in str(refused.value)


def bomb(levels: int = 9) -> str:
    """A text of a few hundred bytes that stands for ten to the power of ``levels`` values."""
    lines = ["a0: &a0 x"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels + 1)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        "- " * 100_000,
        "? " * 100_000,
        "- ? " * 100_000,
        "[" * 100_000,
        "{a: " * 100_000,
        "".join(f"{' ' * n}a:\n" for n in range(3000)),
    ],
    ids=["aliases", "lists", "keys", "lists and keys", "flow lists", "flow mappings", "indentation"],
)
def test_a_small_text_that_would_grow_without_bounds_is_refused_at_once(text: str) -> None:
    """The parsers would overflow their stacks, or fill the memory."""
    begun = time.monotonic()
    with pytest.raises(SpecError):
        yaml_text.load(text, "file.yaml")
    assert time.monotonic() - begun < 10


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert yaml_text.load("\ufeffa: 1\n", "file.yaml") == {"a": 1}


LINES = """\
config:
  spec:
    topics:
      - name: a
        partitions: 1

      - {name: b}
    tables:
      shop.orders:
        partitions: 3
"""


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("config", "spec", "topics", 0, "partitions"), 5),
        (("config", "spec", "topics", 1), 7),
        (("config", "spec", "topics", 1, "name"), 7),
        (("config", "spec", "tables", "shop.orders", "partitions"), 10),
        (("config", "spec", "topics", 0, "replicas"), 4),
        (("config", "spec", "topics", 9, "name"), 3),
        (("nowhere",), 0),
        ((), 0),
    ],
)
def test_a_place_has_the_line_that_it_or_its_parent_begins_on(location: tuple[str | int, ...], line: int) -> None:
    assert yaml_text.Lines(LINES).of(location) == line


def test_no_text_has_no_lines() -> None:
    assert yaml_text.Lines("").of(("a",)) == 0
