"""Results as a table on a terminal, as Markdown, and as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.demands import Demand
from bench.measure import Measurement
from bench.suites import Group

BASELINES = {"stream": "whole", "files": "whole"}
"""The case that the others of a group are compared with; with Pulumi, each with its own floor."""
HEADINGS = ("what", "topics", "median", "fastest – slowest", "processor", "memory", "compared")
DEMAND_HEADINGS = ("demand", "measured", "must be below", "", "by processor time")
INTRODUCTION = """\
Written by `make bench`; do not edit. Whole processes, run in turns (A B C, B C A, …), so that what else the machine does falls
on all alike. *Median*, *fastest – slowest*: wall clock. *Processor*: time in all threads. *Memory*: most resident at once.
*Compared*: the median against the line marked 1 ×."""


def document(groups: Sequence[Group], demands: Sequence[Demand], machine: Mapping[str, Any], quick: bool) -> dict[str, Any]:
    """Everything, for ``results.json``."""
    return {
        "machine": dict(machine),
        "quick": quick,
        "demands": [demand.plain() for demand in demands],
        "groups": [
            {
                "name": group.name,
                "title": group.title,
                "notes": group.notes,
                "measurements": [measurement.plain() for measurement in group.measurements],
            }
            for group in groups
        ],
    }


def print_tables(console: Console, groups: Sequence[Group], demands: Sequence[Demand]) -> None:
    """One table per group, then the demands."""
    for group in groups:
        headings, cells = table_of(group)
        table = Table(*headings, title=group.title, title_justify="left", title_style="bold")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in cells:
            table.add_row(*row)
        console.print(table)
        console.print("\n".join(f"  {note}" for note in group.notes), style="dim")
    table = Table(*DEMAND_HEADINGS, title="Demands", title_justify="left", title_style="bold")
    for demand in demands:
        table.add_row(*_demand_row(demand), style=None if demand.met else "bold red")
    console.print(table)


def markdown(groups: Sequence[Group], demands: Sequence[Demand], machine: Mapping[str, Any], plot: str) -> str:
    """The page beside ``results.json``."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    facts = (
        f"{machine['date']}; {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}; load average {machine['load_before']} before it began "
        f"and {machine['load_after']} at the end; {versions}."
    )
    parts = ["# Benchmarks", INTRODUCTION, facts, f"![Time against the number of topics]({plot})"]
    parts += ["## Demands", _table(DEMAND_HEADINGS, map(_demand_row, demands))]
    for group in groups:
        parts += [f"## {group.title}", _table(*table_of(group)), "\n".join(f"- {note}" for note in group.notes)]
    return "\n\n".join(parts) + "\n"


def table_of(group: Group) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Headings and cells: a line for each measurement; where they have variants, a line for each step and a column for each."""
    if not any(measurement.variant for measurement in group.measurements):
        return HEADINGS, [_row(measurement, group) for measurement in sorted(group.measurements, key=lambda m: m.topics)]
    columns = list(dict.fromkeys((measurement.variant, measurement.topics) for measurement in group.measurements))
    steps = list(dict.fromkeys(measurement.name for measurement in group.measurements))
    headings = ("step", *(f"{variant}, {topics:,}" for variant, topics in columns))
    cells = [[group.median(step, topics, variant) for variant, topics in columns] for step in steps]
    texts = [["" if value is None else _seconds(value) for value in line] for line in cells]
    return headings, [(step, *line) for step, line in zip(steps, texts, strict=True)]


def _row(measurement: Measurement, group: Group) -> tuple[str, ...]:
    return (
        measurement.label,
        f"{measurement.topics:,}" if measurement.topics else "",
        _seconds(measurement.seconds),
        f"{_seconds(measurement.fastest)} – {_seconds(measurement.slowest)}",
        _seconds(measurement.cpu_seconds),
        f"{measurement.peak_bytes / 2**20:.0f} MiB" if measurement.peak_bytes else "",
        _compared(measurement, group),
    )


def _compared(measurement: Measurement, group: Group) -> str:
    name = measurement.name
    baseline = f"floor-{name.partition('-')[2]}" if group.name == "pulumi" else BASELINES.get(group.name, "")
    other = group.median(baseline, measurement.topics)
    if other is None:
        return ""
    return "1 ×" if name == baseline else f"{measurement.seconds / other:.2f} ×"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"


def _demand_row(demand: Demand) -> tuple[str, ...]:
    unit = f" {demand.unit}" if demand.unit else ""
    processor = "" if demand.processor is None else f"{demand.processor:.2f}{unit}"
    return demand.text, f"{demand.value:.2f}{unit}", f"{demand.bound:g}{unit}", "met" if demand.met else "MISSED", processor


def _table(headings: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
