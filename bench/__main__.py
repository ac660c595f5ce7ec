"""``python -m bench [--quick] [--json FILE] [NAME...]``: measures, prints tables, keeps a full run's results in ``docs``."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from bench import machine, report, suites
from bench.demands import demands
from bench.measure import BenchmarkFailed, Progress
from bench.plot import plot
from bench.registering import pulumi
from bench.suites import Group, Plan
from bench.workspace import REPOSITORY, Workspace, workspace
from tests.toolchain.cache import ToolUnavailable

SUITES: dict[str, Callable[[Workspace, Plan, Progress], Group]] = {
    "stream": suites.stream,
    "files": suites.files,
    "steps": suites.steps,
    "start": suites.start,
    "pulumi": pulumi,
}
DOCUMENTS = REPOSITORY / "docs" / "benchmarks"
PLOT = "speed.svg"
WIDTH = 160


def main(arguments: Sequence[str]) -> int:
    """0, or 1 where a demand was missed, or 2 where something could not be measured."""
    options = _parser().parse_args(arguments)
    plan = suites.QUICK if options.quick else suites.FULL
    facts = machine.facts()
    try:
        groups = _measure(options.names or list(SUITES), plan)
    except (BenchmarkFailed, ToolUnavailable) as error:
        _say(str(error))
        return 2
    found = demands({group.name: group for group in groups}, plan)
    facts["load_after"] = machine.load()
    result = json.dumps(report.document(groups, found, facts, options.quick), indent=1, ensure_ascii=False) + "\n"
    if options.json:
        options.json.write_text(result)
    if not options.quick and not options.names:
        DOCUMENTS.mkdir(parents=True, exist_ok=True)
        (DOCUMENTS / "results.json").write_text(result)
        (DOCUMENTS / "results.md").write_text(report.markdown(groups, found, facts, PLOT))
        (DOCUMENTS / PLOT).write_text(plot({group.name: group for group in groups}, plan.largest.topics))
    report.print_tables(Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH), groups, found)
    return 0 if all(demand.met for demand in found) else 1


def _measure(names: Sequence[str], plan: Plan) -> list[Group]:
    groups = []
    with workspace() as space:
        for name in names:
            began = time.monotonic()
            _say(f"{name} …")
            groups.append(SUITES[name](space, plan, lambda line: _say(f"  {line}")))
            _say(f"{name}: {time.monotonic() - began:.0f} s")
    return groups


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures cdc, and its peers on the same objects.")
    names = f"{', '.join(SUITES)}; all of them if none"
    parser.add_argument("names", nargs="*", metavar="NAME", type=_suite, help=names)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and sizes; under two minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    return parser


def _suite(name: str) -> str:
    if name not in SUITES:
        raise argparse.ArgumentTypeError(f"there is no {name}; there are {', '.join(SUITES)}")
    return name


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
