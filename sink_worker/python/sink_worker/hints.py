"""Which columns a decoder is told nothing of, so that what the source has become of them can be seen.

A hint makes the decoder read a value as the table's column is, and refuse what that does not take. Where the column's type is
the source's own, the hint says nothing new while the source stays as it is, and hides it when the source changes.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sink_worker._native import Reject, TableHint
from sink_worker.routing import Route

_WITHOUT_SCHEMA: Final = {"NoColumnTypes", "UnknownField"}
_NARROW: Final = {"smallint", "integer"}


class LeaveOut:
    """By topic. ``natural`` tells the columns whose type is the source's; ``never``: records may have unknown fields."""

    def __init__(self, natural: Callable[[Route], frozenset[str]], *, never: bool) -> None:
        self._natural = natural
        self._never = never
        self._grown: dict[str, frozenset[str]] = {}
        self._bare: set[str] = set()

    def of(self, topic: str, route: Route) -> frozenset[str]:
        """The columns to leave out. None of a topic whose records have no schema: only the table knows their types."""
        if self._never or topic in self._bare:
            return frozenset()
        return self._natural(route) | self._grown.get(topic, frozenset())

    def learns(self, topic: str, hint: TableHint, rejects: Sequence[Reject]) -> bool:
        """Whether refused records tell that another hint has to be made, and they be read again with it."""
        if self._never or topic in self._bare or not rejects:
            return False
        if any(reject.error_class in _WITHOUT_SCHEMA for reject in rejects):
            self._bare.add(topic)
            return True
        narrow = {column.name for column in hint.columns if column.pg_type in _NARROW}
        found = narrow & {reject.column for reject in rejects if reject.error_class == "OutOfRange"}
        self._grown[topic] = self._grown.get(topic, frozenset()) | frozenset(name for name in found if name is not None)
        return bool(found)
