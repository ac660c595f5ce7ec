"""A thread that writes one unit of work after another, behind a hand-over that holds one more."""

import threading
from collections.abc import Callable

import structlog

from sink_worker.errors import AbortedError
from sink_worker.work import Event, Failed, Work
from sink_worker.writer import Outcome, Writer

_log = structlog.get_logger("sink_worker.lane")


class Lane(threading.Thread):
    """The loop offers work; ``finished`` is called here, in this thread, with what was written.

    ``abort`` voids all that was offered so far: what waits is dropped, what is being written is rolled back. Whether its
    COMMIT had gone out already does not matter: the offsets tell, and partitions are claimed anew before they are read again.
    """

    def __init__(
        self, name: str, writer: Writer, finished: Callable[[Work, Outcome], None], tell: Callable[[Event], None]
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._writer = writer
        self._finished = finished
        self._tell = tell
        self._change = threading.Condition()
        self._waiting: Work | None = None
        self._current: Work | None = None
        self._generation = 0
        self._closing = False

    @property
    def stuck(self) -> bool:
        """Whether the writer waits for the environment."""
        return self._writer.waiting

    @property
    def busy(self) -> bool:
        """Whether something is being written or waits to be."""
        return self._waiting is not None or self._current is not None

    def offer(self, work: Work, timeout: float) -> bool:
        """Hand work over once there is room; False when there was none within ``timeout`` seconds."""
        with self._change:
            if not self._change.wait_for(lambda: self._waiting is None and not self._closing, timeout):
                return False
            work.generation = self._generation
            self._waiting = work
            self._change.notify_all()
            return True

    def wait_idle(self, timeout: float) -> bool:
        """Whether all that was offered is done within ``timeout`` seconds."""
        with self._change:
            return self._change.wait_for(lambda: not self.busy, timeout)

    def abort(self, timeout: float) -> bool:
        """Void all that was offered; whether the writer was idle within ``timeout`` seconds."""
        with self._change:
            self._generation += 1
            self._waiting = None
            writing = self._current is not None
            self._change.notify_all()
        if writing:
            self._writer.cancel()
        return self.wait_idle(timeout)

    def close(self, timeout: float) -> None:
        """End the thread; what was offered and not begun is dropped."""
        with self._change:
            self._closing = True
            self._waiting = None
            self._change.notify_all()
        self.join(timeout)

    def run(self) -> None:
        """The thread."""
        try:
            while (work := self._next()) is not None:
                self._write(work)
        except BaseException as error:
            _log.exception("writer_failed")
            self._tell(Failed(error))
        finally:
            with self._change:
                self._closing = True  # takes nothing more, however it ended
            self._done()
            self._writer.close()

    def _write(self, work: Work) -> None:
        try:
            outcome = self._writer.write(work, lambda: work.generation != self._generation)
        except AbortedError:
            _log.info("batch_given_up", messages=work.messages)
        else:
            if outcome is not None:
                self._finished(work, outcome)
        finally:
            self._done()

    def _next(self) -> Work | None:
        with self._change:
            self._change.wait_for(lambda: self._closing or self._waiting is not None)
            self._current, self._waiting = self._waiting, None
            self._change.notify_all()
            return None if self._closing else self._current

    def _done(self) -> None:
        with self._change:
            self._current = None
            self._change.notify_all()
