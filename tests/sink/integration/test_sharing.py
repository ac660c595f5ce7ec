"""Several workers share the partitions; whoever only believes that it owns one writes nothing."""

import random
import signal
import time

import pytest

from tests.harness.processes import wait_until
from tests.sink.integration.stand import Pipeline
from tests.sink.integration.streams import EVENTS, Streams

pytestmark = pytest.mark.integration

PART = EVENTS // 10
TAKE_OVER_SECONDS = 60
LONGER_THAN_A_SESSION = 6


def test_rebalances_under_load_lose_and_double_nothing(pipeline: Pipeline) -> None:
    """Workers come and go, some in good order and some with no warning."""
    draw = random.Random(3)
    streams = Streams(pipeline)
    workers = [streams.worker(f"worker-{number}") for number in range(3)]
    running: list[int] = []
    try:
        for _ in range(10):
            chosen = draw.randrange(3)
            if chosen in running and len(running) > 1:
                running.remove(chosen)
                if draw.random() < 0.5:
                    assert workers[chosen].stop() == 0
                else:
                    workers[chosen].kill()
            elif chosen not in running:
                workers[chosen].start()
                running.append(chosen)
            streams.send(PART)
            time.sleep(1)
        streams.assert_exact()
    finally:
        for number in running:
            workers[number].kill()


def test_several_processes_and_writers_share_the_work(pipeline: Pipeline) -> None:
    """Two processes with two writers each."""
    streams = Streams(pipeline)
    with streams.worker(processes=2, writers=2) as worker:
        for _ in range(5):
            streams.send(PART)
        streams.assert_exact()
        assert worker.stop() == 0


@pytest.mark.parametrize("step", ["decoded:2", "begun:2", "fenced:2", "upserted:2", "committing:2", "committed:2"])
def test_a_frozen_worker_that_wakes_after_another_took_over_is_fenced(pipeline: Pipeline, step: str) -> None:
    """It freezes with a batch in hand, with a transaction open, or just after a commit; it wakes and believes as before."""
    streams = Streams(pipeline)
    zombie = streams.worker("zombie")
    streams.send(PART * 4)
    zombie.start(stop_at=step, wait=False)
    with zombie:
        wait_until(f"the freeze at {step}", lambda: _is_frozen(zombie.process.pid), TAKE_OVER_SECONDS)
        streams.send(PART)
        with streams.worker("successor"):
            pipeline.wait_caught_up(timeout=TAKE_OVER_SECONDS)
            zombie.process.resume()
            streams.send(PART * 2)
            time.sleep(LONGER_THAN_A_SESSION)
            streams.send(PART)
            streams.assert_exact()
        streams.send(PART)
        streams.assert_exact()
        assert zombie.process.exit_code in {None, -signal.SIGTERM}


def test_a_worker_that_dies_while_it_gives_partitions_away_loses_and_doubles_nothing(pipeline: Pipeline) -> None:
    """It has drained what it had, and has not told the group."""
    streams = Streams(pipeline)
    leaving = streams.worker("leaving")
    leaving.start(crash_at="revoked")
    with leaving:
        streams.send(PART)
        pipeline.wait_caught_up()  # so that all partitions are its own
        with streams.worker("joining"):
            wait_until("the crash", lambda: leaving.process.exit_code is not None, TAKE_OVER_SECONDS)
            assert leaving.process.exit_code == -signal.SIGKILL
            streams.send(PART)
            streams.assert_exact()


def _is_frozen(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as state:
        return state.read().rpartition(")")[2].split()[0] == "T"
