"""The two dashboards of requirement B8: pipelines, and the workers that move their rows. Pure."""

from components.observability import jmx
from components.observability.alert import DEAD_LETTERS, ERRORS, INFO, LAG, LAG_SECONDS, THRESHOLD
from components.observability.panels import Dashboard, Panel, Queries, Variable

_CHOSEN = 'pipeline=~"$pipeline"'
_PIPELINE = Variable("pipeline", INFO, "pipeline")
_YES_OR_NO = {0: "no", 1: "yes"}


def _of(metric: str, how: str = "max", by: str = "pipeline") -> Queries:
    """A gauge of the chosen pipelines."""
    return [(f"{how} by ({by}) ({metric}{{{_CHOSEN}}})", _legend(by))]


def _rate(metric: str, by: str = "pipeline") -> Queries:
    """A counter of the chosen pipelines, by the second."""
    return [(f"sum by ({by}) (rate({metric}{{{_CHOSEN}}}[5m]))", _legend(by))]


def _legend(by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", "))


def _one(how: str, metric: str) -> Queries:
    return [(f"{how}({metric}{{{_CHOSEN}}})", "")]


def _threshold(kind: str) -> Queries:
    return [(f'min({THRESHOLD}{{kind="{kind}", {_CHOSEN}}})', "threshold")]


def _latency(*quantiles: float) -> Queries:
    buckets = f"sum by (le) (rate(cdc_replication_latency_seconds_bucket{{{_CHOSEN}}}[5m]))"
    return [(f"histogram_quantile({quantile:g}, {buckets})", f"{quantile:.0%}") for quantile in quantiles]


def _heat() -> Queries:
    return [(f"sum by (le) (increase(cdc_replication_latency_seconds_bucket{{{_CHOSEN}}}[$__rate_interval]))", "{{le}}")]


def _mean(histogram: str) -> Queries:
    total, count = (f"sum by (pipeline) (rate({histogram}_{end}{{{_CHOSEN}}}[5m]))" for end in ("sum", "count"))
    return [(f"{total} / {count}", "{{pipeline}}")]


def _top() -> tuple[Panel, ...]:
    return (
        Panel("Latest change, late by", _one("max", LAG_SECONDS), "s", "stat", 6, "The slowest pipeline."),
        Panel("Records behind", _one("sum", LAG), "short", "stat", 6, "Worst partition of each pipeline, added up."),
        Panel("Errors", _one("max", ERRORS), "percentunit", "stat", 6, "Of the worst pipeline."),
        Panel("Refused events", _one("sum", DEAD_LETTERS), "short", "stat", 6, "Neither replayed nor superseded."),
    )


PIPELINES = Dashboard(
    "cdc-pipelines",
    "CDC: pipelines",
    "From the source's change to PostgreSQL's commit.",
    (_PIPELINE,),
    (
        *_top(),
        Panel("Throughput by table", _rate("cdc_events_processed_total", "pipeline, table"), "cps", width=12),
        Panel("Latency", _latency(0.5, 0.95, 0.99), "s", width=12, text="Oldest and newest row of each batch."),
        Panel("Latency, all of it", _heat(), "s", "heatmap", 12),
        Panel("Errors by type", _rate("cdc_error_total", "pipeline, error_type"), "cps", width=12),
        Panel("Time behind", [*_of(LAG_SECONDS), *_threshold("lagTime")], "s", width=12),
        Panel("Records behind, worst partition", [*_of(LAG), *_threshold("lag")], width=12),
        Panel("Share of errors", [*_of(ERRORS), *_threshold("errors")], "percentunit", width=12),
        Panel("Refused events by table", _of("cdc_dlq_size", by="pipeline, table"), width=12),
        Panel("Sources", kind="row"),
        Panel("Age of changes when they are read", [(f"max by (server) ({jmx.SOURCE_LAG})", "{{server}}")], "s", width=12),
        Panel(
            "Connected to their database",
            [(f"max by (server) ({jmx.SOURCE_CONNECTED})", "{{server}}")],
            kind="state-timeline",
            width=12,
            names=_YES_OR_NO,
        ),
    ),
)

WORKERS = Dashboard(
    "cdc-workers",
    "CDC: sink workers and Connect",
    "Whether those that move the rows are well.",
    (_PIPELINE,),
    (
        Panel(
            "Circuit breakers",
            _of("cdc_circuit_breaker_state", by="pipeline, service"),
            kind="state-timeline",
            width=12,
            names={0: "closed", 1: "half-open", 2: "open"},
        ),
        Panel("Workers answer", [('up{job="sink"}', "{{instance}}")], kind="state-timeline", width=12, names=_YES_OR_NO),
        Panel("Partitions that are written", _of("cdc_partitions_assigned", "sum"), width=12),
        Panel("Partitions that are halted", _of("cdc_partitions_halted", "sum"), width=12),
        Panel("Partitions that are paused", _of("cdc_partitions_paused", "sum"), width=12),
        Panel("Growth of refused events", [(f"sum by (pipeline) (delta(cdc_dlq_size{{{_CHOSEN}}}[1h]))", "{{pipeline}}")]),
        Panel("Age of the oldest refused event", _of("cdc_dlq_oldest_seconds", by="pipeline, table"), "s"),
        Panel("Refused events by reason", _of("cdc_dlq_size_by_reason", by="pipeline, table, error_type")),
        Panel("Dead letters on their way to Kafka", _of("cdc_dlq_outbox_size")),
        Panel("Oldest checkpoint", _of("cdc_checkpoint_age_seconds"), "s"),
        Panel("Rows of a transaction", _mean("cdc_postgres_batch_size")),
        Panel("Where time goes", _rate("cdc_phase_seconds_sum", "phase"), "percentunit", text="Of all workers together."),
        Panel("Batches given up to another owner", _rate("cdc_fenced_total"), "cps"),
        Panel("Hints that Redis did not take", _rate("cdc_redis_failures_total"), "cps"),
        Panel("CPU of workers", [('sum by (pipeline) (rate(process_cpu_seconds_total{job="sink"}[5m]))', "{{pipeline}}")]),
        Panel(
            "Memory of workers", [('sum by (pipeline) (process_resident_memory_bytes{job="sink"})', "{{pipeline}}")], "bytes"
        ),
        Panel("Connect", kind="row"),
        Panel(
            "Connectors",
            [(f"max by (connector, status) ({jmx.CONNECTOR_STATUS})", "{{connector}} {{status}}")],
            kind="state-timeline",
            names={1: "so"},
        ),
        Panel("Tasks that run", [(f"max by (connector) ({jmx.TASKS_RUNNING})", "{{connector}}")]),
        Panel("Tasks that have failed", [(f"max by (connector) ({jmx.TASKS_FAILED})", "{{connector}}")]),
    ),
)
