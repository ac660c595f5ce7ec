"""Waits for what comes to be a moment after it was asked for."""

import time
from collections.abc import Callable

from operations.backup.errors import BackupError

_SECONDS, _PAUSE_SECONDS = 60, 0.05


def until(what: str, holds: Callable[[], bool]) -> None:
    """Raises :class:`BackupError` where it does not come to hold."""
    deadline = time.monotonic() + _SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise BackupError(
                f"{what}: not within {_SECONDS} s\n      → look into the log of whoever should, and run the same again"
            )
        time.sleep(_PAUSE_SECONDS)
