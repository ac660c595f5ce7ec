"""Somebody is told, in time, and knows what to do (requirements A8, A17, A20, B8, B12)."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

from components.core.quantities import FOREVER, format_duration
from components.core.yaml_text import load
from components.observability.alert import INFO
from components.observability.render_docker import RULES_ENDING
from components.observability.scraping import tls_ports
from policies.model import ADVICE, OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation

_DAY = 86_400_000
_ABOUT_LAG = {"HighConsumerLag"}
_ABOUT_CERTIFICATES = {"CertificateExpires", "CertificateExpiresSoon"}


@cache
def _of_file(text: str) -> Any:
    return load(text, "rules")


def _rules(subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every rule, with the id of the object or container that has it."""
    for manifest in subject.of_kind("PrometheusRule"):
        for group in manifest.body["spec"]["groups"]:
            yield from ((manifest.id, rule) for rule in group["rules"])
    for workload in subject.rendered.workloads:
        for path, text in workload.files.items():
            if path.endswith(RULES_ENDING):
                for group in _of_file(text)["groups"]:
                    yield from ((workload.id, rule) for rule in group["rules"])


def _exists(subject: Subject) -> Iterator[Violation]:
    if subject.spec.observability is None:
        yield Violation("observability", "nothing is measured, and nobody is told of anything")


def _pipelines_alert(subject: Subject) -> Iterator[Violation]:
    if subject.spec.observability is None:
        return
    rules = [rule for _, rule in _rules(subject)]
    known = {rule["labels"]["pipeline"] for rule in rules if rule.get("record") == INFO}
    alerts = {rule.get("alert") for rule in rules}
    for index, pipeline in enumerate(subject.spec.pipelines):
        if pipeline.name not in known or not alerts >= _ABOUT_LAG:
            yield Violation(f"pipelines[{index}].alerts", f"no alert is about pipeline {pipeline.name}")


def _runbooks(subject: Subject) -> Iterator[Violation]:
    for resource, rule in _rules(subject):
        if "alert" in rule and not str(rule.get("annotations", {}).get("runbook", "")).endswith(".md"):
            yield Violation("observability", f"alert {rule['alert']} has no runbook", resource)


def _runbook_address(subject: Subject) -> Iterator[Violation]:
    observed = subject.spec.observability
    if observed is not None and observed.runbooks is None:
        yield Violation("observability.runbooks", "alerts name a file, and not where its reader finds it")


def _certificates(subject: Subject) -> Iterator[Violation]:
    if subject.spec.observability is None or not tls_ports(subject.spec):
        return
    missing = _ABOUT_CERTIFICATES - {rule.get("alert") for _, rule in _rules(subject)}
    for name in sorted(missing):
        yield Violation("observability.certificates", f"nothing is rendered that would be {name}")


def _renewal(subject: Subject) -> Iterator[Violation]:
    observed, tls = subject.spec.observability, subject.spec.kafka.tls
    if observed is not None and observed.certificates.warning >= tls.renew_before_days * _DAY:
        yield Violation(
            "observability.certificates.warning",
            f"warns {format_duration(observed.certificates.warning)} before the end, and Kafka's certificates are renewed "
            f"{tls.renew_before_days}d before it",
        )


def _before_loss(subject: Subject) -> Iterator[Violation]:
    observed = subject.spec.observability
    if observed is None:
        return
    retentions: dict[str, list[int]] = defaultdict(list)
    for topic in subject.state.topics:
        if ".source." in topic.origin and int(topic.config["retention.ms"]) != FOREVER:
            retentions[topic.pipeline].append(int(topic.config["retention.ms"]))
    for index, pipeline in enumerate(subject.spec.pipelines):
        own = pipeline.alerts.lag_time
        late = observed.thresholds.lag_time if own is None else own
        kept = retentions[pipeline.name]
        if kept and late * 2 > min(kept):
            path = "observability.thresholds.lagTime" if own is None else f"pipelines[{index}].alerts.lagTime"
            yield Violation(
                path,
                f"pipeline {pipeline.name} is called late at {format_duration(late)}, and its changes are kept "
                f"{format_duration(min(kept))}",
            )


