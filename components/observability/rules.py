"""Prometheus' rules: what is known of each pipeline as series, figures that rules and dashboards share, and alerts. Pure.

A pipeline is one recorded series that is always 1, with its name, tenant, owner and group as labels; a threshold of its own is
one more. Every rule over pipelines joins with them, so that a thousand pipelines need as many alert rules as one.
"""

from collections.abc import Iterator
from typing import Any

from components.core import yaml_text
from components.core.quantities import format_duration
from components.environment import EnvironmentSpec
from components.kafka.derive import sink_group
from components.kafka.topics import PLATFORM_OWNER
from components.observability.alert import DEAD_LETTERS, ERRORS, INFO, LAG, LAG_SECONDS, OVERRIDE, THRESHOLD, Alert
from components.observability.alerts import alerts
from components.observability.spec import ObservabilitySpec, ThresholdsSpec
from components.pipelines.alerts import PipelineAlertsSpec
from components.pipelines.spec import PipelineSpec
from components.sink.derive import pipelines as written_by_workers

RUNBOOKS = "docs/runbooks"
PIPELINES_EACH = 400
"""Of one file or object: the operator refuses objects above some 500 KiB."""

Group = dict[str, Any]


def documents(spec: EnvironmentSpec) -> dict[str, list[Group]]:
    """Rule groups by the name of their file or object. Nothing where observability is not declared."""
    observed = spec.observability
    if observed is None:
        return {}
    workers = {pipeline.name for _, pipeline in written_by_workers(spec)} if spec.sink is not None else set()
    known = [rule for pipeline in spec.pipelines for rule in _known(spec, pipeline, pipeline.name in workers)]
    parts = [known[start : start + PIPELINES_EACH] for start in range(0, len(known), PIPELINES_EACH)]
    found = {
        f"cdc-pipelines-{number}": [_group(observed, f"cdc-pipelines-{number}", part)] for number, part in enumerate(parts)
    }
    if spec.pipelines:
        found["cdc-recorded"] = [_group(observed, "cdc-recorded", list(_recorded(spec, observed)))]
    found["cdc-alerts"] = [_group(observed, "cdc-alerts", [_alert(spec, observed, alert) for alert in alerts(spec)])]
    return found


def text(groups: list[Group]) -> str:
    """A rule file."""
    return yaml_text.dump({"groups": groups})


def _group(observed: ObservabilitySpec, name: str, rules: list[dict[str, Any]]) -> Group:
    return {"name": name, "interval": format_duration(observed.scrape_interval), "rules": rules}


def owner(spec: EnvironmentSpec, pipeline: PipelineSpec) -> str:
    """Who answers for a pipeline."""
    owners = {tenant.name: tenant.owner for tenant in spec.tenants}
    return pipeline.owner or owners.get(pipeline.tenant, PLATFORM_OWNER)


def _known(spec: EnvironmentSpec, pipeline: PipelineSpec, worker: bool) -> Iterator[dict[str, Any]]:
    via = "sink-worker" if worker else "connect" if pipeline.sink.via == "jdbc" else "other"
    labels = {
        "pipeline": pipeline.name,
        "tenant": pipeline.tenant,
        "owner": owner(spec, pipeline),
        "consumergroup": sink_group(pipeline, spec.naming),
        "via": via,
    }
    yield {"record": INFO, "expr": "vector(1)", "labels": labels}
    for kind, value in _figures(pipeline.alerts).items():
        yield {"record": OVERRIDE, "expr": f"vector({value})", "labels": {"pipeline": pipeline.name, "kind": kind}}


def _figures(spec: PipelineAlertsSpec | ThresholdsSpec) -> dict[str, str]:
    """Thresholds that are said, in records, seconds, shares and events, by the name of their field."""
    figures = {
        "lag": spec.lag,
        "lagTime": None if spec.lag_time is None else spec.lag_time / 1000,
        "errors": None if spec.errors is None else spec.errors / 100,
        "deadLetters": spec.dead_letters,
    }
    return {kind: f"{value:.15g}" for kind, value in figures.items() if value is not None}


def _recorded(spec: EnvironmentSpec, observed: ObservabilitySpec) -> Iterator[dict[str, Any]]:
    """An environment's failures count as errors too, also while no event is written at all."""
    for kind, value in _figures(observed.thresholds).items():
        expr = f'{OVERRIDE}{{kind="{kind}"}} or on (pipeline) sum by (pipeline) ({INFO}) * {value}'
        yield {"record": THRESHOLD, "expr": expr, "labels": {"kind": kind}}
    yield {
        "record": LAG,
        "expr": f"{INFO} * on (consumergroup) group_left () max by (consumergroup) (kafka_consumergroup_lag)",
    }
    if spec.sink is None:
        return
    errors, events = (
        "sum by (pipeline) (rate(cdc_error_total[5m]))",
        "sum by (pipeline) (rate(cdc_events_processed_total[5m]))",
    )
    figures = {
        LAG_SECONDS: "max by (pipeline) (cdc_replication_lag_seconds)",
        ERRORS: f"{errors} / ({events} or 0 * {errors})",
        DEAD_LETTERS: "sum by (pipeline) (max by (pipeline, table) (cdc_dlq_size))",
    }
    for name, expr in figures.items():
        yield {"record": name, "expr": f"{INFO} * on (pipeline) group_left () ({expr})"}


def _alert(spec: EnvironmentSpec, observed: ObservabilitySpec, alert: Alert) -> dict[str, Any]:
    """Who owns a pipeline's alert comes with its series; the others are the platform's."""
    own = {} if INFO in alert.expr or THRESHOLD in alert.expr else {"owner": PLATFORM_OWNER}
    page = f"{alert.runbook}.md"
    annotations = {"summary": alert.summary, "description": alert.action, "runbook": f"{RUNBOOKS}/{page}"}
    if observed.runbooks is not None:
        annotations["runbook_url"] = f"{observed.runbooks}/{page}"
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": f"{alert.minutes}m",
        "labels": {"environment": spec.name, "severity": alert.severity, **own},
        "annotations": annotations,
    }
