"""The verdict for a terminal."""

from rich.markup import escape

from policies.engine import Finding, Verdict
from policies.reports.grouping import by_rule, printable, summary

SHOWN_OF_EACH_RULE = 20
_STYLES = {"mandatory": ("✗", "bold red"), "advisory": ("!", "yellow"), "waived": ("~", "dim")}


def render_text(verdict: Verdict, *, markup: bool = False, limit: int = SHOWN_OF_EACH_RULE) -> str:
    """Findings by rule, each with its places and what to do. ``markup`` adds rich's tags; without them it is plain text.

    Of each rule at most ``limit`` places are shown, and how many more there are.
    """
    word, style = ("passed", "bold green") if verdict.passed else ("failed", "bold red")
    head = f"{verdict.environment} ({verdict.tier}): {_styled(word, style, markup)}: {summary(verdict)}"
    sections = (verdict.failures, verdict.advice, verdict.waived)
    lines = [head]
    for kind, findings in zip(_STYLES, sections, strict=True):
        for first, group in by_rule(findings):
            lines += ["", *_rule(kind, first, group, markup, limit)]
    return "\n".join(lines) + "\n"


def _styled(text: str, style: str, markup: bool) -> str:
    return f"[{style}]{text}[/]" if markup else text


def _shown(text: str, markup: bool) -> str:
    return escape(printable(text)) if markup else printable(text)


def _rule(kind: str, first: Finding, group: list[Finding], markup: bool, limit: int) -> list[str]:
    mark, style = _STYLES[kind]
    lines = [f"{_styled(f'{mark} {first.rule}', style, markup)}  {_shown(first.title, markup)}"]
    for finding in group[:limit]:
        where = f"{finding.where}: " if finding.where else ""
        lines.append(f"    {_shown(where + finding.message, markup)}")
        if finding.waiver is not None:
            waiver = finding.waiver
            lines.append(f"      {_shown(f'waived by {waiver.owner} until {waiver.expires}: {waiver.reason}', markup)}")
    if len(group) > limit:
        lines.append(f"    … and {len(group) - limit:,} more")
    if kind != "waived":
        lines += [f"    → {_shown(remedy, markup)}" for remedy in dict.fromkeys(finding.remedy for finding in group)]
    return lines
