"""The results as a file for programs and one for people."""

import json
import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.sink.latency import EVENTS_PER_SECOND, Latency
from bench.sink.run import Run
from tests.toolchain import versions

FLOOR = "PostgreSQL floor, one connection"
BEST = "JDBC sink at its best"
DEFAULTS = "JDBC sink as it comes"
READING = "reading alone"
ONE, TWO = "worker, one writer", ("worker, two writers", "worker, two processes")
MIB = 1024 * 1024
CPU_GOAL = 15.0
MEMORY_GOAL = 300
GOALS: tuple[tuple[str, str, float], ...] = (
    # what, format, the ratio that is to be reached
    (BEST, "avro", 2.5),
    (BEST, "json", 3.5),
    (DEFAULTS, "avro", 20),
    (DEFAULTS, "json", 20),
    (FLOOR, "avro", 0.9),
    (FLOOR, "json", 0.9),
)


@dataclass(frozen=True)
class Results:
    """Everything that was measured; ``seconds`` is what the benchmark took."""

    events: int
    rounds: int
    runs: Mapping[str, list[Run]]
    latency: Mapping[str, Latency]
    seconds: float

    def rate(self, name: str) -> float:
        """The median of events a second."""
        return statistics.median(run.per_second for run in self.runs[name])

    def cpu(self, name: str) -> float:
        """The median of CPU µs an event."""
        return statistics.median(run.cpu_micros for run in self.runs[name])

    def memory(self, name: str) -> float:
        """The most memory, in MiB."""
        return max(run.peak_bytes for run in self.runs[name]) / MIB

    def ratios(self) -> list[tuple[str, float, float]]:
        """What, the ratio that was reached, the ratio that was to be."""
        found = []
        for peer, kind, goal in GOALS:
            ours, theirs = f"{ONE}, {kind}", FLOOR if peer == FLOOR else f"{peer}, {kind}"
            if ours in self.runs:
                found.append((f"{kind}: worker, one writer ÷ {peer}", self.rate(ours) / self.rate(theirs), goal))
                if peer == FLOOR:
                    both = max(self.rate(f"{shape}, {kind}") for shape in TWO)
                    found.append(
                        (f"{kind}: worker, the better of two writers and two processes ÷ {peer}", both / self.rate(theirs), 1.0)
                    )
        return found


def write(results: Results, folder: Path) -> None:
    """``sink.json`` and ``sink.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sink.json").write_text(json.dumps(_plain(results), indent=2) + "\n")
    (folder / "sink.md").write_text(text(results))


def _plain(results: Results) -> dict[str, Any]:
    return {
        "machine": {"processors": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version()},
        "versions": {"kafka": versions.KAFKA, "debezium": versions.DEBEZIUM, "postgresql": versions.POSTGRESQL},
        "events": results.events,
        "rounds": results.rounds,
        "seconds": results.seconds,
        "runs": {name: [run.plain() for run in taken] for name, taken in results.runs.items()},
        "ratios": [{"what": what, "reached": reached, "goal": goal} for what, reached, goal in results.ratios()],
        "latency": {name: asdict(taken) for name, taken in results.latency.items()},
    }


def text(results: Results) -> str:
    """The report in Markdown."""
    rows = [
        f"| {name} | {results.rate(name):,.0f} | {_spread(results, name)} | {results.cpu(name):.1f} | {_memory(results, name)} |"
        for name in results.runs
    ]
    ratios = [
        f"| {what} | {reached:.2f} | {goal:g} | {'yes' if reached >= goal else 'no'} |"
        for what, reached, goal in results.ratios()
    ]
    late = [
        f"| {name} | {taken.p50_ms:.0f} | {taken.p99_ms:.0f} | {taken.max_ms:.0f} |" for name, taken in results.latency.items()
    ]
    return "\n".join(
        (
            "# The sink worker's speed",
            "",
            f"`python -m bench.sink`: {results.events:,} events of ten columns (60 % updates, 30 % inserts, 10 % deletes, "
            f"{results.events * 3 // 10:,} keys, six partitions), the median of {results.rounds} round(s) in turns, on {os.cpu_count()} "
            "processors with Kafka, the registry, PostgreSQL and the peer on one machine. Tombstones follow the deletes, but for the "
            "JDBC sink at its best, which they would slow down; they are not counted as events. CPU is of Kafka, PostgreSQL and the "
            "peer together. *Reading alone* is librdkafka with the worker's settings, which decodes and writes nothing. Every run that came to the end left a table equal to the model's.",
            "",
            "| | events/s | lowest–highest | CPU µs/event | peak MiB |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "## Ratios",
            "",
            "| | reached | goal | |",
            "|---|---|---|---|",
            *ratios,
            "",
            f"Goals beside: at most {CPU_GOAL:g} CPU µs an event all told, under {MEMORY_GOAL} MiB.",
            "",
            f"## Latency at {EVENTS_PER_SECOND:,} events/s",
            "",
            "From the making of an event to the commit of its row, in milliseconds.",
            "",
            "| | p50 | p99 | max |",
            "|---|---|---|---|",
            *late,
            "",
        )
    )


def _spread(results: Results, name: str) -> str:
    rates = [run.per_second for run in results.runs[name]]
    return f"{min(rates):,.0f}–{max(rates):,.0f}"


def _memory(results: Results, name: str) -> str:
    return f"{results.memory(name):,.0f}" if results.memory(name) else "–"
