"""What Cassandra shows of a table, from the set of all writes that were ever made to it.

Written from Cassandra's documents and from the comments of its own reconciliation, and on purpose as plainly as can be: nothing
is merged, no state is kept; to look at a row is to look at all writes again. It is the judge of the worker, and shares nothing
with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cmp_to_key

Value = int | str | None


@dataclass(frozen=True)
class Cell:
    """One column's part of a write. ``expires`` (s): with a TTL; a cell without value is a tombstone."""

    value: Value
    expires: int | None = None


@dataclass(frozen=True)
class Put:
    """INSERT (``marks``) or UPDATE of a row. ``expires``: of an INSERT with a TTL, for its row marker."""

    row: tuple[int, ...]
    ts: int
    cells: tuple[tuple[str, Cell], ...]
    marks: bool
    expires: int | None = None


@dataclass(frozen=True)
class Bound:
    """A bound of a range: values of the first clustering columns, and whether rows with exactly these are inside."""

    values: tuple[int, ...]
    inclusive: bool


@dataclass(frozen=True)
class Erase:
    """DELETE of a row (``row`` is a whole key), of a partition (no bounds), or of a range of a partition's rows."""

    row: tuple[int, ...]
    ts: int
    start: Bound | None = None
    end: Bound | None = None


Write = Put | Erase


@dataclass
class Cassandra:
    """A table whose key has one partition column, and a clustering column for each of ``descending``, which says its order."""

    descending: tuple[bool, ...] = (False,)
    writes: set[Write] = field(default_factory=set)

    def rows(self, now: int) -> dict[tuple[int, ...], dict[str, Value]]:
        """What a SELECT shows at ``now`` (s): columns without value are left out."""
        keys = {write.row for write in self.writes if isinstance(write, Put)}
        return {key: shown for key in keys if (shown := self._row(key, now)) is not None}

    def _row(self, key: tuple[int, ...], now: int) -> dict[str, Value] | None:
        deleted = max((w.ts for w in self.writes if isinstance(w, Erase) and self._erases(w, key)), default=None)
        puts = [w for w in self.writes if isinstance(w, Put) and w.row == key and (deleted is None or w.ts > deleted)]
        shown: dict[str, Value] = {}
        for name in {name for put in puts for name, _ in put.cells}:
            found = [(put.ts, cell) for put in puts for other, cell in put.cells if other == name]
            _, cell = max(found, key=cmp_to_key(_reconcile))
            if cell.value is not None and (cell.expires is None or cell.expires > now):
                shown[name] = cell.value
        markers = [(put.ts, Cell(0, put.expires)) for put in puts if put.marks]
        if markers:
            _, marker = max(markers, key=cmp_to_key(_reconcile))
            if marker.expires is None or marker.expires > now:
                return shown
        return shown or None

    def _erases(self, erase: Erase, key: tuple[int, ...]) -> bool:
        if len(erase.row) == len(key):
            return erase.row == key
        if erase.row != key[: len(erase.row)]:
            return False
        clustering = key[len(erase.row) :]
        after = erase.start is None or self._compare(clustering, erase.start) > 0 or (
            self._compare(clustering, erase.start) == 0 and erase.start.inclusive)  # fmt: skip
        before = erase.end is None or self._compare(clustering, erase.end) < 0 or (
            self._compare(clustering, erase.end) == 0 and erase.end.inclusive)  # fmt: skip
        return after and before

    def _compare(self, clustering: tuple[int, ...], bound: Bound) -> int:
        """In the table's clustering order, as far as the bound goes."""
        for value, limit, descending in zip(clustering, bound.values, self.descending, strict=False):
            if value != limit:
                return (1 if value > limit else -1) * (-1 if descending else 1)
        return 0


def _reconcile(left: tuple[int, Cell], right: tuple[int, Cell]) -> int:
    """Cells.resolveRegular: the later one; at the same time a tombstone or what will be one, of these a tombstone, else the one
    that lives longer; then the greater value, by its bytes."""
    for one, other in (
        (left[0], right[0]),
        (_ends(left[1]), _ends(right[1])),
        (left[1].value is None, right[1].value is None),
        (left[1].expires or 0, right[1].expires or 0),
        (_bytes(left[1].value), _bytes(right[1].value)),
    ):
        if one != other:
            return 1 if one > other else -1  # type: ignore[operator]
    return 0


def _ends(cell: Cell) -> bool:
    return cell.value is None or cell.expires is not None


def _bytes(value: Value) -> bytes:
    """int and text as Cassandra serializes them."""
    if value is None:
        return b""
    return value.to_bytes(4, "big", signed=True) if isinstance(value, int) else value.encode()
