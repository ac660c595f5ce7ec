"""Environment failures are waited for: backoff with jitter, the circuit breaker, and no end but being told to stop."""

import threading
from collections.abc import Callable
from typing import TypeVar

import structlog
import tenacity

from sink_worker.breaker import CircuitBreaker
from sink_worker.errors import AbortedError, Kind, classify, public_message
from sink_worker.settings import RetrySettings

_log = structlog.get_logger("sink_worker.retry")
T = TypeVar("T")


class Patience:
    """Runs an attempt until it succeeds. Failures other than the environment's pass through at once."""

    def __init__(self, settings: RetrySettings, breaker: CircuitBreaker, on_failure: Callable[[BaseException], None]) -> None:
        self._settings = settings
        self._breaker = breaker
        self._on_failure = on_failure
        self._wake = threading.Event()
        self.waiting = False  # a failure was met, and it is not over

    def wake(self) -> None:
        """End a wait now; whoever waits looks whether it was interrupted."""
        self._wake.set()

    def run(self, attempt: Callable[[int], T], interrupted: Callable[[], bool]) -> T:
        """The attempt's value; it is told its number, from 1. :class:`AbortedError` as soon as ``interrupted()``."""
        number = 0

        def once() -> T:
            nonlocal number
            self._gate(interrupted)
            number += 1
            return self._judged(attempt, number)

        try:
            while True:
                retrying = self._retrying(interrupted)
                try:
                    return retrying(once)
                except Exception as error:
                    if classify(error).kind is not Kind.RETRYABLE:
                        raise
                    # The tries are used up: the breaker opens, and the batch is kept. It never becomes a dead letter.
                    self._breaker.trip()
                finally:
                    retrying.iter_state.reset()  # it refers to itself and to the attempt, and would keep the batch in memory
        finally:
            self.waiting = False

    def _retrying(self, interrupted: Callable[[], bool]) -> tenacity.Retrying:
        settings, first = self._settings, self._settings.first_seconds
        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(settings.attempts),
            wait=tenacity.wait_exponential_jitter(multiplier=first, max=settings.longest_seconds, jitter=first),
            retry=tenacity.retry_if_exception(lambda error: classify(error).kind is Kind.RETRYABLE),
            sleep=lambda seconds: self._sleep(min(seconds, settings.longest_seconds), interrupted), reraise=True,
        )  # fmt: skip

    def _judged(self, attempt: Callable[[int], T], number: int) -> T:
        try:
            value = attempt(number)
        except Exception as error:
            verdict = classify(error)
            if verdict.kind is not Kind.RETRYABLE:
                # The server answered, if not what was hoped for.
                self._breaker.abandoned() if isinstance(error, AbortedError) else self._breaker.success()
                raise
            self.waiting = True
            self._breaker.failure() if verdict.counts else self._breaker.abandoned()
            self._on_failure(error)
            _log.warning("write_failed", error_type=verdict.error_type, error=public_message(error), attempt=number,
                         breaker=self._breaker.state.name.lower())  # fmt: skip
            raise
        self._breaker.success()
        return value

    def _gate(self, interrupted: Callable[[], bool]) -> None:
        while (delay := self._breaker.delay()) > 0:
            self.waiting = True
            self._sleep(delay, interrupted)
        if interrupted():
            raise AbortedError("given up while waiting")

    def _sleep(self, seconds: float, interrupted: Callable[[], bool]) -> None:
        self._wake.wait(seconds)
        self._wake.clear()
        if interrupted():
            raise AbortedError("given up while waiting")
