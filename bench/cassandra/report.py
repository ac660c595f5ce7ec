"""The results as a file for programs and one for people; and the runs so far, for a benchmark that goes on later."""

import json
import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import machine
from bench.cassandra.sweeping import LONGEST_MS, Swept
from bench.sink.run import Run
from tests.toolchain import versions

MYSQL, CASSANDRA, REPLICAS = "MySQL's rows", "Cassandra's cells", "Cassandra's cells, three replicas"
GOAL = 0.5
STATE_GOAL = 0.25
MIB = 1024 * 1024


@dataclass
class Results:
    """What was measured so far. ``state``: the largest share of the merge state in the data."""

    events: int
    rounds: int
    runs: dict[str, list[Run]] = field(default_factory=dict)
    state: float = 0.0
    swept: Swept | None = None
    load: list[float] = field(default_factory=list)

    def rate(self, name: str) -> float:
        """The median of events a second."""
        return statistics.median(run.per_second for run in self.runs[name])

    def cpu(self, name: str, program: str | None = None) -> float:
        """The median of CPU \u00b5s an event, of all programs or of one."""
        return statistics.median(
            run.cpu_micros if program is None else run.cpu[program] / run.all_events * 1e6 for run in self.runs[name]
        )

    @property
    def ratio(self) -> float:
        """Cassandra's events a second, of MySQL's."""
        return self.rate(CASSANDRA) / self.rate(MYSQL)

    def goals(self) -> list[tuple[str, str, str, bool]]:
        """What, what was reached, what was to be, and whether it is."""
        found = [
            ("Cassandra's events/s \u00f7 MySQL's", f"{self.ratio:.2f}", f"at least {GOAL:g}", self.ratio >= GOAL),
            ("merge state beside ten columns", f"{self.state:.1%}", f"under {STATE_GOAL:.0%}", self.state < STATE_GOAL),
        ]
        if self.swept is not None:
            longest = self.swept.longest_ms
            found.append(("the sweeper's longest transaction", f"{longest:.0f} ms", f"under {LONGEST_MS:g} ms",
                          longest < LONGEST_MS))  # fmt: skip
        return found

    @property
    def whole(self) -> bool:
        """Whether every run left the model's table."""
        return all(run.whole for taken in self.runs.values() for run in taken)


def save(results: Results, file: Path) -> None:
    """What was measured so far."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(results), indent=1) + "\n")


def restore(file: Path, events: int, rounds: int) -> Results:
    """What an earlier run with as many events had measured; nothing where there was none."""
    found: Mapping[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    if found.get("events") != events:
        return Results(events, rounds)
    runs = {name: [Run(**run) for run in taken] for name, taken in found["runs"].items()}
    swept = found["swept"] and Swept(**found["swept"])
    return Results(events, rounds, runs, found["state"], swept, found["load"])


def write(results: Results, folder: Path) -> None:
    """``cassandra.json`` and ``cassandra.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cassandra.json").write_text(json.dumps(_plain(results), indent=2) + "\n")
    (folder / "cassandra.md").write_text(text(results))


def _plain(results: Results) -> dict[str, Any]:
    return {
        "machine": {"processors": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version(),
                    "load": results.load},
        "versions": {"kafka": versions.KAFKA, "postgresql": versions.POSTGRESQL},
        "events": results.events,
        "rounds": results.rounds,
        "runs": {name: [run.plain() for run in taken] for name, taken in results.runs.items()},
        "ratio": results.ratio,
        "state": results.state,
        "swept": results.swept and asdict(results.swept),
        "goals": [{"what": what, "reached": reached, "goal": goal, "met": met} for what, reached, goal, met in results.goals()],
    }  # fmt: skip


def text(results: Results) -> str:
    """The report in Markdown."""
    rows = [
        f"| {name} | {results.rate(name):,.0f} | {_spread(taken)} | {results.cpu(name):.1f} | "
        f"{results.cpu(name, 'worker'):.1f} | {results.cpu(name, 'postgresql'):.1f} | "
        f"{max(run.peak_bytes for run in taken) / MIB:,.0f} |"
        for name, taken in results.runs.items()
    ]
    goals = [f"| {what} | {reached} | {goal} | {'yes' if met else 'no'} |" for what, reached, goal, met in results.goals()]
    return "\n".join(
        (
            "# Cassandra's merge beside the MySQL path",
            "",
            f"`python -m bench.cassandra`: {results.events:,} changes of ten columns as Debezium's events of MySQL and of "
            "Cassandra (60 % updates of all cells, 30 % inserts, 10 % deletions of rows), JSON with its schema, one writer, "
            f"the median of {results.rounds} round(s) in turns on {os.cpu_count()} processors with everything on one machine "
            f"(load {max(results.load, default=machine.load()):.1f} before a round at most). Three replicas send each event "
            "three times, two of them late, each in a disorder of its own. CPU is of Kafka, PostgreSQL and the worker together."
            " Every run left a table equal to the model's.",
            "",
            "| | events/s | lowest\u2013highest | CPU \u00b5s/event | of the worker | of PostgreSQL | peak MiB |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            *_swept(results.swept),
            "## Goals",
            "",
            "| | reached | goal | |",
            "|---|---|---|---|",
            *goals,
            "",
        )
    )


def _swept(swept: Swept | None) -> list[str]:
    if swept is None:
        return []
    return [
        "## The sweeper",
        "",
        f"A backlog of {swept.rows:,} rows with cells that had ended and of as many deletions beyond the horizon, in "
        f"{swept.seconds:.1f} s and {swept.transactions:,} transactions, beside a session that wrote the same rows "
        f"{swept.writes_beside:,} times.",
        "",
        "| | median | p99 | longest |",
        "|---|---|---|---|",
        f"| a transaction of the sweeper, from BEGIN to COMMIT, ms | {swept.median_ms:.1f} | {swept.p99_ms:.1f} | "
        f"{swept.longest_ms:.1f} |",
        f"| a write of the other session, ms | | | {swept.longest_write_ms:.1f} |",
        "",
    ]


def _spread(taken: list[Run]) -> str:
    rates = [run.per_second for run in taken]
    return f"{min(rates):,.0f}\u2013{max(rates):,.0f}"
