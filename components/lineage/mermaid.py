"""Lineage as a diagram in Mermaid's language, which Markdown shows as a picture. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping

from components.lineage.graph import PROGRAMS, Edge, Kind, Lineage, Node

_SHAPES: Mapping[Kind, tuple[str, str]] = {
    "source table": ("[(", ")]"),
    "sink table": ("[(", ")]"),
    "topic": ("([", "])"),
    "mirrored topic": ("([", "])"),
    "dead letters": ("([", "])"),
    "schema history": ("([", "])"),
    "subject": ("{{", "}}"),
}
_PROGRAM = ("[", "]")
_MAIN = frozenset({"changes", "rows"})


def diagram(lineages: Iterable[Lineage]) -> str:
    """Left to right: whole lines are changes and rows, dotted ones what else comes of them. Each environment is framed."""
    return "".join(f"{line}\n" for line in ("flowchart LR", *_lines(lineages)))


def _lines(lineages: Iterable[Lineage]) -> Iterator[str]:
    number = 0
    for frame, lineage in enumerate(lineages):
        ids = {node: f"n{number + place}" for place, node in enumerate(lineage.nodes)}
        number += len(ids)
        yield f"    subgraph e{frame}[{_quoted(lineage.environment)}]"
        yield from (f"        {name}{_shape(node)}" for node, name in ids.items())
        yield from (f"        {ids[edge.source]} {_arrow(edge)} {ids[edge.target]}" for edge in lineage.edges)
        yield "    end"


def _shape(node: Node) -> str:
    opening, closing = _PROGRAM if node.kind in PROGRAMS else _SHAPES[node.kind]
    where = f" in {node.place}" if node.kind == "mirrored topic" else ""
    return f"{opening}{_quoted(node.name, node.kind + where)}{closing}"


def _arrow(edge: Edge) -> str:
    return "-->" if edge.what in _MAIN else f"-. {edge.what} .->"


def _quoted(*lines: str) -> str:
    """A label. Whatever Mermaid or HTML could take for its own is written as a numeric entity, in Mermaid's spelling."""
    return '"' + "<br/>".join(re.sub(r"[^\w .:/-]", lambda match: f"#{ord(match[0])};", line) for line in lines) + '"'
