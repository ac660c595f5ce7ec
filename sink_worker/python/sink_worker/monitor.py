"""What is looked at now and then, beside the loop: topic ids, lag, gauges."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from confluent_kafka import KafkaException

from sink_worker.kafka_client import Cluster
from sink_worker.metrics import Metrics
from sink_worker.partitions import Partition, Partitions, State
from sink_worker.work import Event, Stale

_log = structlog.get_logger("sink_worker.monitor")
GAUGE_SECONDS: Final = 2.0


class Monitor(threading.Thread):
    """``label`` names a topic's table."""

    def __init__(self, partitions: Partitions, cluster: Cluster, metrics: Metrics, label: Callable[[str], str],
                 tell: Callable[[Event], None], topic_check_seconds: float) -> None:  # fmt: skip
        super().__init__(name="monitor", daemon=True)
        self._partitions = partitions
        self._cluster = cluster
        self._metrics = metrics
        self._label = label
        self._tell = tell
        self._check_every = topic_check_seconds
        self._ending = threading.Event()

    def close(self) -> None:
        """End."""
        self._ending.set()
        if self.is_alive():
            self.join(3.0)

    def run(self) -> None:
        """The thread."""
        checked = time.monotonic()
        while not self._ending.wait(GAUGE_SECONDS):
            self._gauges()
            if time.monotonic() - checked > self._check_every:
                checked = time.monotonic()
                self._compare_topics()

    def _gauges(self) -> None:
        present = self._partitions.all()
        self._metrics.assigned.set(len(present))
        self._metrics.halted.set(sum(p.state is State.HALTED for p in present))
        self._metrics.paused.set(sum(p.state is State.PAUSED for p in present))
        seconds: dict[str, float] = {}
        for partition in present:
            table = self._label(partition.topic)
            seconds[table] = max(seconds.get(table, 0.0), self._measure(partition, table))
        for table, lag in seconds.items():
            self._metrics.table_lag(table, lag)

    def _measure(self, partition: Partition, table: str) -> float:
        """Sets the partition's gauges; how many seconds it is behind."""
        end = partition.end
        behind = 0 if end is None or partition.state is not State.RUNNING else max(0, end - partition.stored)
        waits = behind > 0 or partition.state is State.HALTED
        age = time.monotonic() - partition.stored_at if waits else 0.0
        self._metrics.lag(table, partition.number, behind, age)
        if not waits:
            return 0.0
        return max(0.0, time.time() - partition.event_ms / 1000) if partition.event_ms else age

    def _compare_topics(self) -> None:
        """A topic that was deleted and made again has another id: what PostgreSQL knows is of the old one."""
        running = self._partitions.running()
        try:
            present = self._cluster.topics(partition.topic for partition in running)
        except KafkaException as error:
            _log.info("topics_not_compared", error=str(error))
            return
        changed = [(p.key, p.incarnation) for p in running if p.topic not in present or present[p.topic][0] != p.topic_id]
        if changed:
            _log.error("topics_changed", partitions=[f"{topic}[{number}]" for (topic, number), _ in changed])
            self._tell(Stale(changed))
