"""What is measured of schema changes."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge


class EvolutionMetrics:
    """In a process's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.changes = Counter(
            "cdc_schema_changes", "Schema changes: applied by themselves, or found to be breaking", ["table", "outcome"],
            registry=registry,
        )  # fmt: skip
        self.skipped = Counter(
            "cdc_schema_rows_skipped", "Rows dropped because their table does not take their schema (log_and_skip)", ["table"],
            registry=registry,
        )  # fmt: skip
        self._pending = Gauge("cdc_schema_reviews_pending", "Breaking schema changes that wait for a review", ["table"],
                              registry=registry)  # fmt: skip

    def pending(self, counts: Mapping[str, int]) -> None:
        """By table; the others have none."""
        self._pending.clear()
        for table, count in counts.items():
            self._pending.labels(table).set(count)
