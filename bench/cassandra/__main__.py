"""``python -m bench.cassandra``: Cassandra's merge beside the MySQL path, on the same changes in one run; and the sweeper.

The same history of ten columns becomes Debezium's events of MySQL and of Cassandra. What was measured is kept after each round:
``--resume`` goes on with it. Results go to ``docs/benchmarks/cassandra.{json,md}``.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from bench import machine
from bench.cassandra import report, sweeping
from bench.cassandra.events import fill
from bench.cassandra.paths import measure
from bench.sink import data, worker
from bench.sink.stage import Stage
from tests.sink.workload.changes import Model

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when a goal was missed or a table is not the model's."""
    options = _options(arguments)
    kept, asked = options.keep, (options.events, options.rounds)
    results = report.restore(kept, *asked) if options.resume else report.Results(*asked)
    with tempfile.TemporaryDirectory() as scratch:
        if results.swept is None:
            results.swept = sweeping.measure(Path(scratch) / "sweeping", options.backlog)
            report.save(results, kept)
            _say(f"sweeper: {results.swept.longest_ms:.1f} ms at most in {results.swept.transactions:,} transactions")
        if _done(results) < options.rounds:
            _measure(Path(scratch), results, kept)
    report.write(results, options.out)
    sys.stdout.write(report.text(results))
    kept.unlink(missing_ok=True)
    return 0 if results.whole and all(met for *_, met in results.goals()) else 1


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cassandra", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="changes in the stream (default: 300,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each path is measured (default: 3)")
    parser.add_argument("--backlog", type=int, default=100_000, help="rows for the sweeper (default: 100,000)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the results")
    parser.add_argument(
        "--quick", action="store_true", help="50,000 events, a backlog of 20,000, one round: to see that it works"
    )
    parser.add_argument("--resume", action="store_true", help="keep what an interrupted run had measured")
    options = parser.parse_args(arguments)
    if options.quick:
        options.events, options.rounds, options.backlog = 50_000, 1, 20_000
    options.keep = options.out / "cassandra.so-far.json"
    return options


def _done(results: report.Results) -> int:
    return len(results.runs.get(report.REPLICAS, []))


def _measure(scratch: Path, results: report.Results, kept: Path) -> None:
    with Stage(scratch / "stage") as stage:
        _say(f"filling the topics with {results.events:,} changes")
        mysql = data.fill_one(stage, results.events, "json", "without", tombstones=False)
        rows = list(Model().apply_all(data.changes(results.events)).rows.values())
        checksum = data.checksum(rows)
        topics = {report.CASSANDRA: fill(stage, results.events, 1), report.REPLICAS: fill(stage, results.events, 3)}
        while _done(results) < results.rounds:
            results.load.append(machine.load())
            runs = {report.MYSQL: worker.run(stage, mysql, checksum, "one writer")}
            for name, topic in topics.items():
                runs[name], state = measure(stage, topic, rows)
                results.state = max(results.state, state)
            for name, run in runs.items():
                results.runs.setdefault(name, []).append(run)
            report.save(results, kept)
            told = "; ".join(f"{name} {run.per_second:,.0f} events/s" for name, run in runs.items())
            _say(f"round {_done(results)}: {told}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
