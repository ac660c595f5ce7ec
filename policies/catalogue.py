"""All rules as a document (``docs/policies.md``). Pure."""

from collections.abc import Sequence
from typing import Any

from components.core.context import Tier
from policies.model import Rule
from policies.reports.markdown import code, escape
from policies.rules import AREAS, changes, waivers

_TIERS: tuple[Tier, ...] = ("production", "staging", "development")
_INTRODUCTION = """# Policies

<!-- Generated from the rules themselves. Do not edit: change the rule, and write this file anew. -->

What `cdc check` refuses, and why. The same rules run in the CrossGuard pack (`pulumi preview --policy-pack policies`) and in
pull requests. A *mandatory* rule fails the check; an *advisory* one is shown; each has its own level in every tier. A rule
that cannot run fails the check too.

A rule that an environment must break for a time is waived in its spec, for a place or (without `path`) everywhere:

```yaml
waivers:
  - rule: kafka-replication-factor
    path: kafka.topics[3]            # a spec path or an object's id; its parts are covered too
    owner: team-shop
    reason: scratch topic, filled anew every night
    expires: 2027-01-31              # the first day on which it no longer holds
```
"""


def render_catalogue() -> str:
    """Every rule by area: what must hold, its levels, why, what to do, and who says so."""
    count = sum(map(len, AREAS.values())) + len(changes.RULES) + len(waivers.RULES)
    parts = [_INTRODUCTION, f"{count} rules.\n"]
    parts += [_area(area, rules) for area, rules in AREAS.items()]
    parts.append(_area("changes", changes.RULES, "Judged by `cdc diff`, which sees an environment before and after.\n"))
    parts.append(_area("waivers", waivers.RULES, "No waiver excuses from these.\n"))
    return "\n".join(parts)


def _area(title: str, rules: Sequence[Rule[Any]], note: str = "") -> str:
    table = ["| rule | what must hold | production | staging | development |", "|---|---|---|---|---|"]
    for rule in rules:
        levels = " | ".join(rule.levels[tier] for tier in _TIERS)
        table.append(f"| [{code(rule.id)}](#{rule.id}) | {escape(rule.title)} | {levels} |")
    head = [f"## {title}", "", *([note] if note else []), *table, ""]
    return "\n".join([*head, *(_rule(rule) for rule in rules)])


def _rule(rule: Rule[Any]) -> str:
    return "\n".join(
        [
            f"### {rule.id}",
            "",
            f"**{escape(rule.title)}.** {escape(rule.why)}",
            "",
            f"- To do: {escape(rule.remedy)}",
            f"- Source: {escape(rule.source)}",
            "",
        ]
    )


if __name__ == "__main__":
    print(render_catalogue(), end="")
