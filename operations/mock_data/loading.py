"""Changes brought to a source at a pace."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from operations.mock_data.changes import Change
from operations.mock_data.targets import Target

Item = TypeVar("Item")


def load(target: Target, changes: Iterable[Change], rate: float | None, on_change: Callable[[Change], None]) -> None:
    """Every change, ``rate`` of them a second at most, each told when it is done."""
    for change in paced(changes, rate):
        target.apply(change)
        on_change(change)


def paced(
    items: Iterable[Item],
    rate: float | None,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Item]:
    """The items, no sooner than their number divided by ``rate``; what came late is not made up for by a burst of more than
    a second's."""
    began = clock()
    for number, item in enumerate(items):
        if rate is not None:
            due = began + number / rate
            now = clock()
            if due > now:
                wait(due - now)
            else:
                began += max(0.0, now - due - 1.0)
        yield item
