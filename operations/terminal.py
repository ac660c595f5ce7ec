"""How text reaches a person: colours on a terminal only, lines cut nowhere when another program reads."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_UNBOUNDED = 10_000
FAINT, STRONG, GOOD, BAD, WARN, NAME = "dim", "bold", "green", "bold red", "yellow", "cyan"


def console() -> Console:
    """Standard output. Rich leaves colours out where it is no terminal, and where ``NO_COLOR`` is set."""
    bounded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, emoji=False, markup=False, width=None if bounded else _UNBOUNDED)


def show(out: Console, renderable: RenderableType) -> None:
    """Prints a table without the blanks that rich pads its lines with."""
    for line in out.render_lines(renderable, pad=False):
        text = Text.assemble(*((segment.text, segment.style or "") for segment in line))
        text.rstrip()
        out.print(text, soft_wrap=True)


def hanging(start: Text, rest: Text, width: int) -> RenderableType:
    """``start`` and ``rest`` on one line of ``width`` columns; else ``rest`` goes on below where it began, or a line lower
    when ``start`` leaves it too little room."""
    if len(start) + len(rest) <= width:
        return start.append_text(rest)
    table = Table.grid()
    if len(start) > width // 2:
        start.rstrip()
        indent = len(start.plain) - len(start.plain.lstrip()) + 4
        table.add_row(Text.assemble(start, "\n", " " * indent, rest))
    else:
        table.add_column(width=len(start))
        table.add_column()
        table.add_row(start, rest)
    return table


def print_markup(out: Console, text: str) -> None:
    """Prints lines of rich's markup; what does not fit goes on below, as far in as the line began."""
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        show(out, Padding(Text.from_markup(line.lstrip()), (0, 0, 0, indent)))


def print_json(value: Any) -> None:
    """``value`` to standard output, for a machine."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def count(amount: int, one: str, many: str | None = None) -> str:
    """``1 topic``, ``10,000 topics``."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 3) -> str:
    """``a, b, c and 9,997 more``."""
    names = list(names)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def styled(*parts: str | tuple[str, str]) -> Text:
    """Text of plain and ``(text, style)`` parts."""
    return Text.assemble(*parts)


def compact(value: Any, most: int = 100) -> str:
    """A plain value on one line, as YAML's flow style writes it; longer than ``most`` characters it ends in ``…``."""
    text = _flow(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items() if item not in (None, {}, [])) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value) or '""'
