"""What one run of one peer is, and how its progress is watched."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

INTERVAL_SECONDS = 0.1


@dataclass(frozen=True)
class Run:
    """One peer, once. ``events`` are changes: tombstones are in the stream, and are not counted.

    ``seconds`` are those between the first progress that was seen and the last, in which ``events`` were written;
    ``cpu`` is processor time by program over the whole run, in seconds, for ``all_events``.
    """

    events: int
    seconds: float
    all_events: int
    cpu: dict[str, float]
    peak_bytes: int
    whole: bool
    """Whether the run came to the end of the data, and the table was then found equal to the model."""

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_micros(self) -> float:
        """Microseconds of all programs' processor time for an event."""
        return sum(self.cpu.values()) / self.all_events * 1e6

    def plain(self) -> dict[str, Any]:
        """For the results' file."""
        return {**asdict(self), "per_second": self.per_second, "cpu_micros": self.cpu_micros}


@dataclass(frozen=True)
class Progress:
    """Records behind the peer at the first sight of any, and at the last, and the seconds between."""

    first: int
    last: int
    seconds: float


class Stalled(RuntimeError):
    """A peer made no progress for too long."""


def watch(behind: Callable[[], int], goal: int, *, limit: float | None = None, patience: float = 120) -> Progress:
    """Watch ``behind()`` until it is ``goal``, or for ``limit`` seconds after its first progress."""
    first, first_at, last, last_at = 0, 0.0, 0, time.monotonic()
    while last < goal and not (limit and first and time.monotonic() - first_at > limit):
        time.sleep(INTERVAL_SECONDS)
        now, moment = behind(), time.monotonic()
        if now > last:
            first, first_at = (first, first_at) if first else (now, moment)
            last, last_at = now, moment
        elif moment - last_at > patience:
            raise Stalled(f"no progress in {patience:g} s at record {last} of {goal}")
    return Progress(first, last, last_at - first_at)
