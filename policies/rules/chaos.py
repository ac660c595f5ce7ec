"""Experiments break one thing, for a while, and nothing that is not ours."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.model import EVERYWHERE, Rule, Subject, Violation
from policies.rules.places import origin

_KINDS = ("PodChaos", "NetworkChaos", "StressChaos", "IOChaos", "DNSChaos", "HTTPChaos", "TimeChaos", "JVMChaos", "KernelChaos")

Body = Mapping[str, Any]


def _experiments(subject: Subject) -> Iterator[tuple[Any, Body, bool]]:
    """Each with the object that it stands in; a Schedule says when."""
    for schedule in subject.of_kind("Schedule"):
        for key, value in schedule.body["spec"].items():
            if key.endswith("haos") and isinstance(value, Mapping):
                yield schedule, value, schedule.body["spec"].get("concurrencyPolicy") == "Forbid"
    for manifest in subject.of_kind(*_KINDS):
        yield manifest, manifest.body["spec"], False


def _bounded(subject: Subject) -> Iterator[Violation]:
    own = [subject.spec.context.namespace]
    for manifest, experiment, scheduled in _experiments(subject):
        target = experiment.get("target") or {}
        wrong = []
        for selector in (experiment.get("selector") or {}, *([target.get("selector") or {}] if target else [])):
            if selector.get("namespaces") != own:
                wrong.append("chooses in other namespaces than the platform's")
            if not selector.get("labelSelectors"):
                wrong.append("chooses every pod")
        if experiment.get("mode") != "one":
            wrong.append("is done to more than one pod")
        if not experiment.get("duration") and experiment.get("action") not in ("pod-kill", "container-kill"):
            wrong.append("has no end")
        if not scheduled:
            wrong.append("may begin while the last one runs")
        for message in dict.fromkeys(wrong):
            yield Violation(origin(subject, manifest), message, manifest.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "chaos-bounded",
        "An experiment is done to one pod of the platform, for a while, and never twice at once",
        "One that chooses too widely is an outage, and may be somebody else's.",
        "Declare experiments under chaos, from which they are derived.",
        "Principles of Chaos Engineering (minimize blast radius); Chaos Mesh documentation, selectors",
        EVERYWHERE,
        _bounded,
    ),
)
