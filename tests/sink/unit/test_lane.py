"""The hand-over between the loop and a writer: bounded, in order, and void after an abort."""

import threading
from collections.abc import Callable
from typing import cast

import pytest
from sink_worker.errors import AbortedError
from sink_worker.lane import Lane
from sink_worker.work import Event, Failed, Work
from sink_worker.writer import Outcome, Writer

SECONDS = 10.0


class FakeWriter:
    """A double of the writer: holds each unit of work until it is let go or interrupted."""

    waiting = False

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.cancelled = threading.Event()
        self.written: list[Work] = []

    def write(self, work: Work, interrupted: Callable[[], bool]) -> Outcome | None:
        self.begun.release()
        while not self.go.acquire(timeout=0.01):
            if interrupted():
                raise AbortedError("given up")
        self.written.append(work)
        return Outcome([], [], {}, {}, 0.0)

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        return


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


def _lane(writer: FakeWriter, told: list[Event], finished: list[Work]) -> Lane:
    lane = Lane("writer", cast("Writer", writer), lambda work, _: finished.append(work), told.append)
    lane.start()
    return lane


def test_it_holds_one_unit_beside_the_one_being_written(writer: FakeWriter) -> None:
    finished: list[Work] = []
    lane = _lane(writer, [], finished)
    first, second, third = Work([]), Work([]), Work([])
    assert lane.offer(first, SECONDS)
    assert writer.begun.acquire(timeout=SECONDS)
    assert lane.offer(second, SECONDS)
    assert not lane.offer(third, 0.02)
    writer.go.release(3)
    assert lane.offer(third, SECONDS)
    assert lane.wait_idle(SECONDS)
    assert [id(work) for work in finished] == [id(work) for work in (first, second, third)]
    lane.close(SECONDS)


def test_an_abort_voids_what_is_written_and_what_waits_but_nothing_later(writer: FakeWriter) -> None:
    finished: list[Work] = []
    lane = _lane(writer, [], finished)
    lane.offer(Work([]), SECONDS)
    assert writer.begun.acquire(timeout=SECONDS)
    lane.offer(Work([]), SECONDS)
    assert lane.abort(SECONDS)
    assert writer.cancelled.is_set()
    later = Work([])
    lane.offer(later, SECONDS)
    writer.go.release()
    assert lane.wait_idle(SECONDS)
    assert [id(work) for work in finished] == [id(later)]
    lane.close(SECONDS)


def test_a_defect_of_the_writer_is_told_to_the_loop() -> None:
    class Broken(FakeWriter):
        def write(self, work: Work, interrupted: Callable[[], bool]) -> Outcome | None:
            raise ZeroDivisionError

    told: list[Event] = []
    lane = _lane(Broken(), told, [])
    lane.offer(Work([]), SECONDS)
    lane.join(SECONDS)
    assert isinstance(told[0], Failed)
    assert isinstance(told[0].error, ZeroDivisionError)


def test_close_ends_the_thread(writer: FakeWriter) -> None:
    lane = _lane(writer, [], [])
    lane.close(SECONDS)
    assert not lane.is_alive()
