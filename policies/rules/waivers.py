"""Waivers are known, needed, and end. No waiver excuses from these rules."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from components.environment import WaiverSpec
from policies.model import EVERYWHERE, Rule, Violation, levels

NOTICE_DAYS = 14


@dataclass(frozen=True, slots=True)
class WaiverReview:
    """The waivers of a spec after its rules have run. ``known`` are the ids that may be waived, ``ran`` those that this check
    has run, ``used`` the positions of the waivers that matched a finding."""

    waivers: tuple[WaiverSpec, ...]
    today: date
    known: frozenset[str]
    ran: frozenset[str]
    used: frozenset[int]

    def has_expired(self, waiver: WaiverSpec) -> bool:
        """``expires`` is the first day on which a waiver no longer holds."""
        return self.today >= waiver.expires


def _scope(waiver: WaiverSpec) -> str:
    return f"{waiver.rule} at {waiver.path}" if waiver.path else waiver.rule


def _expired(review: WaiverReview) -> Iterator[Violation]:
    for index, waiver in enumerate(review.waivers):
        if review.has_expired(waiver):
            yield Violation(
                f"waivers[{index}].expires", f"{waiver.owner}'s waiver of {_scope(waiver)} ended on {waiver.expires}"
            )


def _unknown_rule(review: WaiverReview) -> Iterator[Violation]:
    for index, waiver in enumerate(review.waivers):
        if waiver.rule in _IDS:
            yield Violation(f"waivers[{index}].rule", f"{waiver.rule} is a rule about waivers, which none excuses from")
        elif waiver.rule not in review.known:
            near = difflib.get_close_matches(waiver.rule, review.known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield Violation(f"waivers[{index}].rule", f"there is no rule {waiver.rule}{hint}")


def _unused(review: WaiverReview) -> Iterator[Violation]:
    for index, waiver in enumerate(review.waivers):
        if index not in review.used and waiver.rule in review.ran and not review.has_expired(waiver):
            yield Violation(f"waivers[{index}]", f"{_scope(waiver)} is not broken")


def _expiring(review: WaiverReview) -> Iterator[Violation]:
    for index, waiver in enumerate(review.waivers):
        left = waiver.expires - review.today
        if timedelta(0) < left <= timedelta(days=NOTICE_DAYS):
            yield Violation(
                f"waivers[{index}].expires", f"{waiver.owner}'s waiver of {_scope(waiver)} ends in {left.days} day(s)"
            )


_ADVICE = levels("advisory", "advisory", "advisory")

RULES: tuple[Rule[WaiverReview], ...] = (
    Rule(
        "waiver-expired",
        "No waiver has expired",
        "A waiver is a promise to mend something by a day; that day has come.",
        "Mend what was waived and remove the waiver, or agree on a new day with its owner.",
        "Waivers end: requirement of the platform's own check",
        EVERYWHERE,
        _expired,
    ),
    Rule(
        "waiver-unknown-rule",
        "Every waiver names a rule that can be waived",
        "A misspelt waiver waives nothing, and looks as if it did.",
        "Correct the rule's id (docs/policies.md lists them), or remove the waiver.",
        "Waivers are explicit: requirement of the platform's own check",
        EVERYWHERE,
        _unknown_rule,
    ),
    Rule(
        "waiver-unused",
        "Every waiver is needed",
        "A waiver that outlives its reason hides the next violation of the same rule.",
        "Remove it.",
        "Waivers are explicit: requirement of the platform's own check",
        _ADVICE,
        _unused,
    ),
    Rule(
        "waiver-expiring",
        f"A waiver that ends within {NOTICE_DAYS} days is announced",
        "On the day it ends the check fails for everyone.",
        "Mend what was waived, or agree on a new day with the waiver's owner.",
        "Waivers end: requirement of the platform's own check",
        _ADVICE,
        _expiring,
    ),
)
_IDS = frozenset(rule.id for rule in RULES)
