"""The keys with an open rejection, remembered so that the happy path asks PostgreSQL nothing about them."""

import threading
from collections.abc import Iterable, Mapping


class OpenKeys:
    """Thread-safe. It may know too many (an UPDATE then meets nothing), never too few."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, frozenset[bytes]] = {}

    def add(self, found: Mapping[str, Iterable[bytes]]) -> None:
        """These are open; what was known before stays."""
        with self._lock:
            for topic, keys in found.items():
                if more := frozenset(keys):
                    self._keys[topic] = self._keys.get(topic, frozenset()) | more

    def of(self, topic: str) -> frozenset[bytes]:
        """The keys of a topic."""
        return self._keys.get(topic, frozenset())

    def settle(self, found: Mapping[str, Iterable[bytes]]) -> None:
        """Later events of these keys are committed."""
        with self._lock:
            for topic, keys in found.items():
                if (gone := frozenset(keys)) and topic in self._keys:
                    self._keys[topic] -= gone
