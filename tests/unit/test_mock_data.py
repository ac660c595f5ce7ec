"""Made-up data: the same for the same seed, of every kind, at a pace, and sayable without a source."""

import json
import sys
from collections import Counter
from itertools import islice
from typing import Any

import pytest
from typer.testing import CliRunner

from operations.cli import app
from operations.mock_data.changes import MockDataError, changes
from operations.mock_data.loading import load, paced
from operations.mock_data.tables import Source, schema
from operations.mock_data.targets import Place, connected

SOURCES = tuple(Source)


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_seed_makes_the_same_changes_and_another_others(source: Source) -> None:
    first, again, other = (list(islice(changes(source, seed), 300)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


@pytest.mark.parametrize("source", SOURCES)
def test_all_kinds_of_changes_come(source: Source) -> None:
    kinds = Counter(change.kind for change in islice(changes(source, 1), 1_000))
    wanted = {"insert", "update", "delete", "batch"} | ({"ttl", "range"} if source is Source.cassandra else set())
    assert set(kinds) == wanted
    assert min(kinds.values()) > 5


@pytest.mark.parametrize("source", [Source.mysql, Source.mariadb])
def test_a_relational_history_changes_only_rows_that_are_there(source: Source) -> None:
    rows: dict[str, set[tuple[Any, ...]]] = {"users": set(), "orders": set()}
    for change in islice(changes(source, 3, "db"), 2_000):
        for step in change.steps:
            verb, table = step.statement.split()[0], "users" if "db.users" in step.statement else "orders"
            width = 1 if table == "users" else 2
            if verb == "INSERT":
                assert step.values[:width] not in rows[table]
                rows[table].add(step.values[:width])
            elif verb == "UPDATE":
                assert step.values[-width:] in rows[table]
            else:
                rows[table] = {key for key in rows[table] if key[: len(step.values)] != step.values}


@pytest.mark.parametrize("source", SOURCES)
def test_every_statement_has_a_place_for_each_value(source: Source) -> None:
    for change in islice(changes(source, 5), 500):
        for step in change.steps:
            assert step.statement.count(source.place) == len(step.values)


def test_cassandras_tables_are_captured() -> None:
    tables = [statement for statement in schema(Source.cassandra) if statement.startswith("CREATE TABLE")]
    assert len(tables) == 2
    assert all(statement.endswith("cdc = true") for statement in tables)


def test_changes_come_no_faster_than_asked_and_lost_time_is_not_made_up_in_a_burst() -> None:
    now, waits = [0.0], list[float]()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    moments = []
    for number in paced(range(60), 10, lambda: now[0], wait):
        moments.append(now[0])
        now[0] += 30 if number == 20 else 0
    assert moments[20] == pytest.approx(2.0)
    assert sum(moment < 33 for moment in moments[21:]) <= 21
    assert moments[-1] > 34


def test_each_change_is_told_once_it_is_made() -> None:
    made: list[str] = []

    class Target:
        """Stands in for a source."""

        def execute(self, statement: str) -> None:
            raise AssertionError(statement)

        def apply(self, change: Any) -> None:
            made.append(change.kind)

    told: list[str] = []
    load(Target(), islice(changes(Source.mysql, 1), 20), None, lambda change: told.append(change.kind))
    assert told == made
    assert len(told) == 20


def test_a_dry_run_prints_what_would_be_done() -> None:
    done = CliRunner().invoke(app, ["mock", "cassandra", "--events", "20", "--dry-run", "--create", "--database", "trial"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert [line.get("kind") for line in lines[:5]] == [None, None, None, None, "insert"]
    assert len(lines) == 24
    assert "trial.users" in lines[4]["steps"][0]["statement"]


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(MockDataError, match=r"install cdc-platform\[mock\]"):
        next(changes(Source.mysql, 1))
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(MockDataError, match="pymysql is not installed"), connected(Source.mysql, Place("h", 1, "u", "p")):
        pass


@pytest.mark.parametrize("wrong", [["--database", "a b"], ["--rate", "0"], []])
def test_bad_options_are_refused(wrong: list[str]) -> None:
    assert CliRunner().invoke(app, ["mock", "mysql", *wrong]).exit_code == 2


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(Place("h", 1, "u", "secret"))
