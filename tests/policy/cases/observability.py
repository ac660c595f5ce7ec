"""Metrics, alerts and traces."""

from typing import Any

from tests.policy import environments as env
from tests.policy.cases.making import Case, manifests, spec


def _without_annotations(body: dict[str, Any]) -> None:
    for rule in body["spec"]["groups"][0]["rules"]:
        rule.pop("annotations")


def _without_certificates(body: dict[str, Any]) -> None:
    group = body["spec"]["groups"][0]
    group["rules"] = [rule for rule in group["rules"] if not rule["alert"].startswith("Certificate")]


def _without_first(body: dict[str, Any]) -> None:
    del body["spec"]["groups"][0]["rules"][0]


OBSERVABILITY = (
    spec("observability-exists", "none", "observability", {"observability": env.REMOVED}),
    Case(
        "observability-pipeline-alert",
        "unknown",
        lambda: env.with_manifests(_without_first, "PrometheusRule", name="cdc-pipelines-0"),
        "pipelines[0].alerts",
    ),
    Case(
        "observability-pipeline-alert",
        "no rules",
        lambda: env.without_manifest("PrometheusRule", "cdc-alerts"),
        "pipelines[0].alerts",
    ),
    manifests(
        "observability-runbook",
        "none",
        "observability",
        "PrometheusRule/cdc/cdc-alerts",
        _without_annotations,
        "PrometheusRule",
        name="cdc-alerts",
    ),
    spec("observability-runbook-address", "none", "observability.runbooks", {"observability.runbooks": env.REMOVED}),
    Case(
        "observability-certificates",
        "no alert",
        lambda: env.with_manifests(_without_certificates, "PrometheusRule", name="cdc-alerts"),
        "observability.certificates",
    ),
    spec(
        "observability-certificate-renewal",
        "too early",
        "observability.certificates.warning",
        {"observability.certificates": {"warning": "40d"}},
    ),
    spec(
        "observability-before-loss",
        "of all",
        "observability.thresholds.lagTime",
        {"observability.thresholds": {"lagTime": "6d"}},
    ),
    spec(
        "observability-before-loss",
        "its own",
        "pipelines[0].alerts.lagTime",
        {"pipelines[0].alerts": {"lagTime": "6d"}},
    ),
    spec(
        "observability-grafana-password",
        "open",
        "observability.grafana.password",
        {"observability": {}},
        base="docker",
    ),
    spec("tracing-exists", "none", "tracing", {"tracing": env.REMOVED}),
    spec("tracing-encryption", "collector", "tracing.tls.enabled", {"tracing.tls": {"enabled": False}}),
    spec("tracing-encryption", "Jaeger", "tracing.jaeger.tls.enabled", {"tracing.jaeger": {"tls": {"enabled": False}}}),
)
