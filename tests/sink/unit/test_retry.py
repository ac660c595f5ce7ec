"""The environment's failures are waited for without end; everything else passes through at once."""

import threading
from collections.abc import Callable

import pytest
from psycopg import OperationalError
from psycopg import errors as pg
from sink_worker.breaker import CircuitBreaker, State
from sink_worker.errors import AbortedError
from sink_worker.retry import Patience
from sink_worker.settings import BreakerSettings, RetrySettings

QUICK = RetrySettings(attempts=3, first_seconds=0.001, longest_seconds=0.002)
OPEN_BRIEFLY = BreakerSettings(open_seconds=0.001)


def _failing(times: int, error: Exception) -> Callable[[int], int]:
    def attempt(number: int) -> int:
        if number <= times:
            raise error
        return number

    return attempt


def test_it_goes_on_beyond_the_attempts_with_the_breaker_tripped() -> None:
    states: list[State] = []
    patience = Patience(QUICK, CircuitBreaker(OPEN_BRIEFLY, states.append), lambda _: None)
    assert patience.run(_failing(10, OperationalError("away")), lambda: False) == 11
    assert State.OPEN in states
    assert states[-1] is State.CLOSED


def test_every_failure_is_reported() -> None:
    seen: list[BaseException] = []
    error = OperationalError("away")
    Patience(QUICK, CircuitBreaker(OPEN_BRIEFLY), seen.append).run(_failing(4, error), lambda: False)
    assert seen == [error] * 4


def test_bad_data_passes_through_at_once() -> None:
    patience = Patience(QUICK, CircuitBreaker(OPEN_BRIEFLY), lambda _: None)
    with pytest.raises(pg.CheckViolation):
        patience.run(_failing(1, pg.CheckViolation()), lambda: False)


def test_contention_never_opens_the_breaker_while_attempts_are_left() -> None:
    states: list[State] = []
    breaker = CircuitBreaker(BreakerSettings(mode="consecutive", consecutive=1), states.append)
    Patience(QUICK, breaker, lambda _: None).run(_failing(2, pg.DeadlockDetected()), lambda: False)
    assert states == []


def test_a_wait_ends_when_it_is_interrupted() -> None:
    patience = Patience(RetrySettings(first_seconds=60, longest_seconds=60), CircuitBreaker(BreakerSettings()), lambda _: None)
    failed, interrupted = threading.Event(), threading.Event()
    outcome: list[BaseException] = []

    def attempt(_: int) -> None:
        failed.set()
        raise OperationalError("away")

    def run() -> None:
        try:
            patience.run(attempt, interrupted.is_set)
        except AbortedError as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert failed.wait(10)
    interrupted.set()
    while thread.is_alive():
        patience.wake()
        thread.join(0.05)
    assert len(outcome) == 1
