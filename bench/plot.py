"""A picture of the results as SVG: growth on the left, the processor time of the largest spec on the right. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.suites import PYYAML_C, WRITTEN_OUT, Group

WIDTH, HEIGHT = 1100, 430
_INK, _FAINT, _GRID = "#1f2933", "#616e7c", "#e4e7eb"
_OURS = "#0b6bcb"
_COLOURS = {"whole": _OURS, "helm": "#c2410c", "cdk8s": "#7c3aed", "kustomize": "#b45309", "pyyaml": "#9aa5b1"}
_LABELS = {"whole": "cdc", "helm": "helm template", "cdk8s": "cdk8s", "kustomize": "kustomize build"}
_START, _READ, _WRITE = "import", "read YAML", "write YAML to one stream"
_STEPS = {
    _START: ("start", "#08306b"),
    _READ: ("read", "#08519c"),
    "validate": ("validate", "#2171b5"),
    "render": ("render", "#4292c6"),
    "check": ("check", "#6baed6"),
    _WRITE: ("write", "#9ecae1"),
}
_LINE = 17
"""Pixels that a line of text needs."""
_ROOM_BELOW, _ROOM_ABOVE = 0.8, 1.25
"""How far the growth panel's axes reach beyond the smallest and the largest value, as factors."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle of the picture, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One horizontal bar; ``parts`` are (name, colour, seconds), the name shown where it fits."""

    label: str
    parts: tuple[tuple[str, str, float], ...]

    @property
    def seconds(self) -> float:
        return sum(seconds for _, _, seconds in self.parts)


def plot(groups: Mapping[str, Group], topics: int) -> str:
    """The whole picture: growth on doubly logarithmic axes, and bars for a spec with ``topics`` topics."""
    series = {name: points for name in _LABELS if (points := groups["stream"].points(name))}
    body = [*_growth(series, Panel(64, 64, 450, 370)), *_bars(bars(groups, topics), topics, Panel(750, 56, 1010, 400))]
    font = 'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {font} font-size="13">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def bars(groups: Mapping[str, Group], topics: int) -> list[Bar]:
    """Processor time: ours step by step, each peer as a whole, and what PyYAML alone would take to read and to write.

    Steps and peers are not measured at the same moment, and a busy machine stretches the wall clock of one and not the other.
    """
    steps, stream = groups["steps"], groups["stream"]
    taken = {step: _processor(steps, step, topics, WRITTEN_OUT) for step in _STEPS}
    taken[_START] += _processor(groups["start"], "python", 0)
    found = [Bar("cdc", tuple((name, colour, taken[step]) for step, (name, colour) in _STEPS.items()))]
    for name in ("helm", "cdk8s"):
        measured = stream.find(name, topics)
        found += [] if measured is None else [Bar(_LABELS[name], (("", _COLOURS[name], measured.cpu_seconds),))]
    reading, writing = (_processor(steps, step, topics, PYYAML_C) for step in (_READ, _WRITE))
    return [*found, Bar("PyYAML alone (C)", (("read", _COLOURS["pyyaml"], reading), ("write", "#cbd2d9", writing)))]


def _processor(group: Group, name: str, topics: int, variant: str = "") -> float:
    measured = group.find(name, topics, variant)
    return 0.0 if measured is None else measured.cpu_seconds


def _growth(series: Mapping[str, Sequence[tuple[float, float]]], panel: Panel) -> Iterable[str]:
    sizes = [size for points in series.values() for size, _ in points]
    seconds = [value for points in series.values() for _, value in points]
    across = _logarithmic(min(sizes) * _ROOM_BELOW, max(sizes), panel.left, panel.right)
    upwards = _logarithmic(min(seconds) * _ROOM_BELOW, max(seconds) * _ROOM_ABOVE, panel.bottom, panel.top)
    yield _heading(panel.left, "Topics and users to one YAML stream")
    for value in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20):
        if panel.top <= (y := upwards(value)) <= panel.bottom:
            yield _line(panel.left, y, panel.right, y, _GRID)
            yield _text(panel.left - 8, y + 4, f"{value:g} s", _FAINT, "end")
    for size in sorted(set(sizes)):
        yield _line(across(size), panel.bottom, across(size), panel.bottom + 5, _FAINT)
        yield _text(across(size), panel.bottom + 20, _thousands(size), _FAINT, "middle")
    yield _text((panel.left + panel.right) / 2, panel.bottom + 40, "topics (a tenth as many users)", _FAINT, "middle")
    ends: list[float] = []
    for name, points in sorted(series.items(), key=lambda item: item[1][-1][1]):
        places = [(across(size), upwards(value)) for size, value in points]
        yield from _curve(places, _COLOURS[name], 3 if name == "whole" else 2)
        weight = ' font-weight="700"' if name == "whole" else ""
        x, y = places[-1]
        if x < panel.right - 1:
            yield _text(x - 10, y - 4, _LABELS[name], _COLOURS[name], "end", weight)
            continue
        ends.append(min([y, *(end - _LINE for end in ends if abs(end - y) < _LINE)]))
        yield _text(x + 12, ends[-1] + 4, f"{_LABELS[name]} {points[-1][1]:.2f} s", _COLOURS[name], "start", weight)


def _bars(found: Sequence[Bar], topics: int, panel: Panel) -> Iterable[str]:
    yield _heading(panel.left - 10, f"{topics:,} topics: processor time")
    scale = (panel.right - panel.left) / max(bar.seconds for bar in found)
    height = (panel.bottom - panel.top) / len(found)
    for index, bar in enumerate(found):
        top, x = panel.top + index * height + 8, panel.left
        thickness = height - 48
        middle, weight = top + thickness / 2 + 4, ' font-weight="600"'
        yield _text(panel.left - 10, middle, bar.label, _INK, "end", weight if index == 0 else "")
        for _, colour, seconds in bar.parts:
            width = seconds * scale
            yield f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{thickness:.1f}" fill="{colour}"/>'
            x += width
        yield _text(x + 8, middle, f"{bar.seconds:.2f} s", _INK, "start", weight)
        yield from _legend(bar, panel.left, top + thickness + 17)


def _legend(bar: Bar, left: float, y: float) -> Iterable[str]:
    """The parts of a bar by name, below it, three in a row: they are often too narrow to be written into."""
    for index, (name, colour, seconds) in enumerate(bar.parts if len(bar.parts) > 1 else ()):
        x, row = left + index % 3 * 108, y + index // 3 * 16
        yield f'<rect x="{x:.1f}" y="{row - 9:.1f}" width="9" height="9" fill="{colour}"/>'
        yield _text(x + 13, row, f"{name} {seconds:.2f} s", _FAINT, "start", ' font-size="11"')


def _curve(places: Sequence[tuple[float, float]], colour: str, width: float) -> Iterable[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width + 1}" fill="{colour}"/>'


def _logarithmic(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """From ``low``…``high`` to ``start``…``end`` on a logarithmic axis."""
    ratio = (end - start) / math.log(high / low)
    return lambda value: start + ratio * math.log(value / low)


def _thousands(size: float) -> str:
    return f"{size / 1000:g}k" if size >= 1000 else f"{size:g}"


def _heading(x: float, text: str, anchor: str = "start") -> str:
    return _text(x, 38, text, _INK, anchor, ' font-size="16" font-weight="700"')


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, colour: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{more}>{escape(text)}</text>'
