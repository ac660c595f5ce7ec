"""What the reports for people share: findings by rule, numbers in words, and texts that cannot disturb what shows them."""

from collections.abc import Iterable
from itertools import groupby

from policies.engine import Finding, Verdict


def by_rule(findings: Iterable[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Findings of one rule together: (one of them, all of them), in the order of the verdict."""
    groups = (list(group) for _, group in groupby(findings, key=lambda finding: finding.rule))
    return [(group[0], group) for group in groups]


def summary(verdict: Verdict) -> str:
    """``2 mandatory, 1 advisory, 1 waived; 70 rules``."""
    counts = ((verdict.failures, "mandatory"), (verdict.advice, "advisory"), (verdict.waived, "waived"))
    found = ", ".join(f"{len(findings):,} {name}" for findings, name in counts if findings) or "nothing found"
    return f"{found}; {len(verdict.rules)} rules"


def printable(text: str) -> str:
    """``text`` on one line, without characters that move a cursor or change a terminal's state."""
    return "".join(character if character.isprintable() else "�" for character in text)
