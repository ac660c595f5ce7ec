"""``python -m bench.sink``: all peers in turns on the same data; results to ``docs/benchmarks/sink.{json,md}``."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from bench.sink import floor, latency, reading, report, worker
from bench.sink.data import Data, fill
from bench.sink.jdbc import JdbcSink
from bench.sink.run import Run
from bench.sink.stage import Stage, Target, ask
from tests.harness.sink_worker import SinkWorker
from tests.sink.workload.envelopes import Format

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
FORMATS: tuple[Format, ...] = ("avro", "json")
DEFAULT_SECONDS = 30
"""How long the sink as it comes may run: it would need minutes for all events, and its rate does not change."""

Case = tuple[str, Callable[[], Run]]


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when a peer that came to the end left another table than the model's."""
    options = _options(arguments)
    began = time.monotonic()
    runs: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory() as scratch, Stage(Path(scratch)) as stage:
        _say(f"filling the topics with {options.events:,} events")
        data = fill(stage, options.events, options.formats)
        batches = floor.prepare(options.events)
        with JdbcSink(stage) as sink:
            _warm_up(sink, data)
            for number in range(options.rounds):
                for name, measure in _cases(stage, data, batches, sink):
                    runs.setdefault(name, []).append(_measured(f"round {number + 1}: {name}", measure))
            batches.clear()
            late = {name: _late(name, take) for name, take in _latencies(stage, sink, options).items()}
    results = report.Results(options.events, options.rounds, runs, late, time.monotonic() - began)
    report.write(results, options.out)
    _say(report.text(results))
    return 0 if all(run.whole for name, taken in runs.items() for run in taken if report.DEFAULTS not in name) else 1


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.sink", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="changes in the stream (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each peer is measured (default: 3)")
    parser.add_argument("--seconds", type=int, default=30, help="how long latency is measured (default: 30)")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the results")
    parser.add_argument("--quick", action="store_true", help="100,000 events, one round: to see that it works")
    options = parser.parse_args(arguments)
    if options.quick:
        options.events, options.rounds, options.seconds = 100_000, 1, 10
    return options


def _cases(stage: Stage, data: Data, batches: list[floor.Batch], sink: JdbcSink) -> list[Case]:
    cases: list[Case] = [(report.FLOOR, lambda: floor.run(stage, data, batches))]
    for kind in data.with_tombstones:
        ours, bare = data.with_tombstones[kind], data.without_tombstones[kind]
        cases.append((f"{report.READING}, {kind}", partial(reading.run, stage, ours)))
        cases += [
            (f"worker, {shape}, {kind}", partial(worker.run, stage, ours, data.checksum, shape)) for shape in worker.SHAPES
        ]
        cases.append((f"{report.BEST}, {kind}", partial(sink.run, bare, data.checksum, True)))
        cases.append((f"{report.DEFAULTS}, {kind}", partial(sink.run, ours, data.checksum, False, limit=DEFAULT_SECONDS)))
    return cases


def _warm_up(sink: JdbcSink, data: Data) -> None:
    """A first run for the JVM to compile: it is not counted."""
    for topic in data.without_tombstones.values():
        _measured(f"warm-up: {report.BEST}, {topic.format}", partial(sink.run, topic, data.checksum, True))


def _measured(what: str, measure: Callable[[], Run]) -> Run:
    run = measure()
    _say(
        f"{what}: {run.per_second:,.0f} events/s, {run.cpu_micros:.1f} CPU µs an event{'' if run.whole else ' (not to the end)'}"
    )
    return run


def _latencies(stage: Stage, sink: JdbcSink, options: argparse.Namespace) -> dict[str, Callable[[], latency.Latency]]:
    return {
        f"{peer}, {kind}": partial(_latency, stage, options.seconds, kind, opened, sink)
        for kind in options.formats
        for peer, opened in (("worker, one writer", _worker), (report.BEST, _jdbc))
    }


def _latency(stage: Stage, seconds: int, kind: Format, opened: "Opened", sink: JdbcSink) -> latency.Latency:
    with opened(stage, sink, kind) as start:
        return latency.measure(stage, kind, seconds, start, "jdbc" if opened is _jdbc else "worker")


Start = Callable[[str, Target], Callable[[], int]]
Opened = Callable[[Stage, JdbcSink, Format], AbstractContextManager[Start]]


@contextmanager
def _worker(stage: Stage, _: JdbcSink, __: Format) -> Iterator[Start]:
    running: list[SinkWorker] = []

    def start(topic: str, target: Target) -> Callable[[], int]:
        running.append(worker.prepare(stage, topic, target, "one writer"))
        running[0].start()
        return ask(target, worker.OFFSETS, worker.BEHIND)

    try:
        yield start
    finally:
        for process in running:
            process.stop()


@contextmanager
def _jdbc(_: Stage, sink: JdbcSink, kind: Format) -> Iterator[Start]:
    running: list[str] = []

    def start(topic: str, target: Target) -> Callable[[], int]:
        running.append(sink.start(topic, kind, target))
        return lambda: sink.committed(running[0])

    try:
        yield start
    finally:
        for name in running:
            sink.stop(name)


def _late(name: str, take: Callable[[], latency.Latency]) -> latency.Latency:
    taken = take()
    _say(f"latency: {name}: p50 {taken.p50_ms:.0f} ms, p99 {taken.p99_ms:.0f} ms")
    return taken


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
