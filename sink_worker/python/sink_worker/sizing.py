"""How many messages make a batch: adapts to the time that writes take, and to how large messages are."""

from collections.abc import Sequence
from typing import Any, Final

from sink_worker.settings import BatchSettings

_SAMPLE_EVERY: Final = 32
# librdkafka makes that many message objects at once, and no other thread runs meanwhile.
_CHUNK: Final = 1000
_GROWTH: Final = 1.5


class BatchSizer:
    """The row limit moves between its bounds; the byte limit holds whatever the rows."""

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self.rows = max(settings.min_rows, min(settings.max_rows, 2000))
        self._bytes_each = 1024.0
        self._seen = 0
        self._bytes = 0.0

    def begin(self) -> None:
        """A new batch."""
        self._seen = 0
        self._bytes = 0.0

    def room(self, messages: Sequence[Any]) -> int:
        """How many more messages to ask for at once; 0 when the batch is full."""
        if len(messages) > self._seen:
            # Every message of a small addition is weighed, of a large one some.
            added = len(messages) - self._seen
            sample = messages[self._seen :: max(1, min(_SAMPLE_EVERY, added // 16))]
            mean = sum(map(len, sample)) / len(sample) + 100
            self._bytes += mean * added
            self._seen = len(messages)
            self._bytes_each = max(mean, 0.8 * self._bytes_each + 0.2 * mean)
        left = self._settings.max_bytes - self._bytes
        return min(self.rows - len(messages), max(1, int(left / self._bytes_each)) if left > 0 else 0, _CHUNK)

    def written(self, messages: int, seconds: float) -> None:
        """A batch took so long to write."""
        target = self._settings.target_ms / 1000
        if seconds > target:
            fitting = int(messages * target / seconds * 0.9)
            self.rows = max(self._settings.min_rows, min(self.rows, fitting))
        elif messages >= self.rows // 2:
            self.rows = min(self._settings.max_rows, max(self.rows, int(self.rows * _GROWTH)))
