"""The verdict for a pull request, in GitHub's Markdown."""

import re

from policies.engine import Finding, Verdict
from policies.reports.grouping import by_rule, printable, summary

SHOWN_OF_EACH_RULE = 20
_SPECIAL = re.compile(r"[\\`*_{}\[\]|<>~&]|:(?=\S)")
_REFERENCES = re.compile(r"[@#](?=\w)")
"""Mentions and issue numbers are found in what Markdown gives, so that a backslash before them is no help."""


def render_markdown(verdict: Verdict, *, limit: int = SHOWN_OF_EACH_RULE) -> str:
    """A heading that says the verdict, a table of rules, and their places folded away.

    Of each rule at most ``limit`` places are shown: a comment on GitHub holds 65,536 characters.
    """
    word = "✅ passed" if verdict.passed else "❌ failed"
    parts = [f"### {word}: `{verdict.environment}` ({verdict.tier})", "", summary(verdict)]
    parts += _section("Mandatory", verdict.failures, limit, is_open=True)
    parts += _section("Advisory", verdict.advice, limit, is_open=False)
    parts += _section("Waived", verdict.waived, limit, is_open=False)
    return "\n".join(parts) + "\n"


def escape(text: str) -> str:
    """``text`` as itself in a table's cell: no markup, no link, no mention, no new line."""
    return _REFERENCES.sub(r"\g<0><!-- -->", _SPECIAL.sub(r"\\\g<0>", printable(text)))


def code(text: str) -> str:
    """``text`` in code style in a table's cell; a fence longer than any run of backticks inside keeps it one piece."""
    shown = printable(text).replace("|", "\\|")
    fence = "`" * (max(map(len, re.findall(r"`+", shown)), default=0) + 1)
    pad = " " if fence != "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _section(title: str, findings: tuple[Finding, ...], limit: int, is_open: bool) -> list[str]:
    if not findings:
        return []
    groups = by_rule(findings)
    lines = ["", f"#### {title}", "", "| rule | what must hold | found |", "|---|---|---:|"]
    lines += [f"| {code(first.rule)} | {escape(first.title)} | {len(group):,} |" for first, group in groups]
    for first, group in groups:
        lines += _details(first, group, limit, is_open)
    return lines


def _details(first: Finding, group: list[Finding], limit: int, is_open: bool) -> list[str]:
    lines = ["", f"<details{' open' if is_open else ''}><summary><code>{first.rule}</code></summary>", ""]
    lines += ["| where | what |", "|---|---|"]
    for finding in group[:limit]:
        places = "<br>".join(code(place) for place in (finding.path, finding.resource) if place) or "—"
        lines.append(f"| {places} | {escape(finding.message)}{_waiver(finding)} |")
    if len(group) > limit:
        lines.append(f"| … | and {len(group) - limit:,} more |")
    remedies = dict.fromkeys(finding.remedy for finding in group)
    return [*lines, "", *(f"→ {escape(remedy)}" for remedy in remedies), "", "</details>"]


def _waiver(finding: Finding) -> str:
    if finding.waiver is None:
        return ""
    return f"<br>waived by {escape(finding.waiver.owner)} until {finding.waiver.expires}: {escape(finding.waiver.reason)}"
