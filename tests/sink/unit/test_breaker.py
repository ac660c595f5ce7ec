"""The circuit breaker's two modes, on a clock of the test's own."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from sink_worker.breaker import CircuitBreaker, State
from sink_worker.settings import BreakerSettings


@dataclass
class Clock:
    """Time that stands still until it is moved."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_half_of_ten_failing_opens_it() -> None:
    breaker = CircuitBreaker(BreakerSettings(mode="rate", window=10, failure_percent=50))
    for outcome in (breaker.success, breaker.failure) * 5:
        assert breaker.state is State.CLOSED
        outcome()
    assert breaker.state is State.OPEN


def test_less_than_half_of_ten_leaves_it_closed() -> None:
    breaker = CircuitBreaker(BreakerSettings(mode="rate", window=10, failure_percent=50))
    for number in range(100):
        (breaker.failure if number % 10 in {0, 3, 5, 8} else breaker.success)()
    assert breaker.state is State.CLOSED


def test_five_in_a_row_open_it_in_consecutive_mode_and_a_success_starts_anew() -> None:
    breaker = CircuitBreaker(BreakerSettings(mode="consecutive", consecutive=5))
    for _ in range(4):
        breaker.failure()
    breaker.success()
    states = []
    for _ in range(5):
        breaker.failure()
        states.append(breaker.state)
    assert states == [*[State.CLOSED] * 4, State.OPEN]


def test_open_lets_nothing_through_until_its_time_and_then_one_try() -> None:
    clock = Clock()
    breaker = CircuitBreaker(BreakerSettings(open_seconds=30), clock=clock)
    breaker.trip()
    clock.now = 29.0
    assert breaker.delay() == 1.0
    clock.now = 30.0
    assert breaker.delay() == 0.0
    assert breaker.state is State.HALF_OPEN
    assert breaker.delay() > 0, "a second try was let through while the first has no outcome"


def test_the_try_decides() -> None:
    clock = Clock()
    breaker = CircuitBreaker(BreakerSettings(open_seconds=30), clock=clock)
    breaker.trip()
    clock.now = 30.0
    breaker.delay()
    breaker.failure()
    assert (breaker.state, breaker.delay()) == (State.OPEN, 30.0)
    clock.now = 60.0
    breaker.delay()
    breaker.success()
    assert (breaker.state, breaker.delay()) == (State.CLOSED, 0.0)


def test_an_abandoned_try_frees_the_place_for_another() -> None:
    clock = Clock()
    breaker = CircuitBreaker(BreakerSettings(open_seconds=30), clock=clock)
    breaker.trip()
    clock.now = 30.0
    breaker.delay()
    breaker.abandoned()
    assert breaker.delay() == 0.0


@given(st.lists(st.booleans(), max_size=60))
def test_it_is_open_exactly_when_the_last_window_was_bad_enough(outcomes: list[bool]) -> None:
    breaker = CircuitBreaker(BreakerSettings(mode="rate", window=10, failure_percent=50))
    for number, good in enumerate(outcomes, start=1):
        (breaker.success if good else breaker.failure)()
        last = outcomes[max(0, number - 10) : number]
        assert (breaker.state is State.OPEN) == (len(last) == 10 and last.count(False) >= 5 and not good)
        if breaker.state is State.OPEN:
            return
