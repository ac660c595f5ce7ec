"""Whole processes, measured in turns. A machine that is busy now and idle then is busy for every case alike."""

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 300
_LAUNCHER = Path(__file__).with_name("launch.py")

Progress = Callable[[str], None]


class BenchmarkFailed(RuntimeError):
    """A measured command did not do its work. The message holds the end of what it wrote to standard error."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a process: wall clock, processor time in all threads, most memory resident at once."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Case:
    """Something to measure. ``measure`` does it once; ``topics`` is how much there is to do, 0 where that does not matter."""

    name: str
    label: str
    topics: int
    measure: Callable[[], Run]


@dataclass(frozen=True, slots=True)
class Measurement:
    """All runs of one case. ``variant`` tells apart what has the same name and size."""

    name: str
    label: str
    topics: int
    runs: tuple[Run, ...]
    variant: str = ""

    @property
    def seconds(self) -> float:
        """The median wall clock."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def fastest(self) -> float:
        return min(run.seconds for run in self.runs)

    @property
    def slowest(self) -> float:
        return max(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        """The median processor time."""
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def peak_bytes(self) -> int:
        """The median peak memory."""
        return int(statistics.median(run.peak_bytes for run in self.runs))

    def plain(self) -> dict[str, Any]:
        """For ``results.json``: every run, and what is stated of them."""
        return {
            "name": self.name,
            "label": self.label,
            "topics": self.topics,
            **({"variant": self.variant} if self.variant else {}),
            "median_seconds": round(self.seconds, 4),
            "min_seconds": round(self.fastest, 4),
            "max_seconds": round(self.slowest, 4),
            "median_cpu_seconds": round(self.cpu_seconds, 4),
            "median_peak_mib": round(self.peak_bytes / 2**20, 1),
            "seconds": [round(run.seconds, 4) for run in self.runs],
        }


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, run in ``cwd`` with nothing of the caller's environment but ``PATH`` and ``env``."""

    words: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    output: Path = Path(os.devnull)

    def run(self, allowed: Sequence[int] = (0,)) -> Run:
        """Runs it once. :class:`BenchmarkFailed` when it ends with a code that is not ``allowed``."""
        order = {
            "command": list(self.words),
            "cwd": str(self.cwd),
            "env": {"PATH": os.environ["PATH"], "HOME": str(self.cwd), "LANG": "C.UTF-8", **self.env},
            "output": str(self.output),
            "timeout": TIMEOUT_SECONDS,
        }
        launched = subprocess.run(
            [sys.executable, "-I", "-S", str(_LAUNCHER)], input=json.dumps(order), capture_output=True, text=True, check=True
        )
        result = json.loads(launched.stdout)
        if result["exit_code"] not in allowed:
            said = result["errors"].strip() or "(nothing on standard error)"
            raise BenchmarkFailed(f"{Path(self.words[0]).name} ended with {result['exit_code']}:\n{said}")
        return Run(result["seconds"], result["cpu_seconds"], result["peak_bytes"])


def in_turns(cases: Sequence[Case], rounds: int, progress: Progress) -> list[Measurement]:
    """Every case once a round, each round beginning with another one: A B C, B C A, C A B, …"""
    runs: dict[int, list[Run]] = {index: [] for index in range(len(cases))}
    for number in range(rounds):
        order = [*range(number % len(cases), len(cases)), *range(number % len(cases))] if cases else []
        for index in order:
            case = cases[index]
            run = case.measure()
            runs[index].append(run)
            size = f", {case.topics:,} topics" if case.topics else ""
            progress(f"round {number + 1}/{rounds}  {case.label}{size}: {run.seconds:.2f} s")
    return [Measurement(case.name, case.label, case.topics, tuple(runs[index])) for index, case in enumerate(cases)]


def growth_exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of ``(size, seconds)`` on doubly logarithmic axes, by least squares: 1 is linear growth, 2 the square."""
    logarithms = [(math.log(size), math.log(seconds)) for size, seconds in points]
    slope, _ = statistics.linear_regression(*zip(*logarithms, strict=True))
    return slope
