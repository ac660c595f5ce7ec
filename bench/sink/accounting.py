"""What processes cost: processor time and peak memory, of a program with everything that it started. Linux only."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROCESSES = Path("/proc")


def tree(root: int) -> list[int]:
    """The process and its descendants."""
    parents = {int(entry.name): _parent(entry) for entry in PROCESSES.iterdir() if entry.name.isdigit()}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu_seconds(root: int) -> float:
    """Of all threads of the tree, with those of its processes that have ended and been waited for."""
    return sum(sum(int(ticks) for ticks in _stat(pid)[11:15]) for pid in tree(root)) / TICKS_PER_SECOND


def peak_bytes(root: int) -> int:
    """The sum of what each living process of the tree had resident at its peak: never less than the tree's own peak."""
    return sum(_peak(pid) for pid in tree(root))


@dataclass
class Meter:
    """Processor time by program since the meter was made, in seconds."""

    roots: Mapping[str, int]

    def __post_init__(self) -> None:
        self._before = {name: cpu_seconds(pid) for name, pid in self.roots.items()}

    def read(self) -> dict[str, float]:
        """The seconds so far."""
        return {name: cpu_seconds(pid) - self._before[name] for name, pid in self.roots.items()}


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` after the command's name; zeros for a process that has ended meanwhile."""
    try:
        return (PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 50


def _parent(entry: Path) -> int:
    return int(_stat(int(entry.name))[1])


def _peak(pid: int) -> int:
    try:
        lines: Iterable[str] = (PROCESSES / str(pid) / "status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
