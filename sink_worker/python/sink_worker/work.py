"""What the loop hands to its writers, and what they tell it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sink_worker._native import Batch
from sink_worker.cassandra.source import CellSource
from sink_worker.dlq import Rejection
from sink_worker.partitions import Key, Span
from sink_worker.routing import Route


@dataclass(slots=True)
class Part:
    """One topic's share of a unit of work. ``decode`` reads any of its messages again, the same way."""

    topic: str
    route: Route
    batch: Batch
    messages: Sequence[Any]
    spans: dict[int, Span]
    rejections: list[Rejection]
    decode: Callable[[Sequence[Any]], Batch]
    cells: CellSource | None = None
    """Of a topic of Cassandra's: its batch has cells, and no segments."""


@dataclass(slots=True)
class Work:
    """What one transaction writes."""

    parts: list[Part]
    generation: int = 0
    began: float = field(default_factory=time.time)

    @property
    def messages(self) -> int:
        """Records of all parts."""
        return sum(part.batch.messages for part in self.parts)


@dataclass(frozen=True, slots=True)
class Halted:
    """A topic's table does not take its events."""

    topic: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Stale:
    """Partitions (with their incarnation) whose events were dropped and have to be read again."""

    partitions: list[tuple[Key, int]]
    fenced: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A unit of work is in PostgreSQL. ``seconds`` from the beginning of its transaction."""

    messages: int
    seconds: float
    topics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Failed:
    """A writer met what no waiting repairs."""

    error: BaseException


Event = Halted | Stale | Written | Failed
