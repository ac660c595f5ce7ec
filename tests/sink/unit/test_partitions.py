"""The chain: whatever is read, dropped, claimed and read again, each event is written once and in order."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_worker.offsets import Claim
from sink_worker.partitions import Partitions, Span, State

TOPIC = "orders"


@dataclass(frozen=True)
class Message:
    """What the loop looks at of a confluent_kafka.Message."""

    number: int
    at: int

    def topic(self) -> str:
        return TOPIC

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return self.at


def _running(stored: int = 0, number: int = 0, epoch: int = 1) -> Partitions:
    partitions = Partitions()
    partitions.add([(TOPIC, number)])
    partitions.start(Claim(TOPIC, number, "id", epoch, stored))
    return partitions


def _messages(first: int, after: int) -> list[Message]:
    return [Message(0, offset) for offset in range(first, after)]


def test_nothing_is_written_before_it_is_claimed() -> None:
    partitions = Partitions()
    partitions.add([(TOPIC, 0)])
    assert partitions.admitted(_messages(0, 3)) == []
    assert partitions.take(TOPIC, {0: (0, 3)}) is None


def test_a_batch_that_does_not_follow_what_is_stored_is_broken() -> None:
    partitions = _running()
    first = partitions.take(TOPIC, {0: (0, 3)})
    second = partitions.take(TOPIC, {0: (3, 5)})
    assert first is not None
    assert second is not None
    steps, broken = partitions.steps(TOPIC, second)
    assert steps == []
    assert [key for key, _ in broken] == [(TOPIC, 0)]
    steps, broken = partitions.steps(TOPIC, first)
    partitions.advanced(steps, {})
    assert partitions.steps(TOPIC, second)[0] != []


def test_what_was_read_before_a_claim_is_void_and_asks_for_nothing() -> None:
    partitions = _running()
    spans = partitions.take(TOPIC, {0: (0, 3)})
    assert spans is not None
    partitions.start(Claim(TOPIC, 0, "id", 2, 0))
    assert partitions.steps(TOPIC, spans) == ([], [])


def test_a_part_with_one_void_partition_has_its_others_read_again() -> None:
    partitions = _running()
    partitions.add([(TOPIC, 1)])
    partitions.start(Claim(TOPIC, 1, "id", 1, 0))
    spans = partitions.take(TOPIC, {0: (0, 3), 1: (0, 2)})
    assert spans is not None
    partitions.remove([(TOPIC, 0)])
    steps, broken = partitions.steps(TOPIC, spans)
    assert (steps, [key for key, _ in broken]) == ([], [(TOPIC, 1)])


def test_a_commit_of_an_older_epoch_does_not_move_what_is_known_now() -> None:
    partitions = _running()
    spans = partitions.take(TOPIC, {0: (0, 3)})
    assert spans is not None
    steps, _ = partitions.steps(TOPIC, spans)
    partitions.start(Claim(TOPIC, 0, "id", 2, 0))
    partitions.advanced(steps, {})
    found = partitions.get((TOPIC, 0))
    assert found is not None
    assert found.stored == 0


def test_repeated_messages_are_not_taken_twice() -> None:
    partitions = _running()
    partitions.take(TOPIC, {0: (0, 3)})
    assert partitions.take(TOPIC, {0: (1, 5)}) is None
    assert partitions.admitted(_messages(1, 5)) == _messages(3, 5)


def test_a_gap_behind_a_seek_is_read_once_more_and_then_believed() -> None:
    partitions = _running(stored=10)
    assert partitions.admitted(_messages(12, 14)) == []
    assert [p.key for p in partitions.due()] == [(TOPIC, 0)]
    partitions.start(Claim(TOPIC, 0, "id", 2, 10))
    assert partitions.admitted(_messages(12, 14)) == _messages(12, 14)
    assert partitions.take(TOPIC, {0: (12, 14)}) is not None


def test_a_stop_meant_for_an_earlier_incarnation_does_nothing() -> None:
    partitions = _running()
    spans = partitions.take(TOPIC, {0: (0, 3)})
    assert spans is not None
    partitions.start(Claim(TOPIC, 0, "id", 2, 0))
    assert not partitions.stop((TOPIC, 0), State.WAITING, incarnation=spans[0].incarnation)
    assert len(partitions.running()) == 1


@dataclass
class World:
    """One partition's log and table, and what may happen to a worker in any order."""

    length: int
    partitions: Partitions = field(default_factory=_running)
    stored: int = 0
    epoch: int = 1
    read: int = 0
    queue: list[dict[int, Span]] = field(default_factory=list)
    written: list[int] = field(default_factory=list)

    def read_some(self, count: int) -> None:
        messages = _messages(self.read, min(self.length, self.read + count))
        if not messages:
            return
        self.read = messages[-1].offset() + 1
        kept = self.partitions.admitted(messages)
        if kept and (spans := self.partitions.take(TOPIC, {0: (kept[0].offset(), kept[-1].offset() + 1)})):
            self.queue.append(spans)

    def write_one(self, commit: bool, tell: bool) -> None:
        """The writer; ``commit`` or roll back, and ``tell`` or lose the answer of the commit."""
        if not self.queue:
            return
        spans = self.queue.pop(0)
        steps, broken = self.partitions.steps(TOPIC, spans)
        for key, incarnation in broken:
            self.partitions.stop(key, State.WAITING, incarnation=incarnation)
        for step in steps:
            fits = step.epoch == self.epoch and step.expected == self.stored
            if fits and commit:
                self.written += range(step.expected, step.next_offset)
                self.stored = step.next_offset
            if fits and commit and tell:
                self.partitions.advanced(steps, {})
            else:
                self.partitions.stop((TOPIC, 0), State.WAITING)

    def claim(self) -> None:
        """What the loop does with partitions that wait."""
        if self.partitions.due():
            self.epoch += 1
            self.read = self.stored
            self.partitions.start(Claim(TOPIC, 0, "id", self.epoch, self.stored))

    def another_worker(self) -> None:
        """Someone else claims the partition, and writes an event."""
        self.epoch += 1
        if self.stored < self.length:
            self.written.append(self.stored)
            self.stored += 1

    def reread(self) -> None:
        """The client delivers old messages again."""
        self.read = max(0, self.read - 3)

    def skip(self) -> None:
        """Messages get lost on their way: what was in hand is dropped, as on a revocation."""
        self.queue.clear()
        self.partitions.stop((TOPIC, 0), State.WAITING)


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_any_history_writes_each_event_once_and_in_order(length: int, seed: int) -> None:
    chance, world = random.Random(seed), World(length)
    for _ in range(60):
        world.claim() if chance.random() < 0.5 else None
        match chance.randrange(8):
            case 0 | 1 | 2:
                world.read_some(chance.randrange(1, 6))
            case 3 | 4:
                world.write_one(commit=chance.random() < 0.8, tell=chance.random() < 0.8)
            case 5:
                world.another_worker() if chance.random() < 0.3 else None
            case 6:
                world.reread()
            case 7:
                world.skip() if chance.random() < 0.3 else None
    assert world.written == list(range(world.stored))


@pytest.mark.parametrize("seed", range(20))
def test_a_quiet_end_writes_everything(seed: int) -> None:
    chance, world = random.Random(seed), World(50)
    for _ in range(1000):
        world.claim()
        world.read_some(chance.randrange(1, 9))
        world.write_one(commit=chance.random() < 0.9, tell=chance.random() < 0.9)
    for _ in range(200):
        world.claim()
        world.read_some(9)
        world.write_one(commit=True, tell=True)
    assert world.written == list(range(50))
