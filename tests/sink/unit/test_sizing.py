"""Batches keep within their limits, whatever the messages and the writer are like."""

from hypothesis import given
from hypothesis import strategies as st
from sink_worker.settings import BatchSettings
from sink_worker.sizing import BatchSizer


class Sized:
    """A message is asked for nothing but its length."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


def _fill(sizer: BatchSizer, size: int) -> list[Sized]:
    messages = [Sized(size)]
    sizer.begin()
    while (room := sizer.room(messages)) > 0:
        messages += [Sized(size)] * room
    return messages


@given(st.integers(1, 2_000_000), st.integers(1, 20))
def test_a_batch_of_like_messages_keeps_both_limits(size: int, rounds: int) -> None:
    sizer = BatchSizer(BatchSettings(min_rows=10, max_rows=5000, max_bytes=4_000_000))
    for _ in range(rounds):
        messages = _fill(sizer, size)
        sizer.written(len(messages), 0.01)
        assert len(messages) <= 5000
    assert len(messages) * (size + 100) <= 4_000_000 + 2 * (size + 100), "after it has seen such messages"


def test_slow_writes_make_batches_smaller_and_quick_ones_larger_again() -> None:
    sizer = BatchSizer(BatchSettings(min_rows=100, max_rows=10_000, target_ms=1000))
    for _ in range(30):
        sizer.written(sizer.rows, 0.01)
    assert sizer.rows == 10_000
    sizer.written(10_000, 10.0)
    assert sizer.rows == 900
    for _ in range(30):
        sizer.written(sizer.rows, 100.0)
    assert sizer.rows == 100


def test_small_batches_of_a_quiet_topic_change_nothing() -> None:
    sizer = BatchSizer(BatchSettings(min_rows=100, max_rows=10_000))
    before = sizer.rows
    sizer.written(3, 0.001)
    assert sizer.rows == before
