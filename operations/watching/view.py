"""The rows as a table on a terminal, and as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from operations.terminal import BAD, FAINT, GOOD, NAME, STRONG, WARN, count, styled
from operations.watching.state import Row

_MARKS = {
    "running": ("●", GOOD),
    "starting": ("◐", WARN),
    "paused": ("‖", WARN),
    "stopped": ("■", FAINT),
    "failed": ("✗", BAD),
    "missing": ("✗", BAD),
    "unknown": ("?", FAINT),
}
_NONE = Text("–", style=FAINT)
_LATE_SECONDS, _STALE_SECONDS = 30, 60
_LONGEST_ERROR = 48
_OTHER_LINES = 5
"""The summary, the table's head and its frame."""


def screen(
    environment: str, clock: str, rows: Sequence[Row], sources: Mapping[str, str], lines: int | None = None
) -> RenderableType:
    """The whole screen. ``sources`` are by name: empty where one answers, else why it does not. Of rows for which ``lines`` do
    not suffice those come first that are not well, and the rest is counted: what nobody sees is not drawn each second."""
    room = len(rows) if lines is None else max(1, lines - _OTHER_LINES - len(sources))
    shown = rows if len(rows) <= room else sorted(rows, key=lambda row: row.healthy)[: max(1, room - 1)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False, header_style=FAINT)
    for name in ("PIPELINE", "SOURCE"):
        table.add_column(name, no_wrap=True)
    for name in ("LAST SIGN", "IN/S", "OUT/S", "LAG", "BEHIND", "DLQ"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("BREAKERS", no_wrap=True)
    table.add_column("LAST ERROR", no_wrap=True, overflow="ellipsis", max_width=_LONGEST_ERROR)
    cells = [_cells(row) for row in shown]
    for line in cells:
        table.add_row(*line)
    for number, column in enumerate(table.columns[:-1]):  # where there is little room, the error gives way, and no figure
        column.min_width = max([len(str(column.header)), *(line[number].cell_len for line in cells)])
    head = styled((environment, STRONG), "  ", *_summary(rows, sources), (f"   {clock}", FAINT))
    rest = [] if len(shown) == len(rows) else [Text(_more(rows, shown), style=FAINT)]
    return Group(head, table, *rest, *(_source(name, why) for name, why in sorted(sources.items())))


def _more(rows: Sequence[Row], shown: Sequence[Row]) -> str:
    ill = sum(not row.healthy for row in rows) - sum(not row.healthy for row in shown)
    return f"… and {len(rows) - len(shown):,} more, {f'{ill:,} of them not well' if ill else 'all well'}"


def _summary(rows: Sequence[Row], sources: Mapping[str, str]) -> list[tuple[str, str]]:
    ill, silent = sum(not row.healthy for row in rows), sum(bool(why) for why in sources.values())
    said = [(count(len(rows), "pipeline"), BAD if ill else WARN if silent else GOOD)]
    said += [(f", {ill:,} not well", BAD)] if ill else []
    return [*said, *([(f", {silent:,} of {count(len(sources), 'source')} silent", WARN)] if silent else [])]


def _cells(row: Row) -> list[Text]:
    name = Text.assemble((f"{row.tenant}/", FAINT), (row.pipeline, NAME))
    return [
        name,
        _state(row),
        _seconds(row.source_age, _STALE_SECONDS, " ago"),
        _rate(row.rate_in),
        _rate(row.rate_out),
        _amount(row.lag, WARN if row.behind is not None and row.behind > _LATE_SECONDS else ""),
        _seconds(row.behind, _LATE_SECONDS),
        _amount(row.dead_letters, BAD if row.dead_letters else ""),
        _breakers(row.breakers),
        Text(" ".join(row.error.split()), style=BAD) if row.error else Text(""),
    ]


def _state(row: Row) -> Text:
    if not row.source:
        return Text("agent", style=FAINT)
    mark, style = _MARKS.get(row.source, ("?", FAINT))
    tasks = f" ({row.tasks})" if row.tasks > 1 else ""
    return Text.assemble((f"{mark} ", style), (f"{row.source}{tasks}", "" if style == GOOD else style))


def _breakers(breakers: tuple[str, ...] | None) -> Text:
    if breakers is None:
        return _NONE
    return Text(", ".join(breakers), style=BAD) if breakers else Text("closed", style=FAINT)


def _rate(value: float | None) -> Text:
    if value is None:
        return _NONE
    return Text("0", style=FAINT) if value < 0.05 else Text(f"{value:,.1f}" if value < 10 else f"{value:,.0f}")


def _amount(value: int | None, style: str) -> Text:
    if value is None:
        return _NONE
    return Text(f"{value:,}", style=style or (FAINT if value == 0 else ""))


def _seconds(value: float | None, late: float, suffix: str = "") -> Text:
    if value is None:
        return _NONE
    text = f"{value:.1f}s" if value < 10 else f"{value:.0f}s" if value < 120 else f"{value / 60:.0f}m"
    if value >= 7200:
        text = f"{value / 3600:.0f}h"
    return Text(text + suffix, style=WARN if value > late else FAINT if value < 0.05 else "")


def _source(name: str, why: str) -> Text:
    return styled(("✗ ", BAD), (name, STRONG), f": {' '.join(why.split())}") if why else styled(("✓ ", GOOD), (name, FAINT))


def as_json(environment: str, rows: Sequence[Row], sources: Mapping[str, str]) -> dict[str, Any]:
    """For a machine."""
    names = {"source_age": "sourceAge", "rate_in": "rateIn", "rate_out": "rateOut", "dead_letters": "deadLetters"}
    return {
        "environment": environment,
        "pipelines": [{names.get(key, key): value for key, value in asdict(row).items()} for row in rows],
        "sources": {name: {"answers": not why, "why": why} for name, why in sorted(sources.items())},
    }
