"""``python -m bench.evolution``: columns that come and grow at the source while 5,000 events a second flow.

Both kinds of source, one after the other: rows as of MySQL, cells as of Cassandra, JSON with its schema. The partitions do not
change together, so that old and new columns are in one batch. How late an event is, is known of every one: from its making
until PostgreSQL's offset was seen to be behind it. Results go to ``docs/benchmarks/evolution.{json,md}``.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from bench import machine
from bench.evolution.events import SOURCES, Source
from bench.evolution.flow import CATCH_UP_SECONDS, KEYS, PARTITIONS, Flow, Watch
from bench.sink import worker
from bench.sink.stage import Stage, Target
from tests.harness.processes import wait_until
from tests.harness.sink_worker import SinkWorker, merged
from tests.toolchain import versions

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
AFTER_SECONDS = 3.0
HELD = 0.98
"""Of the rate that was asked for: below it the machine did not make the events in time."""
INDEX = {"evolution": {"indexes": [{"table": "public.events", "columns": ["code"]}], "poll_seconds": 0.2, "cache_seconds": 1}}
INDEXED = """
SELECT count(*) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
WHERE indrelid = to_regclass('events') AND attname = 'code' AND indisvalid
"""
REFUSED = "SELECT count(*) FROM cdc_sink.rejected"


@dataclass(frozen=True)
class Moment:
    """A change, and the latest of the events that were made within three seconds of it, in milliseconds."""

    what: str
    longest_ms: float


@dataclass(frozen=True)
class Run:
    """One source. ``rate`` is of the events' making, ``lost`` rows that are not the model's."""

    source: str
    events: int
    rate: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    changes: list[Moment]
    lost: int
    refused: int


def measure(stage: Stage, source: Source, rate: int, seconds: float) -> Run:
    """One source, for so long."""
    target = stage.target()
    flow = Flow(stage, source, rate, seconds)
    prepared = worker.prepare(stage, flow.topic, target, "one writer")
    settings = merged(json.loads(prepared.configuration.read_text()), INDEX, source.settings(flow.topic))
    process = SinkWorker(stage.folder, settings, name=prepared.name)
    process.start()
    with process, Watch(target.dsn) as watch:
        flow.begin()
        wait_until("the worker to begin", lambda: watch.behind() == flow.count, CATCH_UP_SECONDS, 0.1)
        began = time.monotonic()
        held = flow.run()
        wait_until("the worker to catch up", lambda: watch.behind() == flow.count, CATCH_UP_SECONDS, 0.1)
        wait_until("the index", lambda: _asked(target, INDEXED) == 1, CATCH_UP_SECONDS, 0.2)
        process.stop()
    late = watch.lateness(flow.made)
    ordered = sorted(milliseconds for moment, milliseconds in late if moment >= began)
    moments = [
        Moment(what, max(milliseconds for moment, milliseconds in late if at <= moment < at + AFTER_SECONDS))
        for what, at in flow.changed
    ]
    lost, refused = _differing(target, flow), _asked(target, REFUSED)
    p50, p99 = (ordered[len(ordered) * percent // 100] for percent in (50, 99))
    return Run(source.name, flow.count, held, p50, p99, ordered[-1], moments, lost, refused)


def _asked(target: Target, query: str) -> int:
    with psycopg.connect(target.dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def _differing(target: Target, flow: Flow) -> int:
    names = list(flow.source.changes[-1].columns)
    with psycopg.connect(target.dsn) as connection:
        rows = connection.execute(f"SELECT {', '.join(names)} FROM events".encode()).fetchall()
    found = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    wanted = {key: {name: row.get(name) for name in names} for key, row in flow.model.items()}
    return sum(found.get(key) != wanted.get(key) for key in found.keys() | wanted.keys())


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when an event was lost or refused, or the rate was not held."""
    parser = argparse.ArgumentParser(prog="python -m bench.evolution", description=__doc__)
    parser.add_argument("--rate", type=int, default=5_000, help="events a second (default: 5,000)")
    parser.add_argument("--seconds", type=float, default=40, help="how long each source's events flow (default: 40)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the results")
    options = parser.parse_args(arguments)
    load = machine.load()
    runs = []
    with tempfile.TemporaryDirectory() as scratch, Stage(Path(scratch)) as stage:
        for source in SOURCES:
            runs.append(measure(stage, source, options.rate, options.seconds))
            sys.stderr.write(f"{source.name}: {runs[-1].rate:,.0f} events/s, p99 {runs[-1].p99_ms:.0f} ms\n")
    told = _text(runs, options, load)
    sys.stdout.write(told)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "evolution.md").write_text(told)
    facts = {
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "load": load,
    }
    plain = {"machine": facts, "versions": {"kafka": versions.KAFKA, "postgresql": versions.POSTGRESQL}, "rate": options.rate,
             "seconds": options.seconds, "runs": [asdict(run) for run in runs]}  # fmt: skip
    (options.out / "evolution.json").write_text(json.dumps(plain, indent=1) + "\n")
    return 0 if all(not run.lost and not run.refused and run.rate >= HELD * options.rate for run in runs) else 1


def _text(runs: list[Run], options: argparse.Namespace, load: float) -> str:
    rows = [
        f"| {run.source} | {run.events:,} | {run.rate:,.0f} | {run.p50_ms:.0f} | {run.p99_ms:.0f} | {run.longest_ms:.0f} | "
        f"{run.lost} | {run.refused} |"
        for run in runs
    ]
    moments = [f"| {run.source} | {moment.what} | {moment.longest_ms:.0f} |" for run in runs for moment in run.changes]
    return "\n".join(
        (
            "# Changes of the source's columns under load",
            "",
            f"`python -m bench.evolution`: {options.rate:,} events/s asked for, for {options.seconds:g} s of each source, over "
            f"{PARTITIONS} partitions and {KEYS:,} keys, one writer, JSON with schema; on {os.cpu_count()} processors with "
            f"everything on one machine (load {load} before). The time of an event is from its making until PostgreSQL's "
            "offset was seen behind it. For half a second after each change only one partition's events have it.",
            "",
            "| | events | events/s | p50 ms | p99 ms | longest ms | rows that differ from the model | dead letters |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"The latest of the events that were made within {AFTER_SECONDS:g} s of a change:",
            "",
            "| | change | ms |",
            "|---|---|---|",
            *moments,
            "",
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
