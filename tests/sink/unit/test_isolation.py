"""Bisection finds exactly the bad rows, and applies all others exactly once."""

from hypothesis import given
from hypothesis import strategies as st
from sink_worker.isolation import isolate


@given(st.integers(0, 200), st.data())
def test_it_finds_the_bad_and_applies_the_good_once(count: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, max(0, count - 1)), max_size=12)) if count else set()
    applied: list[int] = []

    def attempt(low: int, high: int) -> Exception | None:
        if found := sorted(bad.intersection(range(low, high))):
            return ValueError(found[0])
        applied.extend(range(low, high))
        return None

    failures = isolate(0, count, attempt)
    assert [index for index, _ in failures] == sorted(bad)
    assert [str(error) for _, error in failures] == [str(index) for index in sorted(bad)]
    assert applied == [index for index in range(count) if index not in bad]


def test_one_bad_row_of_many_costs_few_attempts() -> None:
    attempts = 0

    def attempt(low: int, high: int) -> Exception | None:
        nonlocal attempts
        attempts += 1
        return ValueError() if low <= 777 < high else None

    isolate(0, 20_000, attempt)
    assert attempts < 35
