"""Alerts over pipelines (requirements A8, A11, B12): one rule each, however many pipelines there are. Pure.

Thresholds and owners are series of their own (:mod:`components.observability.rules`).
"""

from collections.abc import Iterator

from components.environment import EnvironmentSpec
from components.observability.alert import DEAD_LETTERS, ERRORS, INFO, LAG, LAG_SECONDS, THRESHOLD, Alert

_LOST_CONNECTIONS = "OperationalError|InterfaceError|ConnectionTimeout|.*:08...|.*:53300|.*:57P0[123]"
"""Error types of the sink worker: psycopg's own classes where no server answered, and PostgreSQL's SQLSTATEs of class 08,
too_many_connections, and shutdowns."""

_OLD_SECONDS = 86_400
"""A day: what nobody has looked at by then, nobody is looking at."""


def _above(value: str, kind: str) -> str:
    return f'{value} > on (pipeline) group_left () {THRESHOLD}{{kind="{kind}"}}'


def _of_pipeline(expr: str) -> str:
    """The same values with their pipeline's tenant, owner and group as labels."""
    return f"{INFO} * on (pipeline) group_left () ({expr})"


def lag(spec: EnvironmentSpec) -> Iterator[Alert]:
    """Of any consumer, whichever writes the rows."""
    if not spec.pipelines:
        return
    yield Alert(
        "HighConsumerLag",
        "consumer-lag",
        _above(LAG, "lag"),
        5,
        "warning",
        "{{ $labels.pipeline }}: {{ $value }} records behind in its worst partition",
        "Group {{ $labels.consumergroup }} does not keep up, or does not run.",
    )


def sinks() -> Iterator[Alert]:
    name = "{{ $labels.pipeline }}"
    yield Alert(
        "PipelineBehind",
        "consumer-lag",
        _above(LAG_SECONDS, "lagTime"),
        1,
        "critical",
        name + ": changes reach PostgreSQL {{ $value | humanizeDuration }} late",
        "Its oldest unwritten change waits longer than its owner allows.",
    )
    yield Alert(
        "PipelineErrors",
        "pipeline-errors",
        _above(ERRORS, "errors"),
        5,
        "critical",
        name + ": {{ $value | humanizePercentage }} of its events are errors",
        "See which type of error it is, and in which table.",
    )
    yield Alert(
        "DeadLetters",
        "dead-letters",
        _above(DEAD_LETTERS, "deadLetters"),
        5,
        "warning",
        name + ": {{ $value }} refused events wait",
        "Find out why they were refused, mend it, and replay them.",
    )
    yield Alert(
        "DeadLettersOld",
        "dead-letters",
        _of_pipeline(f"max by (pipeline) (cdc_dlq_oldest_seconds) > {_OLD_SECONDS}"),
        10,
        "warning",
        name + ": a refused event has waited for {{ $value | humanizeDuration }}",
        "However few they are, their rows are missing or old; correct them, or archive them.",
    )
    yield Alert(
        "DeadLettersNotSent",
        "dead-letters",
        _of_pipeline("max by (pipeline) (cdc_dlq_outbox_size) > 0"),
        15,
        "warning",
        name + ": {{ $value }} dead letters do not reach their topic",
        "They are safe in PostgreSQL; Kafka does not take them.",
    )
    yield Alert(
        "PipelineHalted",
        "pipeline-halted",
        _of_pipeline("sum by (pipeline) (cdc_partitions_halted) > 0"),
        2,
        "critical",
        name + ": {{ $value }} partitions are halted",
        "Nothing of them is written until their table is mended.",
    )
    yield Alert(
        "PipelinePaused",
        "pipeline-halted",
        _of_pipeline("sum by (pipeline) (cdc_partitions_paused) > 0"),
        60,
        "warning",
        name + ": {{ $value }} partitions are paused by hand",
        "Somebody paused a table an hour ago; resume it before Kafka forgets what waits.",
    )
    yield Alert(
        "SchemaReviewWaits",
        "pipeline-halted",
        _of_pipeline("max by (pipeline) (cdc_schema_reviews_pending) > 0"),
        15,
        "warning",
        name + ": {{ $value }} breaking schema changes of a table wait for a decision",
        "Until then its rows are queued, skipped, written in part, or the topic stands, as the spec says.",
    )
    without = f'{INFO}{{via="sink-worker"}} unless on (pipeline) (sum by (pipeline) (cdc_partitions_assigned) > 0)'
    yield Alert(
        "PipelineWithoutWorker",
        "pipeline-halted",
        without,
        5,
        "critical",
        name + ": no worker has any of its partitions",
        "No worker runs, or none is a member of the group.",
    )


def stores() -> Iterator[Alert]:
    name = "{{ $labels.pipeline }}"
    opened = 'max by (pipeline) (max_over_time(cdc_circuit_breaker_state{service="postgres"}[2m])) == 2'
    yield Alert(
        "CircuitBreakerOpen",
        "postgresql",
        _of_pipeline(opened),
        3,
        "critical",
        name + ": its circuit breaker to PostgreSQL is open",
        "Half of the last writes failed; it tries again every 30 s.",
    )
    lost = f'sum by (pipeline) (rate(cdc_error_total{{error_type=~"{_LOST_CONNECTIONS}"}}[2m])) > 0'
    yield Alert(
        "PostgresqlUnreachable",
        "postgresql",
        _of_pipeline(lost),
        3,
        "critical",
        name + ": its workers cannot stay connected to PostgreSQL",
        "The server is down, full of connections, or out of reach.",
    )
    yield Alert(
        "RedisHintsFail",
        "redis",
        _of_pipeline("sum by (pipeline) (rate(cdc_redis_failures_total[5m])) > 0"),
        10,
        "warning",
        name + ": Redis does not take its hints",
        "Rows are written all the same; restarts and inspection are slower.",
    )
