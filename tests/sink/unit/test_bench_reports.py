"""The sink worker's benchmarks: what they keep of an interrupted run, and how late they say that an event was."""

from pathlib import Path

import pytest

from bench.cassandra import report
from bench.cassandra.sweeping import Swept
from bench.evolution.flow import PARTITIONS, Watch
from bench.sink.run import Run

SWEPT = Swept(10, 1.5, 4, 3.0, 9.0, 120.0, 7, 30.0)


def run(per_second: float, *, whole: bool = True) -> Run:
    return Run(1_000, 1_000 / per_second, 1_000, {"worker": 0.02, "postgresql": 0.01, "kafka": 0.01}, 2**20, whole)


def results(cassandra: float) -> report.Results:
    rates = {report.MYSQL: 100.0, report.CASSANDRA: cassandra, report.REPLICAS: 90.0}
    return report.Results(1_000, 1, {name: [run(rate)] for name, rate in rates.items()}, 0.1, SWEPT, [0.5])


def test_what_was_measured_is_taken_up_again_but_not_that_of_other_data(tmp_path: Path) -> None:
    kept, file = results(60), tmp_path / "new" / "so-far.json"
    report.save(kept, file)
    assert report.restore(file, 1_000, 1) == kept
    assert report.restore(file, 2_000, 1) == report.Results(2_000, 1)
    assert report.restore(tmp_path / "none.json", 1_000, 1) == report.Results(1_000, 1)


@pytest.mark.parametrize(("cassandra", "met"), [(50.0, True), (49.0, False)])
def test_a_goal_that_is_missed_is_said_so(tmp_path: Path, cassandra: float, met: bool) -> None:
    found = results(cassandra)
    assert [goal[-1] for goal in found.goals()] == [met, True, False], "and the sweeper's 120 ms are too long"
    report.write(found, tmp_path)
    text = (tmp_path / "cassandra.md").read_text()
    assert f"| Cassandra's events/s ÷ MySQL's | {cassandra / 100:.2f} | at least 0.5 | {'yes' if met else 'no'} |" in text
    assert "| the sweeper's longest transaction | 120 ms | under 100 ms | no |" in text


def test_an_event_is_as_late_as_the_first_sight_of_an_offset_behind_it() -> None:
    watch = Watch("")
    watch.seen[0] = [(2, 10.0), (3, 11.0)]
    made = [[9.0, 9.5, 9.9], *([] for _ in range(PARTITIONS - 1))]
    assert [milliseconds for _, milliseconds in watch.lateness(made)] == pytest.approx([1000.0, 500.0, 1100.0])
