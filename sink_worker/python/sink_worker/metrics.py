"""The metrics. Names and labels of the first eight are the requirement's (B section 8); the rest is ours, but for
``process_*``, which is CPU and memory as every Prometheus client tells them."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_LATENCY_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)
_ROWS: Final = (1, 10, 50, 100, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
_PHASE_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One process's metrics in a registry of their own."""

    def __init__(self, worker_id: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._worker_id = worker_id
        self._events = Counter("cdc_events_processed", "Total events processed", ["table", "worker_id"], registry=registry)
        self._latency = Histogram(
            "cdc_replication_latency_seconds",
            "From the source's change to PostgreSQL's commit; the oldest and the newest row of each batch",
            ["table"],
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )
        self._lag = Gauge(
            "cdc_replication_lag_seconds",
            "Age of the last committed change while the log has more, else 0",
            ["table"],
            registry=registry,
        )
        self._errors = Counter("cdc_error", "Errors by type", ["table", "error_type"], registry=registry)
        self._dlq_size = Gauge(
            "cdc_dlq_size", "Refused events that are neither replayed nor superseded", ["table"], registry=registry
        )
        self._dlq_oldest = Gauge("cdc_dlq_oldest_seconds", "Age of the oldest of them, else 0", ["table"], registry=registry)
        self._dlq_reasons = Gauge(
            "cdc_dlq_size_by_reason", "The same events by what refused them", ["table", "error_type"], registry=registry
        )
        self._checkpoint_age = Gauge(
            "cdc_checkpoint_age_seconds",
            "Time since the partition's offset last moved, while the log has more, else 0",
            ["table", "partition"],
            registry=registry,
        )
        self._batch_size = Histogram(
            "cdc_postgres_batch_size", "Rows written by one transaction", ["table"], buckets=_ROWS, registry=registry
        )
        self.breaker = Gauge("cdc_circuit_breaker_state", "0=closed, 1=half-open, 2=open", ["service"], registry=registry)
        self._lag_events = Gauge(
            "cdc_replication_lag_events",
            "Events between the log's end and the committed offset",
            ["table", "partition"],
            registry=registry,
        )
        self.outbox = Gauge("cdc_dlq_outbox_size", "Dead letters on their way to Kafka", registry=registry)
        self.fenced = Counter("cdc_fenced", "Batches given up because the partition had another owner", registry=registry)
        self.halted = Gauge("cdc_partitions_halted", "Assigned partitions that wait for a repair", registry=registry)
        self.paused = Gauge("cdc_partitions_paused", "Assigned partitions whose table somebody paused", registry=registry)
        self.assigned = Gauge("cdc_partitions_assigned", "Assigned partitions", registry=registry)
        self.redis_failures = Counter("cdc_redis_failures", "Hints that Redis did not take", registry=registry)
        self.phase = Histogram(
            "cdc_phase_seconds", "Time of a batch's phases", ["phase"], buckets=_PHASE_SECONDS, registry=registry
        )

    def written(self, table: str, events: int, rows: int, latencies: Iterable[float]) -> None:
        """A batch of a table was committed."""
        self._events.labels(table, self._worker_id).inc(events)
        self._batch_size.labels(table).observe(rows)
        for seconds in latencies:
            self._latency.labels(table).observe(max(0.0, seconds))

    def error(self, table: str, error_type: str, count: int = 1) -> None:
        """Something went wrong; ``table`` is empty where no single one is meant."""
        self._errors.labels(table, error_type).inc(count)

    def lag(self, table: str, partition: int, events: int, checkpoint_age: float) -> None:
        """How far one partition is behind."""
        self._lag_events.labels(table, str(partition)).set(events)
        self._checkpoint_age.labels(table, str(partition)).set(checkpoint_age)

    def table_lag(self, table: str, seconds: float) -> None:
        """How far a table is behind: the most of its partitions."""
        self._lag.labels(table).set(seconds)

    def dlq_waits(self, waiting: Iterable[tuple[str, str, int, float]], known: Iterable[str]) -> None:
        """Open rejections by table and error class, with the oldest's age; ``known`` tables without any are 0."""
        self._dlq_reasons.clear()
        sizes, oldest = dict.fromkeys(known, 0), dict.fromkeys(known, 0.0)
        for table, error_type, count, age in waiting:
            self._dlq_reasons.labels(table, error_type).set(count)
            sizes[table] = sizes.get(table, 0) + count
            oldest[table] = max(oldest.get(table, 0.0), age)
        for table, size in sizes.items():
            self._dlq_size.labels(table).set(size)
            self._dlq_oldest.labels(table).set(oldest[table])

    def forget(self, table: str, partition: int) -> None:
        """The partition is another worker's: its gauges must not stand still here."""
        for gauge in (self._lag_events, self._checkpoint_age):
            gauge.remove(table, str(partition))
