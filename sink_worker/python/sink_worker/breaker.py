"""The circuit breaker before PostgreSQL: by failure rate over a window (A11) or by consecutive failures (B7).

Written here because the named library (pybreaker) counts consecutive failures only, raises where this loop has to wait,
and its half-open state cannot be interrupted by a shutdown.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum

from sink_worker.settings import BreakerSettings


class State(IntEnum):
    """The values of the metric ``cdc_circuit_breaker_state``."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """Thread-safe. ``delay()`` says how long to wait before a try; every try ends in ``success`` or ``failure``."""

    def __init__(
        self,
        settings: BreakerSettings,
        on_change: Callable[[State], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()
        self._outcomes: deque[bool] = deque(maxlen=settings.window)
        self._consecutive = 0
        self._state = State.CLOSED
        self._opened_at = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        """Open until a half-open try was allowed, even when the time for it has come."""
        return self._state

    def delay(self) -> float:
        """Seconds to wait before the next try; 0 grants it. Half open grants one try at a time."""
        with self._lock:
            if self._state is State.CLOSED:
                return 0.0
            if self._state is State.HALF_OPEN and self._probing:
                return min(1.0, self._settings.open_seconds)
            left = self._opened_at + self._settings.open_seconds - self._clock()
            if self._state is State.OPEN and left > 0:
                return left
            self._probing = True
            self._become(State.HALF_OPEN)
            return 0.0

    def success(self) -> None:
        """A try went well: half open closes."""
        with self._lock:
            self._consecutive = 0
            if self._state is not State.CLOSED:
                self._outcomes.clear()
                self._become(State.CLOSED)
            self._outcomes.append(True)
            self._probing = False

    def failure(self) -> None:
        """A try failed: half open opens again, closed opens past the limit."""
        with self._lock:
            self._probing = False
            self._consecutive += 1
            self._outcomes.append(False)
            if self._state is State.HALF_OPEN or self._is_past_limit():
                self._open()

    def abandoned(self) -> None:
        """A try ended without an answer about the server's health (given up on purpose, or only contention)."""
        with self._lock:
            self._probing = False

    def trip(self) -> None:
        """Open whatever the counts: the retries of one batch are used up."""
        with self._lock:
            self._open()

    def _is_past_limit(self) -> bool:
        if self._settings.mode == "consecutive":
            return self._consecutive >= self._settings.consecutive
        full = len(self._outcomes) == self._settings.window
        return full and 100 * self._outcomes.count(False) >= self._settings.failure_percent * self._settings.window

    def _open(self) -> None:
        self._opened_at = self._clock()
        self._become(State.OPEN)

    def _become(self, state: State) -> None:
        if state is not self._state:
            self._state = state
            self._on_change(state)
