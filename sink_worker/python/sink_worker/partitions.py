"""The partitions that this process has been given: who may write what, shared by the loop and its writers.

The chain is what makes effects happen once: a batch carries, for each partition, the position it was read from, and is
written only while that is the stored offset and the partition has not been claimed anew since.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sink_worker.offsets import Advance, Claim

Key = tuple[str, int]


class State(StrEnum):
    """What becomes of a partition's events."""

    WAITING = "waiting"  # assigned, to be claimed
    RUNNING = "running"
    PAUSED = "paused"  # somebody paused its table; looked at again now and then
    HALTED = "halted"  # its table or its log needs a repair; tried again now and then


@dataclass(slots=True)
class Partition:
    """``stored`` is PostgreSQL's next offset, ``position`` the next one to be read."""

    topic: str
    number: int
    state: State = State.WAITING
    incarnation: int = 0
    topic_id: str = ""
    epoch: int = 0
    stored: int = 0
    position: int = 0
    fresh: bool = False  # nothing accepted since the last seek
    reread: bool = False  # a gap behind the last seek was met, and is being read once more
    retry_at: float = 0.0
    failures: int = 0
    reason: str = ""
    detail: str = ""
    stored_at: float = field(default_factory=time.monotonic)
    event_ms: int | None = None
    hinted: int = -1
    end: int | None = None  # of the log, as of the last fetch

    @property
    def key(self) -> Key:
        """Topic and number."""
        return self.topic, self.number


@dataclass(frozen=True, slots=True)
class Span:
    """What a batch holds of one partition: read from ``before`` up to ``after``, in one incarnation."""

    before: int
    after: int
    incarnation: int


class Partitions:
    """Thread-safe. A partition's incarnation changes whenever what was read of it must not be written any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: dict[Key, Partition] = {}
        self._incarnations = 0

    def add(self, keys: Iterable[Key]) -> None:
        """They were assigned; none may be written before it is claimed."""
        with self._lock:
            for topic, number in keys:
                self._all[topic, number] = Partition(topic, number, incarnation=self._next())

    def remove(self, keys: Iterable[Key]) -> None:
        """They are not this process's any more."""
        with self._lock:
            for key in keys:
                self._all.pop(key, None)

    def start(self, claim: Claim) -> bool:
        """Claimed: read on from the stored offset. False when it was taken away meanwhile."""
        with self._lock:
            found = self._all.get((claim.topic, claim.number))
            if found is None:
                return False
            found.state, found.topic_id, found.epoch = State.RUNNING, claim.topic_id, claim.epoch
            found.stored = found.position = claim.next_offset
            found.incarnation, found.fresh = self._next(), True
            found.reason = found.detail = ""
            found.stored_at = time.monotonic()
            return True

    def stop(self, key: Key, state: State, *, delay: float = 0.0, reason: str = "", detail: str = "",
             incarnation: int | None = None) -> bool:  # fmt: skip
        """Whatever was read of it is void. False when it is gone, or ``incarnation`` is not its present one."""
        with self._lock:
            found = self._all.get(key)
            if found is None or (incarnation is not None and found.incarnation != incarnation):
                return False
            found.state, found.incarnation, found.retry_at = state, self._next(), time.monotonic() + delay
            if state in {State.HALTED, State.PAUSED} or not found.reason:
                found.reason, found.detail = reason, detail
            return True

    def due(self) -> list[Partition]:
        """Those to be claimed now."""
        now = time.monotonic()
        with self._lock:
            return [p for p in self._all.values() if p.state is not State.RUNNING and p.retry_at <= now]

    def all(self) -> list[Partition]:
        """Every partition, in no order."""
        with self._lock:
            return list(self._all.values())

    def running(self) -> list[Partition]:
        """Those whose events are read."""
        return [p for p in self.all() if p.state is State.RUNNING]

    def of_topic(self, topic: str) -> list[Partition]:
        """Those of one topic."""
        return [p for p in self.all() if p.topic == topic]

    def get(self, key: Key) -> Partition | None:
        """One partition, or None."""
        with self._lock:
            return self._all.get(key)

    def unsteady(self) -> bool:
        """Whether messages have to be looked at one by one: some partition is not, or only just, running."""
        with self._lock:
            return any(p.fresh or p.state is not State.RUNNING for p in self._all.values())

    def admitted(self, messages: Sequence[Any]) -> list[Any]:
        """The messages to go on with, in a time that is not steady: of running partitions, from their read positions on.

        A gap right behind a seek (control records and compaction make them, a lost seek would too) is read once more
        before it is believed.
        """
        kept: list[Any] = []
        with self._lock:
            for message in messages:
                found = self._all.get((message.topic(), message.partition()))
                if found is None or found.state is not State.RUNNING or (offset := message.offset()) < found.position:
                    continue
                if found.fresh and offset > found.position and not found.reread:
                    found.reread, found.state, found.incarnation, found.retry_at = True, State.WAITING, self._next(), 0.0
                    continue
                found.fresh = found.reread = False
                kept.append(message)
        return kept

    def take(self, topic: str, positions: dict[int, tuple[int, int]]) -> dict[int, Span] | None:
        """Accept what was read, and move the read positions. None when something of it may not be written."""
        with self._lock:
            spans: dict[int, Span] = {}
            for number, (first, after) in positions.items():
                found = self._all.get((topic, number))
                if found is None or found.state is not State.RUNNING or first < found.position:
                    return None
                spans[number] = Span(found.position, after, found.incarnation)
            for number, span in spans.items():
                found = self._all[topic, number]
                found.position, found.fresh = span.after, False
            return spans

    def steps(self, topic: str, spans: dict[int, Span]) -> tuple[list[Advance], list[tuple[Key, int]]]:
        """What to move in PostgreSQL, and the (partition, incarnation) that must be read again because they do not fit.

        When one partition of a topic's part does not fit, the part cannot be written: the others are read again too.
        """
        with self._lock:
            fits: list[tuple[Advance, int]] = []
            broken: list[tuple[Key, int]] = []
            void = False
            for number, span in spans.items():
                found = self._all.get((topic, number))
                if found is None or found.state is not State.RUNNING or found.incarnation != span.incarnation:
                    void = True
                elif found.stored != span.before:
                    broken.append(((topic, number), span.incarnation))
                else:
                    step = Advance(topic, number, found.topic_id, found.epoch, span.before, span.after)
                    fits.append((step, span.incarnation))
            if void or broken:
                return [], broken + [((topic, step.number), incarnation) for step, incarnation in fits]
            return [step for step, _ in fits], []

    def advanced(self, steps: Iterable[Advance], event_ms: dict[str, int | None]) -> None:
        """The steps were committed."""
        now = time.monotonic()
        with self._lock:
            for step in steps:
                found = self._all.get((step.topic, step.number))
                if found is not None and found.epoch == step.epoch and found.topic_id == step.topic_id:
                    found.stored, found.stored_at, found.failures = step.next_offset, now, 0
                    found.event_ms = event_ms.get(step.topic) or found.event_ms

    def _next(self) -> int:
        self._incarnations += 1
        return self._incarnations
