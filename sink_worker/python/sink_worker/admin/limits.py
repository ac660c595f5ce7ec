"""How much one client may ask: a bucket of requests that fills again. Pure but for the clock given."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_CLIENTS: Final = 10_000


class Buckets:
    """``per_minute`` requests of each client, and as many at once. Used by the server's event loop only."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """0: it may go on. Else, in how many seconds."""
        now = self._clock()
        left, at = self._known.pop(client, (self._size, now))
        left = min(self._size, left + (now - at) * self._size / 60)
        allowed = left >= 1
        self._known[client] = (left - 1 if allowed else left, now)
        if len(self._known) > MOST_CLIENTS:
            self._known.popitem(last=False)
        return 0.0 if allowed else (1 - left) * 60 / self._size
