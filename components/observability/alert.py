"""What an alert is, and the series that rules, alerts and dashboards share. Pure."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["critical", "warning"]

INFO, OVERRIDE, THRESHOLD = "cdc:pipeline_info", "cdc:pipeline_override", "cdc:pipeline_threshold"
LAG, LAG_SECONDS = "cdc:pipeline_lag_records", "cdc:pipeline_lag_seconds"
ERRORS, DEAD_LETTERS = "cdc:pipeline_error_ratio", "cdc:pipeline_dead_letters"
"""Recorded by :mod:`components.observability.rules`."""

LEADERLESS = "sum(kafka_topic_partitions) - (count(kafka_topic_partition_leader >= 0) or vector(0))"
"""The exporter says no leader of a partition that has none."""
TIME_LEFT = "min by (instance) (probe_ssl_earliest_cert_expiry) - time()"


@dataclass(frozen=True, slots=True)
class Alert:
    """``expr`` must hold for ``minutes``. ``runbook`` is a file in docs/runbooks. Texts are Prometheus' templates."""

    name: str
    runbook: str
    expr: str
    minutes: int
    severity: Severity
    summary: str
    action: str
