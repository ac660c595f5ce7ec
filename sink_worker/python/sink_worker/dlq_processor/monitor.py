"""The processor's metrics (requirements A4, B7, B8): what waits, why, for how long, and what became of the rest."""

import time
from collections import Counter as Counts
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from sink_worker.dlq_processor.store import Summary

OUTCOMES: Final = ("replayed", "superseded", "failed", "undecided", "paused", "archived", "malformed", "adopted", "forgotten")


class ProcessorMetrics:
    """In a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.healthy = True
        self._open = Gauge("cdc_dlq_open", "Refused events that wait, by table, class and reason",
                           ["table", "class", "error_type"], registry=registry)  # fmt: skip
        self._oldest = Gauge("cdc_dlq_oldest_open_seconds", "Age of the oldest event that waits", ["table", "class"],
                             registry=registry)  # fmt: skip
        self._archived = Gauge("cdc_dlq_archived", "Events in the archive", registry=registry)
        self._aside = Gauge("cdc_dlq_malformed", "Records of the topic of dead letters that name no event", registry=registry)
        self._outcomes = Counter("cdc_dlq_processed", "What became of refused events", ["outcome"], registry=registry)
        self._turned = Gauge("cdc_dlq_last_turn_timestamp_seconds", "When the processor last did all that was due",
                             registry=registry)  # fmt: skip
        for outcome in OUTCOMES:
            self._outcomes.labels(outcome)

    def turned(self, counts: Counts[str], summary: Summary) -> None:
        """A turn ended."""
        for outcome, count in counts.items():
            self._outcomes.labels(outcome).inc(count)
        self._open.clear()
        self._oldest.clear()
        now = time.time()
        oldest: dict[tuple[str, str], float] = {}
        for group in summary.groups:
            self._open.labels(group.table, group.kind.value, group.error_class).set(group.count)
            where = (group.table, group.kind.value)
            oldest[where] = max(oldest.get(where, 0.0), now - group.oldest.timestamp())
        for where, seconds in oldest.items():
            self._oldest.labels(*where).set(seconds)
        self._archived.set(summary.archived)
        self._aside.set(summary.aside)
        self._turned.set(now)
