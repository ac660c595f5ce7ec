"""``cdc lineage``: where a table's rows come from and where they go, for people, diagrams and lineage catalogues."""

import difflib
import enum
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.tree import Tree

from components.core.errors import CdcError
from components.lineage import mermaid, openlineage
from components.lineage.graph import PROGRAMS, Flow, Lineage, Node, known_names, lineage
from components.loading import stacks
from operations import project
from operations.options import Root, stack_argument
from operations.terminal import FAINT, NAME, STRONG, console, count, print_json, show, styled

EPILOG = """\b
Examples:
  cdc lineage prod                      every table of the stack
  cdc lineage prod shop.orders          one table; or any name on its way
  cdc lineage shop_orders_orders        the same, in whichever stack has it
  cdc lineage prod --format mermaid     a diagram for Markdown
  cdc lineage prod --format openlineage > events.jsonl

\b
Exit codes:
  0  shown
  2  nothing has that name, or bad input"""
_NEAREST = 3


class Format(enum.StrEnum):
    """Forms of lineage."""

    text = "text"
    json = "json"
    openlineage = "openlineage"
    mermaid = "mermaid"


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is not a time with its zone; write it as 2026-01-31T12:00:00Z")
    return found


def command(
    stack: Annotated[
        str | None, stack_argument(help="The stack, or a name to look for in all of them; all stacks when left out.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            show_default=False,
            help="Table, topic, subject, connector or pipeline: shows what leads to it and away from it. Default: everything.",
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="Form of what is shown.")] = Format.text,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    event_time: Annotated[
        datetime | None,
        typer.Option("--event-time", metavar="TIME", parser=_time, help="Time of OpenLineage's events. Default: now."),
    ] = None,
    root: Root = None,
) -> None:
    """Show where each table's rows come from and go to.

    The way leads from the source by connector, topic, subjects and sink to PostgreSQL, as the spec declares it.
    OpenLineage's events, one JSON object a line, are what catalogues such as Marquez and DataHub take.
    """
    folder = project.find_root(root)
    known = project.known_stacks(folder)
    names = [*known]
    if stack is not None and (name is not None or project.stack_name(stack) in known):
        names = [project.stack_name(stack)]
    elif stack is not None:
        name = stack
    found = [lineage(project.load(folder, one)) for one in names]
    if name is not None:
        found = _named(found, name, stacks(folder) if name == stack else ())
    _print(found, Format.json if as_json else form, event_time or datetime.now(UTC))


def _named(lineages: Sequence[Lineage], name: str, stack_names: Iterable[str]) -> list[Lineage]:
    found = [part for part in (one.of(name) for one in lineages) if part.flows]
    if found:
        return found
    known = known_names(lineages)
    near = difflib.get_close_matches(name, [*stack_names, *known], n=_NEAREST, cutoff=0.5)
    remedy = f"did you mean {' or '.join(near)}?" if near else "see what there is: cdc lineage"
    where = ", ".join(one.environment for one in lineages)
    raise CdcError(f"{name}: no table, topic, subject, connector or pipeline of {where} has this name\n      → {remedy}")


def _print(lineages: Sequence[Lineage], form: Format, at: datetime) -> None:
    if form is Format.json:
        print_json({"environments": [_described(one) for one in lineages]})
    elif form is Format.mermaid:
        typer.echo(mermaid.diagram(lineages), nl=False)
    elif form is Format.openlineage:
        for one in lineages:
            for event in openlineage.events(one, at):
                typer.echo(json.dumps(event, ensure_ascii=False))
    else:
        out = console()
        for one in lineages:
            show(out, _tree(one))


def _described(one: Lineage) -> dict[str, Any]:
    """For a machine: edges name the places of their ends among the nodes."""
    places = {node: place for place, node in enumerate(one.nodes)}
    return {
        "environment": one.environment,
        "nodes": [
            {"kind": node.kind, "name": node.name, "place": node.place, "attributes": dict(node.attributes)} for node in places
        ],
        "edges": [{"from": places[edge.source], "to": places[edge.target], "what": edge.what} for edge in one.edges],
    }


def _tree(one: Lineage) -> Tree:
    tables = count(len(one.flows), "table") if one.flows else "no pipeline is declared"
    tree = Tree(styled((one.environment, STRONG), f"  {tables}"), guide_style=FAINT)
    for pipeline, flows in groupby(one.flows, key=lambda flow: flow.pipeline):
        first, *rest = flows
        branch = tree.add(styled("pipeline ", (pipeline, STRONG), (f"  {first.owner}".rstrip(), FAINT)))
        for flow in (first, *rest):
            _add_flow(branch, flow)
        for node in _kept(first):
            _add(branch, node)
    return tree


def _kept(flow: Flow) -> Iterator[Node]:
    """What all tables of a pipeline share beside their way."""
    return (node for node in (flow.history, flow.dead_letters) if node is not None)


def _add_flow(tree: Tree, flow: Flow) -> None:
    """The way downwards, each below what it comes from."""
    place = _add(tree, flow.table)
    if flow.reader is not None:
        place = _add(place, flow.reader)
    place = _add(place, flow.topic)
    for node in (*flow.subjects, flow.mirrored):
        if node is not None:
            _add(place, node)
    if flow.writer is not None:
        place = _add(place, flow.writer)
    if flow.sink_table is not None:
        _add(place, flow.sink_table)


def _add(tree: Tree, node: Node) -> Tree:
    return tree.add(styled((node.name, NAME), (f"  {_said(node)}", FAINT)))


def _said(node: Node) -> str:
    if node.kind in PROGRAMS:
        group = f", group {node.attributes['group']}" if "group" in node.attributes else ""
        return f"{node.attributes['program']}{group}"
    if node.kind in {"source table", "sink table"}:
        return node.place
    return f"copy in {node.place}" if node.kind == "mirrored topic" else node.kind
