"""What ``sink-worker inspect`` shows: PostgreSQL's view of the pipeline, beside the log's ends where Kafka answers."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table

from sink_worker.control import Control, connect
from sink_worker.kafka_client import Cluster, LogBounds
from sink_worker.partitions import Key
from sink_worker.settings import Settings

_OFFSETS = """
SELECT cluster_id, topic, topic_id, "partition", epoch, next_offset, worker, claimed_at, updated_at
FROM {schema}.offsets WHERE pipeline = %s ORDER BY topic, "partition", claimed_at
"""
_REJECTED = """
SELECT topic, table_schema || '.' || table_name, status, error_class, count(*), min(rejected_at), max(rejected_at)
FROM {schema}.rejected WHERE pipeline = %s GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 4
"""
_OUTBOX = "SELECT count(*) FROM {schema}.outbox WHERE pipeline = %s"


@dataclass(frozen=True, slots=True)
class PartitionLine:
    """One stored partition. ``lag`` is None where Kafka does not tell; ``lost`` events are gone from the log."""

    cluster_id: str
    topic: str
    topic_id: str
    partition: int
    epoch: int
    next_offset: int
    worker: str
    claimed_at: datetime
    updated_at: datetime
    lag: int | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """Refused events of one kind."""

    topic: str
    table: str
    status: str
    error_class: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Inspection:
    """The pipeline as it stands."""

    pipeline: str
    partitions: list[PartitionLine]
    rejected: list[RejectedLine]
    outbox: int
    kafka_problem: str | None

    @property
    def needs_attention(self) -> bool:
        """Whether events are refused and open, or lost."""
        return any(line.status == "open" for line in self.rejected) or any(line.lost for line in self.partitions)

    def as_json(self) -> dict[str, Any]:
        """Plain values; times in ISO 8601."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def inspect_pipeline(settings: Settings) -> Inspection:
    """Look once; nothing is changed. psycopg.Error when PostgreSQL does not answer."""
    pipeline, control = settings.kafka.group_id, Control(settings.postgres.control_schema)
    with connect(settings.postgres, "inspect", pipeline) as connection:
        control.install(connection)
        stored = connection.execute(control.statement(_OFFSETS), [pipeline]).fetchall()
        rejected = [RejectedLine(*row) for row in connection.execute(control.statement(_REJECTED), [pipeline])]
        row = connection.execute(control.statement(_OUTBOX), [pipeline]).fetchone()
    problem, lines = _with_log(settings, [PartitionLine(*values) for values in stored])
    return Inspection(pipeline, lines, rejected, row[0] if row else 0, problem)


def show(report: Inspection) -> None:
    """Tables on the standard output."""
    console = Console()
    offsets = Table("topic", "partition", "next offset", "lag", "epoch", "worker", "moved", title=f"pipeline {report.pipeline}")
    for line in report.partitions:
        lag = "?" if line.lag is None else f"{line.lag}" + (f" ({line.lost} lost)" if line.lost else "")
        offsets.add_row(line.topic, str(line.partition), str(line.next_offset), lag, str(line.epoch), line.worker,
                        f"{line.updated_at:%Y-%m-%d %H:%M:%S}")  # fmt: skip
    console.print(offsets)
    if report.rejected:
        refused = Table("table", "status", "error", "events", "last", title="refused events")
        for kind in report.rejected:
            refused.add_row(kind.table, kind.status, kind.error_class, str(kind.count), f"{kind.last:%Y-%m-%d %H:%M:%S}")
        console.print(refused)
    console.print(f"dead letters on their way to Kafka: {report.outbox}")
    if report.kafka_problem:
        console.print(f"Kafka does not tell the log's ends: {report.kafka_problem}")


def _with_log(settings: Settings, lines: list[PartitionLine]) -> tuple[str | None, list[PartitionLine]]:
    try:
        cluster = Cluster(settings, f"{settings.worker_id}-inspect")
        cluster_id = cluster.cluster_id()
        topics = cluster.topics({line.topic for line in lines})
        bounds = cluster.bounds({(line.topic, line.partition) for line in lines if line.topic in topics})
    except KafkaException as error:
        return str(error), lines
    return None, [_beside(line, cluster_id, topics, bounds) for line in lines]


def _beside(
    line: PartitionLine, cluster_id: str, topics: dict[str, tuple[str, int]], bounds: dict[Key, LogBounds]
) -> PartitionLine:
    log = bounds.get((line.topic, line.partition))
    if log is None or line.cluster_id != cluster_id or topics[line.topic][0] != line.topic_id:
        return line
    values = {**{name: getattr(line, name) for name in line.__slots__}, "lag": max(0, log.high - line.next_offset),
              "lost": max(0, log.low - line.next_offset)}  # fmt: skip
    return PartitionLine(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
