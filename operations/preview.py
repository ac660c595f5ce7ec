"""``cdc preview``: what a stack will declare, and what the rules say to it. Needs no account, plugin, cluster or network."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from components.environment import EnvironmentSpec
from operations import project
from operations.options import Json, Root, Stack, Today
from operations.outline import Item, Outline, outline
from operations.terminal import FAINT, NAME, STRONG, console, count, hanging, print_json, show, styled
from operations.verdicts import print_verdict
from policies.engine import judge
from policies.model import Subject
from policies.reports.records import record

EPILOG = """\b
Examples:
  cdc preview dev
  cdc preview prod --all        every object, however many there are
  cdc preview prod --json | jq .counts

\b
Exit codes:
  0  no mandatory rule is broken
  1  a mandatory rule is broken
  2  bad input"""
BROKEN = 1
_MOST = 20
_GUIDE, _NAME = 4, 40
"""Columns: of the tree's lines at each level, and of the longest name that others are aligned to."""


def command(
    stack: Stack,
    everything: Annotated[
        bool, typer.Option("--all", help=f"Show every object, not only the first {_MOST} of a kind.")
    ] = False,
    as_json: Json = False,
    today: Today = None,
    root: Root = None,
) -> None:
    """Show what a stack will declare, and the policy verdicts.

    Needs neither an account nor a cluster, plugin or network.
    """
    subject = Subject.of(project.load(project.find_root(root), stack))
    verdict = judge(subject, today or date.today())
    seen = outline(subject.rendered, subject.state)
    if as_json:
        print_json(_described(subject.spec, seen) | {"verdict": record(verdict)})
    else:
        _print(subject.spec, seen, None if everything else _MOST)
        print_verdict(console(), verdict)
    raise typer.Exit(0 if verdict.passed else BROKEN)


def _described(spec: EnvironmentSpec, seen: Outline) -> dict[str, Any]:
    """For a machine."""
    return {
        "stack": spec.name,
        "tier": spec.tier,
        "target": spec.target,
        "counts": dict(seen.counts),
        "total": len(seen.items),
        "objects": [
            {
                "component": item.component,
                "kind": item.kind,
                "name": item.name,
                "namespace": item.namespace,
                "facts": item.facts,
                "stateful": item.stateful,
            }
            for item in seen.items
        ],
    }


def _print(spec: EnvironmentSpec, seen: Outline, most: int | None) -> None:
    out = console()
    where: list[str] = [spec.tier, spec.target]
    if spec.target == "kubernetes":
        where += [f"namespace {spec.kubernetes.namespace}", *([f"context {c}"] if (c := spec.kubernetes.context) else [])]
    show(out, object_tree(styled((spec.name, STRONG), (f"  {' · '.join(where)}", FAINT)), seen, most, out.width))
    out.print(styled("\n", (count(len(seen.items), "object"), STRONG), f": {counts_text(seen)}\n"))


def counts_text(seen: Outline) -> str:
    """``15 KafkaTopic, 7 KafkaUser; 18 hold data``."""
    kinds = ", ".join(f"{amount:,} {kind}" for kind, amount in seen.counts.items())
    return f"{kinds}; {seen.stateful:,} hold data" if seen.stateful else kinds


def object_tree(label: Text, seen: Outline, most: int | None, width: int) -> Tree:
    """Components as branches, a nested one inside its parent, each with its objects; ``most`` of a kind, all when ``None``."""
    root = Tree(label, guide_style=FAINT)
    branches: dict[str, Tree] = {"": root}
    for component, items in seen.components().items():
        kinds = {item.kind for item in items}
        branch = _branch(branches, component, f"{len(items):,} {kinds.pop()}" if len(kinds) == 1 else "")
        for line in _lines(items, most, width - _GUIDE * (component.count("/") + 2)):
            branch.add(line)
    return root


def _branch(branches: dict[str, Tree], component: str, note: str) -> Tree:
    if component not in branches:
        parent, _, name = component.rpartition("/")
        above = branches[parent] if parent in branches else _branch(branches, parent, "")
        branches[component] = above.add(styled((name, f"{STRONG} {NAME}"), (f"  {note}" if note else "", FAINT)))
    return branches[component]


def _lines(items: list[Item], most: int | None, width: int) -> Iterable[RenderableType]:
    """One line an object: kind (where there are several), name, facts; aligned, the first ``most`` of each kind."""
    by_kind: dict[str, list[Item]] = {}
    for item in items:
        by_kind.setdefault(item.kind, []).append(item)
    shown = [item for group in by_kind.values() for item in group[:most]]
    kind_width = max(len(kind) for kind in by_kind) + 2 if len(by_kind) > 1 else 0
    name_width = min(_NAME, max(len(item.name) for item in shown)) + 2
    for kind, group in by_kind.items():
        for item in group[:most]:
            start = styled((f"{kind:<{kind_width}}" if kind_width else "", FAINT), f"{item.name:<{name_width}}")
            yield hanging(start, styled((" · ".join(item.facts), FAINT)), width)
        if most is not None and len(group) > most:
            yield styled((f"… and {len(group) - most:,} more {kind}", FAINT))
