"""The rules as CrossGuard policies over the component that carries the spec.

One policy for each area of rules and one for all advice, rather than one for each rule: the SDK converts a resource's
properties anew for every policy, whichever resources the policy is about. Measured: 2.5 ms for each registered resource with 60
policies, on top of the 9 ms that registering it costs, and 0.5 ms with 13. Each message begins with its rule's id.

Policies have one level and rules one for each tier: what a rule finds goes to its area's policy, which is mandatory, where the
rule is mandatory in the spec's tier, and to the policy of advice where it is not. Waivers hold as they do in ``cdc check``.

An unknown or unreadable spec is a violation: the SDK itself turns a policy that meets an unknown value into mere advice.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from components.core.errors import CdcError
from components.loading import build_environment
from policies.engine import Finding, Verdict, judge
from policies.model import Subject
from policies.rules import AREAS, waivers

PROPERTY = "environment"
"""The input of a platform component that holds the spec."""

_TOKEN = "cdc:"  # noqa: S105 - the beginning of a Pulumi type token
_AREA_OF = {rule.id: area for area, rules in AREAS.items() for rule in rules} | {rule.id: "waivers" for rule in waivers.RULES}
_TITLES = {
    "environment": "Where the platform goes, and what surrounds it",
    "secrets": "No secret is written anywhere",
    "kafka-replication": "Writes survive the loss of a broker",
    "kafka-storage": "What is written stays written",
    "kafka-security": "Nobody reads along, connects unnamed or may do too much",
    "kafka-clients": "No client starves the others",
    "kafka-topics": "Topics and nodes are made on purpose and fit each other",
    "pipelines": "A pipeline loses nothing",
    "connect": "Kafka Connect keeps its colours apart and writes every change once",
    "sink": "What keeps PostgreSQL equal to its sources is there, and loses nothing",
    "schema-registry": "Readers can read what writers write, and the registry is always there",
    "disaster-recovery": "A standby can take over, no further behind than was promised",
    "observability": "Whoever answers for a pipeline is told before its readers are",
    "backup": "What is lost on every broker at once can be had again",
    "network": "Who may reach whom is derived, and nothing on the way can be read",
    "chaos": "Failures are tried on purpose, and only where they may be",
    "names": "Names tell whose something is, and somebody answers for it",
    "workloads": "Everything that runs is bounded, pinned, unprivileged and watched",
    "waivers": "Waivers are known, needed, and end",
}
_KEPT_VERDICTS = 8


class UnreadableSpec(CdcError):
    """A component's spec could not be judged; the message says why."""


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judges a component's spec, each distinct one once a day, however many policies ask."""

    today: Callable[[], date]

    def verdict(self, props: Mapping[str, Any]) -> Verdict:
        """The verdict on the spec among a component's inputs. Raises :class:`CdcError` when it cannot be read."""
        return _verdict(_canonical(props), self.today())


def _canonical(props: Mapping[str, Any]) -> str:
    """The spec as one text; the proxies that policies are given raise where a value is unknown."""
    try:
        return json.dumps(_plain(props[PROPERTY]), sort_keys=True)
    except KeyError:
        raise UnreadableSpec(f"it has no input {PROPERTY}, which holds the spec") from None
    except UnknownValueError as unknown:
        place = ".".join(unknown.props)
        raise UnreadableSpec(f"{place} is not known before the update, so the spec cannot be judged; make it plain") from None


def _plain(value: Any) -> Any:
    """Proxies as dicts and lists. All numbers arrive as floats: whole ones are integers again."""
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in value}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


@lru_cache(maxsize=_KEPT_VERDICTS)
def _verdict(canonical: str, today: date) -> Verdict:
    value = json.loads(canonical)
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str):
        raise UnreadableSpec(f"the input {PROPERTY} is no spec: it has no name")
    return judge(Subject.of(build_environment(value, name, f"the input {PROPERTY}")), today)


def policies(today: Callable[[], date] = date.today) -> list[Policy]:
    """Every policy of the pack. ``today`` decides which waivers hold."""
    one = _Judge(today)
    return [
        _readable(one),
        *(_area(area, one) for area in (*AREAS, "waivers")),
        _advice(one),
        _one_component(),
    ]


def is_platform(resource_type: str) -> bool:
    """Whether a resource is a component of the platform."""
    return resource_type.startswith(_TOKEN)


def is_nested(urn: str) -> bool:
    """Whether a platform component is part of another one, whose spec is judged: a URN lists the types of its parents."""
    qualified_type = urn.split("::")[2] if urn.count("::") >= 3 else ""
    return any(is_platform(parent) for parent in qualified_type.split("$")[:-1])


def _readable(one: _Judge) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if is_platform(args.resource_type) and (_carries_spec(args.props) or not is_nested(args.urn)):
            try:
                one.verdict(args.props)
            except CdcError as error:
                report(f"{args.name}: {error}", None)

    return ResourceValidationPolicy(
        name="spec-can-be-judged",
        description="Every platform component carries a spec that can be read and judged.",
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
    )


def _carries_spec(props: Mapping[str, Any]) -> bool:
    return PROPERTY in set(props)


def _area(area: str, one: _Judge) -> Policy:
    def chosen(verdict: Verdict) -> list[Finding]:
        return [finding for finding in verdict.failures if _AREA_OF[finding.rule] == area]

    return ResourceValidationPolicy(
        name=area,
        description=f"{_TITLES[area]}.",
        validate=_reporting(one, chosen),
        enforcement_level=EnforcementLevel.MANDATORY,
    )


def _advice(one: _Judge) -> Policy:
    return ResourceValidationPolicy(
        name="advice",
        description="What could be better in this tier.",
        validate=_reporting(one, lambda verdict: list(verdict.advice)),
        enforcement_level=EnforcementLevel.ADVISORY,
    )


def _reporting(
    one: _Judge, chosen: Callable[[Verdict], list[Finding]]
) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    """Reports the chosen findings on a component's spec. One that cannot be read is the first policy's to report."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if not is_platform(args.resource_type) or not _carries_spec(args.props):
            return
        try:
            verdict = one.verdict(args.props)
        except CdcError:
            return
        for finding in chosen(verdict):
            report(_message(finding), None)

    return validate


def _message(finding: Finding) -> str:
    where = f" {finding.where}:" if finding.where else ""
    return f"{finding.rule}:{where} {finding.message}\n→ {finding.remedy}"


def _one_component() -> Policy:
    """Here the engine gives what components put out, not what was put in; that each carries a spec was judged before."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        if not any(is_platform(resource.resource_type) for resource in args.resources):
            report(
                "nothing in this stack carries a spec, so no rule has judged it\n"
                "→ declare the platform through components.stack.CdcPlatform, or leave this policy pack out",
                None,
            )

    return StackValidationPolicy(
        name="stack-is-judged",
        description="A stack holds a platform component whose spec has been judged.",
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
    )


__all__ = ["PROPERTY", "is_nested", "is_platform", "policies"]
