"""Runs rules over a value and says what came of it. Pure: today is an argument, and nothing that a rule does is swallowed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from components.core.context import Tier
from components.environment import WaiverSpec
from policies.model import Judged, Rule, Subject, Violation
from policies.rules import ALL, changes
from policies.rules import waivers as waiver_rules
from policies.rules.waivers import WaiverReview

_WAIVABLE = frozenset(rule.id for rule in ALL) | frozenset(rule.id for rule in changes.RULES)
_NUMBER = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class Waiver:
    """Why a finding does not count, until ``expires``."""

    owner: str
    reason: str
    expires: date


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation of one rule, at its level in this tier. ``waiver`` is set where the spec waives it; ``ran`` is false
    where the rule itself failed, which is always mandatory and never waived."""

    rule: str
    title: str
    level: Literal["mandatory", "advisory"]
    path: str
    message: str
    remedy: str
    resource: str | None = None
    waiver: Waiver | None = None
    ran: bool = True

    @property
    def is_failure(self) -> bool:
        """Whether it alone makes the verdict negative."""
        return self.level == "mandatory" and self.waiver is None

    @property
    def where(self) -> str:
        """Spec path and object, as far as known."""
        return " · ".join(part for part in (self.path, self.resource) if part)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that was found, failures first, then by rule and place. ``rules`` are those that ran."""

    environment: str
    tier: Tier
    today: date
    findings: tuple[Finding, ...]
    rules: tuple[Rule[Any], ...]

    @property
    def passed(self) -> bool:
        """Whether no mandatory rule is broken unwaived, and every rule could run."""
        return not any(finding.is_failure for finding in self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Mandatory and not waived."""
        return tuple(finding for finding in self.findings if finding.is_failure)

    @property
    def advice(self) -> tuple[Finding, ...]:
        """Advisory and not waived."""
        return tuple(f for f in self.findings if f.level == "advisory" and f.waiver is None)

    @property
    def waived(self) -> tuple[Finding, ...]:
        """What the spec waives."""
        return tuple(finding for finding in self.findings if finding.waiver is not None)


def judge(subject: Subject, today: date, rules: Sequence[Rule[Subject]] = ALL) -> Verdict:
    """The verdict of ``rules`` on an environment, its waivers applied and themselves judged."""
    spec = subject.spec
    active, found = run(rules, subject, spec.tier)
    findings, used = apply_waivers(found, spec.waivers, today)
    review = WaiverReview(spec.waivers, today, _WAIVABLE, frozenset(rule.id for rule in rules), used)
    reviewing, about_waivers = run(waiver_rules.RULES, review, spec.tier)
    return Verdict(spec.name, spec.tier, today, ordered((*findings, *about_waivers)), (*active, *reviewing))


def run(rules: Iterable[Rule[Judged]], judged: Judged, tier: Tier) -> tuple[tuple[Rule[Judged], ...], list[Finding]]:
    """The rules that are not disabled in ``tier``, and what they find in ``judged``. One that raises becomes a finding."""
    active = tuple(rule for rule in rules if rule.levels[tier] != "disabled")
    return active, [finding for rule in active for finding in _findings(rule, judged, tier)]


def _findings(rule: Rule[Judged], judged: Judged, tier: Tier) -> Iterator[Finding]:
    try:
        for violation in rule.check(judged):
            yield _finding(rule, violation, tier)
    except Exception as error:  # whatever a rule raises: it has not judged, and silence would read as approval
        yield Finding(
            rule=rule.id,
            title=rule.title,
            level="mandatory",
            path="",
            message=f"the rule could not run: {type(error).__name__}{_raised_at(error)}",
            remedy="This is a fault of the rule: nothing it looks after has been judged. Report it with this message.",
            ran=False,
        )


def _raised_at(error: Exception) -> str:
    """Where it was raised, and a key or attribute that was missing. Any other text could repeat what it was about."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    missing = f" {error}" if isinstance(error, (KeyError, AttributeError, NotImplementedError, ZeroDivisionError)) else ""
    return missing if trace is None else f"{missing} in {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}"


def _finding(rule: Rule[Any], violation: Violation, tier: Tier) -> Finding:
    return Finding(
        rule=rule.id,
        title=rule.title,
        level="mandatory" if rule.levels[tier] == "mandatory" else "advisory",
        path=violation.path,
        message=violation.message,
        remedy=rule.remedy,
        resource=violation.resource,
    )


def apply_waivers(
    findings: Sequence[Finding], waivers: Sequence[WaiverSpec], today: date
) -> tuple[list[Finding], frozenset[int]]:
    """The findings, those that a waiver in force covers marked with it; and the positions of the waivers that covered any."""
    by_rule: dict[str, list[int]] = {}
    for index, waiver in enumerate(waivers):
        if today < waiver.expires:
            by_rule.setdefault(waiver.rule, []).append(index)
    used: set[int] = set()
    marked = []
    for finding in findings:
        matching = [index for index in by_rule.get(finding.rule, ()) if finding.ran and _covers(waivers[index].path, finding)]
        used.update(matching)
        marked.append(replace(finding, waiver=_waiver(waivers[matching[0]])) if matching else finding)
    return marked, frozenset(used)


def _waiver(spec: WaiverSpec) -> Waiver:
    return Waiver(spec.owner, spec.reason, spec.expires)


def _covers(path: str | None, finding: Finding) -> bool:
    """A waiver covers its spec path or object and their parts: ``kafka.topics[3]`` covers ``kafka.topics[3].replicas``."""
    if path is None:
        return True
    return any(place is not None and _is_within(place, path) for place in (finding.path, finding.resource))


def _is_within(place: str, whole: str) -> bool:
    return place.startswith(whole) and place[len(whole) : len(whole) + 1] in {"", ".", "[", "/"}


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Failures, then advice, then what is waived; by rule and place within, ``[2]`` before ``[10]``."""
    return tuple(sorted(findings, key=_order))


def _order(finding: Finding) -> tuple[int, str, list[tuple[int, str]], str, str]:
    rank = 2 if finding.waiver is not None else 0 if finding.level == "mandatory" else 1
    parts = [(int(part), "") if part.isdigit() else (0, part) for part in _NUMBER.split(finding.path)]
    return rank, finding.rule, parts, finding.resource or "", finding.message


__all__ = ["Finding", "Subject", "Verdict", "Waiver", "apply_waivers", "judge", "ordered", "run"]
