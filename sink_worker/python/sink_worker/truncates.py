"""TRUNCATE events: they have no key, so no order with the events of other partitions."""

from collections.abc import Callable, Sequence
from typing import Any

from sink_worker._native import Batch
from sink_worker.dlq import Rejection, rejection_of_row
from sink_worker.errors import TableError
from sink_worker.settings import TableSettings

Decode = Callable[[Sequence[Any]], Batch]


def may_truncate(settings: TableSettings, partitions: int) -> bool:
    """Whether a TRUNCATE of a topic with so many partitions is applied."""
    return settings.truncate == "apply" or (settings.truncate == "single-partition" and partitions == 1)


def without_truncates(
    settings: TableSettings, topic: str, messages: Sequence[Any], decode: Decode
) -> tuple[list[Any], list[Rejection]]:
    """The other messages, and the truncates as rejections (none where the setting ignores them).

    A decoder drops what a truncate makes void, so that the rest has to be decoded again without it.
    """
    rest: list[Any] = []
    truncates: list[Any] = []
    for message in messages:
        is_truncate = message.value() is not None and "t" in decode([message]).ops
        (truncates if is_truncate else rest).append(message)
    if settings.truncate == "ignore":
        return rest, []
    why = TableError(topic, "truncate", "a TRUNCATE has no order with the events of other partitions; truncate the table by "
                     "hand where that is meant, or set tables.truncate")  # fmt: skip
    return rest, [rejection_of_row(topic, message, None, why, superseded=False, attempts=1) for message in truncates]
