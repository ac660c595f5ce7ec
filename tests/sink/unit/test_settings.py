"""Settings: every problem at once and in words; the environment wins over the file; the published schema is the real one."""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import pytest
from sink_worker.errors import SettingsError
from sink_worker.settings_file import load_settings, settings_schema

SCHEMA_FILE = Path(__file__).parents[3] / "sink_worker" / "settings.schema.json"
GOOD: dict[str, dict[str, Any]] = {
    "kafka": {"bootstrap_servers": "broker:9092", "group_id": "orders", "topics": ["^srv[.]shop[.].*"]},
    "postgres": {"host": "db", "database": "warehouse", "user": "sink"},
}


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("SINK_")]:
        monkeypatch.delenv(name)


def _written(folder: Path, content: object) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps(content))
    return path


def _problems(path: Path) -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings(path)
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    settings = load_settings(_written(tmp_path, GOOD))
    assert settings.kafka.topics == ["^srv[.]shop[.].*"]
    assert (settings.retry.attempts, settings.retry.first_seconds, settings.retry.longest_seconds) == (10, 1.0, 60.0)
    assert (settings.breaker.window, settings.breaker.failure_percent, settings.breaker.open_seconds) == (10, 50, 30.0)


def test_toml_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[kafka]\nbootstrap_servers="broker:9092"\ngroup_id="orders"\ntopics=["^srv[.]shop[.].*"]\n'
                    '[postgres]\nhost="db"\ndatabase="warehouse"\nuser="sink"\n')  # fmt: skip
    assert load_settings(path) == load_settings(_written(tmp_path, GOOD))


def test_the_environment_wins_and_lists_are_written_with_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINK_KAFKA__TOPICS", "a, b")
    monkeypatch.setenv("SINK_POSTGRES__PORT", "6432")
    settings = load_settings(_written(tmp_path, GOOD))
    assert (settings.kafka.topics, settings.postgres.port, settings.postgres.host) == (["a", "b"], "6432", "db")


def test_all_problems_are_told_at_once_with_the_nearest_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINK_BACTH__MAX_ROWS", "5")
    monkeypatch.setenv("SINK_DLQ__TOPICS", "x")
    content = {"kafka": {**GOOD["kafka"], "grup_id": "x", "session_timeout_ms": -1}, "postgres": {"host": "db", "user": "u"}}
    told = _problems(_written(tmp_path, content))
    for part in ("kafka.grup_id", "group_id", "kafka.session_timeout_ms", "postgres.database", "SINK_POSTGRES__DATABASE",
                 "SINK_BACTH__MAX_ROWS", "SINK_BATCH", "SINK_DLQ__TOPICS", "did you mean topic"):  # fmt: skip
        assert part in told


def test_what_exactly_once_depends_on_cannot_be_set(tmp_path: Path) -> None:
    content = {**GOOD, "kafka": {**GOOD["kafka"], "properties": {"enable.auto.commit": "true"}}}
    assert "enable.auto.commit" in _problems(_written(tmp_path, content))


def test_a_secret_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    content = {**GOOD, "postgres": {**GOOD["postgres"], "password_file": str(tmp_path / "none")}}
    assert "postgres.password_file" in _problems(_written(tmp_path, content))


@pytest.mark.parametrize("content", ["[1]", "{", '"text"'])
def test_a_file_that_is_no_settings_is_told_without_a_traceback(tmp_path: Path, content: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content)
    assert str(path) in _problems(path)


def test_the_published_schema_is_the_settings_own() -> None:
    assert json.loads(SCHEMA_FILE.read_text()) == settings_schema()


def test_the_published_schema_takes_what_the_worker_takes_and_refuses_what_it_refuses() -> None:
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.validate(GOOD, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**GOOD, "kafka": {**GOOD["kafka"], "grup_id": "x"}}, schema)
