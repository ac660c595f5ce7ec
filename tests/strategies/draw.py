"""The types of the composite strategies."""

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Plain = dict[str, Any]
"""A mapping as a YAML file holds it."""


class Draw(Protocol):
    """What a composite strategy gets its values from."""

    def __call__(self, strategy: st.SearchStrategy[T]) -> T:
        """One value."""


def some_of(draw: Draw, optional: dict[str, st.SearchStrategy[Any]]) -> Plain:
    """Some of the keys, with a value each."""
    return {key: draw(strategy) for key, strategy in optional.items() if draw(st.booleans())}


def one_of(values: Iterable[T]) -> st.SearchStrategy[T]:
    """One of several fixed values."""
    return st.sampled_from(list(values))
