"""``kill -9`` at every named step of the loop: the next worker leaves the table, the journal and the dead letters exact."""

import signal
import time

import pytest

from sink_worker import faults
from tests.harness.processes import wait_until
from tests.sink.integration.stand import Pipeline
from tests.sink.integration.streams import EVENTS, Streams

pytestmark = pytest.mark.integration

CRASH_SECONDS = 60
PARTS = 20
PAUSE_SECONDS = 0.3
ONCE = (faults.DDL, faults.CLAIMED, faults.ASSIGNED)
RELAY = (faults.RELAY_SEQUENCED, faults.RELAY_PRODUCED, faults.RELAY_COMMITTED, faults.RELAY_CLEARED)
LOOP = (
    faults.CONSUMED,
    faults.DECODED,
    faults.BEGUN,
    faults.FENCED,
    faults.STAGED,
    faults.DELETED,
    faults.UPSERTED,
    faults.OUTBOXED,
    faults.COMMITTING,
    faults.COMMITTED,
    faults.HINTED,
)
STEPS = [f"{step}:1" for step in (*ONCE, *RELAY)] + [f"{step}:2" for step in LOOP]
"""Of the loop's steps the second time: a first batch also makes the table, which has a step of its own."""


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_loses_and_doubles_nothing(pipeline: Pipeline, step: str) -> None:
    """The worker is killed by itself at the step, more events come, and another worker takes over."""
    streams = Streams(pipeline)
    worker = streams.worker()
    worker.start(crash_at=step, wait=False)
    with worker:
        wait_until("the worker to be up", lambda: worker.process.exit_code is not None or worker.is_live(), CRASH_SECONDS)
        for _ in range(PARTS):  # while it runs: it is to see several batches
            if worker.process.exit_code is None:
                streams.send(EVENTS // 2 // PARTS)
                time.sleep(PAUSE_SECONDS)
        wait_until(f"the crash at {step}", lambda: worker.process.exit_code is not None, CRASH_SECONDS)
        assert worker.process.exit_code == -signal.SIGKILL
    streams.send(EVENTS // 2)
    with streams.worker("successor"):
        streams.assert_exact()


def test_kills_at_random_moments_lose_and_double_nothing(pipeline: Pipeline) -> None:
    """Ten kills under load, wherever they strike."""
    streams = Streams(pipeline)
    worker = streams.worker()
    with worker:
        for _ in range(10):
            streams.send(EVENTS // 10)
            worker.kill()
            worker.start()
        streams.assert_exact()
