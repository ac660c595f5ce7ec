"""Histories of a table for hypothesis: few rows and few timestamps, so that writes meet, and all ties with all."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.sink.workload.cassandra_events import Envelope, Table
from tests.sink.workload.cassandra_model import Bound, Cell, Erase, Put, Value, Write

RF = 3


@dataclass(frozen=True)
class Delivery:
    """A history as it comes: batches of (write, envelope, with a schema)."""

    table: Table
    batches: list[list[tuple[Write, Envelope, bool]]]

    @property
    def writes(self) -> set[Write]:
        """What was written at all."""
        return {write for batch in self.batches for write, *_ in batch}


def writes(table: Table, now: int) -> st.SearchStrategy[Write]:
    """One write. ``now`` (s): times to live end some time before or after it."""
    base = (now - 3600) * 1_000_000
    times = st.integers(base, base + 5)
    small = st.integers(-1, 2)
    row = st.tuples(st.integers(1, 2), *(small for _ in table.key[1:]))
    ends = st.none() | st.sampled_from([now - 200, now - 100, now + 10_000, now + 20_000])
    values: dict[str, st.SearchStrategy[Value]] = {"int": st.integers(-2, 2), "text": st.sampled_from(["", "a", "b", "é"])}

    def put(marks: bool) -> st.SearchStrategy[Write]:
        @st.composite
        def build(draw: st.DrawFn) -> Write:
            expires = draw(ends)
            names = draw(st.lists(st.sampled_from(table.cells), unique=True, min_size=0 if marks and expires is None else 1))
            kinds = [(name, draw(st.none() | values[kind])) for name, kind in names]
            if expires is not None and all(value is None for _, value in kinds):
                # A row marker's time to live is told by the cells beside it alone.
                name, kind = names[0]
                kinds[0] = (name, draw(values[kind]))
            cells = tuple((name, Cell(value, None if value is None else expires)) for name, value in kinds)
            return Put(draw(row), draw(times), cells, marks, expires if marks else None)

        return build()

    bound = st.builds(Bound, st.lists(small, max_size=len(table.key) - 1).map(tuple), st.booleans())
    erase_row = st.builds(Erase, row, times)
    erase_partition = st.builds(Erase, st.tuples(st.integers(1, 2)), times)
    erase_range = st.builds(Erase, st.tuples(st.integers(1, 2)), times, bound, bound)
    return st.one_of(put(marks=True), put(marks=False), put(marks=False), erase_row, erase_partition, erase_range)


@st.composite
def deliveries(draw: st.DrawFn, now: int, table: Table | None = None) -> Delivery:
    """A history, each write from up to RF replicas, in any order, cut into any batches."""
    two = Table(key=("id", "ck", "cl"), descending=(True, False))
    table = table or draw(st.sampled_from([Table(), two]))
    made = draw(st.lists(writes(table, now), min_size=1, max_size=14))
    copies = [write for write in made for _ in range(draw(st.integers(1, RF)))]
    order = draw(st.permutations(copies))
    envelopes: list[Envelope] = ["raw", "transformed"]
    cuts: st.SearchStrategy[bool] = st.booleans()
    batches: list[list[tuple[Write, Envelope, bool]]] = [[]]
    for write in order:
        cut: bool = draw(cuts)
        if cut and batches[-1]:
            batches.append([])
        batches[-1].append((write, draw(st.sampled_from(envelopes)), draw(cuts)))
    return Delivery(table, batches)
