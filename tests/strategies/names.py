"""Names that are legal and unlike those that people think of first."""

import re
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

LOWER = "abcdefghijklmnopqrstuvwxyz"
ALPHANUMERIC = f"{LOWER}0123456789"
TOPIC_CHARACTERS = f"{ALPHANUMERIC}{LOWER.upper()}._-"

OWNERS = st.sampled_from(
    [
        *("team-shop", "équipe données", "チーム・注文", "o'neil <o@example.org>", "🚀", "x" * 200),
        *("a: b", "# no comment", "{braces}", "back\\slash", '"quoted"', "two\nlines", "line\u2028separator", "\u00a0"),
        *("yes", "~", "2026-01-01", "0o7", "1_000", "\x07bell"),
    ]
)
"""Free text, as people and tools write it."""


@cache
def labels(longest: int = 12, first: str = ALPHANUMERIC) -> st.SearchStrategy[str]:
    """DNS labels of up to ``longest`` characters that begin with one of ``first``."""
    inner = st.text(f"{ALPHANUMERIC}-", max_size=longest - 2)
    long = st.builds("".join, st.tuples(st.sampled_from(first), inner, st.sampled_from(ALPHANUMERIC)))
    return st.sampled_from(first) | long


@cache
def topic_names() -> st.SearchStrategy[str]:
    """Any that Kafka accepts and that is not one of its internal topics."""
    short = st.text(TOPIC_CHARACTERS, min_size=1, max_size=12)
    odd = st.sampled_from(["-", "_", "a._b", "..a", "A.", "-.-", "x" * 249, "Orders", "2026_01_01", "0o7", "1e3", "off"])
    return (short | odd).filter(lambda name: name not in {".", ".."} and not name.startswith("__"))


@cache
def tables() -> st.SearchStrategy[str]:
    """``<database>.<table>`` with names that may stand in a topic's name."""
    part = st.text(f"{ALPHANUMERIC}_", min_size=1, max_size=8) | st.sampled_from(["Orders", "order-lines", "t" * 40, "2", "_"])
    return st.builds("{}.{}".format, part, part)


def look(name: str) -> str:
    """What is left of a name where Kafka's metrics and Kubernetes have made all separators and cases alike."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"


def first_of_each(items: list[T], key: Callable[[T], str]) -> list[T]:
    """``items`` without those whose key an earlier one has."""
    return list({key(item): item for item in reversed(items)}.values())[::-1]