def _grafana(subject: Subject) -> Iterator[Violation]:
    observed = subject.spec.observability
    if (
        subject.spec.target == "docker"
        and observed is not None
        and observed.grafana.enabled
        and observed.grafana.password is None
    ):
        yield Violation("observability.grafana.password", "whoever reaches Grafana sees everything, and nobody can sign in")


def _traced(subject: Subject) -> Iterator[Violation]:
    if subject.spec.tracing is None and (subject.spec.sink is not None or subject.spec.connect is not None):
        yield Violation("tracing", "no change can be followed from its read to its commit")


def _tracing_encryption(subject: Subject) -> Iterator[Violation]:
    tracing = subject.spec.tracing
    if tracing is None:
        return
    hops = {"tracing.tls.enabled": tracing.tls.enabled}
    if tracing.backend is None:
        hops["tracing.jaeger.tls.enabled"] = tracing.jaeger.tls.enabled
    for path, encrypted in hops.items():
        if not encrypted:
            yield Violation(path, "names of tables and hosts cross the network in plain text")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "observability-exists",
        "The environment is observed",
        "A pipeline that has stopped looks like one that has nothing to do.",
        "Declare observability: {}.",
        "Requirements A8 and B12",
        ADVICE,
        _exists,
    ),
    Rule(
        "observability-pipeline-alert",
        "Every pipeline has an alert",
        "Its owner learns from the users of its tables that it is behind.",
        "Leave the rules to the platform.",
        "Requirements A8 and B12",
        SHARED,
        _pipelines_alert,
    ),
    Rule(
        "observability-runbook",
        "Every alert has a runbook",
        "Whoever is woken at night must not begin by reading code.",
        "Give the alert a page in docs/runbooks.",
        "Requirement B12",
        SHARED,
        _runbooks,
    ),
    Rule(
        "observability-runbook-address",
        "Alerts say where their runbook is found",
        "A file's name is of no use on a telephone.",
        "Set observability.runbooks to the address of docs/runbooks.",
        "Requirement B12",
        ADVICE,
        _runbook_address,
    ),
    Rule(
        "observability-certificates",
        "Certificates have alerts",
        "A certificate that ends stops everything behind it at once.",
        "Leave the rules to the platform.",
        "Requirement A17",
        OUTSIDE_DEVELOPMENT,
        _certificates,
    ),
    Rule(
        "observability-certificate-renewal",
        "Certificates are renewed before somebody is told that they end",
        "An alert that fires at every renewal is one that nobody reads.",
        "Lower observability.certificates.warning, or raise kafka.tls.renewBeforeDays.",
        "Requirement A17",
        OUTSIDE_DEVELOPMENT,
        _renewal,
    ),
    Rule(
        "observability-before-loss",
        "A pipeline is called late long before its changes are gone",
        "What is told when the oldest changes are deleted already is told for nothing.",
        "Lower the lagTime, to half of the topics' retention at most, or keep the changes longer.",
        "Apache Kafka documentation, retention.ms",
        SHARED,
        _before_loss,
    ),
    Rule(
        "observability-grafana-password",
        "Grafana asks who is there",
        "Dashboards show the names of tables, hosts and tenants.",
        "Set observability.grafana.password.",
        "Grafana documentation, configure security",
        OUTSIDE_DEVELOPMENT,
        _grafana,
    ),
    Rule(
        "tracing-exists",
        "Changes can be followed",
        "Of a change that came late or wrong nobody can say where.",
        "Declare tracing: {}.",
        "Requirement A20",
        ADVICE,
        _traced,
    ),
    Rule(
        "tracing-encryption",
        "Spans are encrypted on their way",
        "They name tables, hosts and users.",
        "Leave tracing.tls and tracing.jaeger.tls enabled.",
        "Requirement A17",
        OUTSIDE_DEVELOPMENT,
        _tracing_encryption,
    ),
)
