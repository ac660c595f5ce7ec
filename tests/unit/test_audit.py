"""The audit log: one line per change, chained, without secrets, and whatever is done to it is noticed."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from operations.audit_log import HIDDEN, AuditError, append, audited, check
from tests.harness.cdc_command import project


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of five changes between a beginning and an end."""
    file = tmp_path / "log" / "live.jsonl"
    with audited(tmp_path, "live", "connect apply", file) as run:
        for number in range(5):
            run.change(f"connector c{number}", {"n": number}, {"n": number + 1})
    return file


def test_a_line_says_who_changed_what_when_from_what_to_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    with audited(tmp_path, "live", "connect apply") as run:
        run.change("connector c", {"a": "1"}, {"a": "2"})
    lines = [json.loads(line) for line in (tmp_path / ".cdc-audit" / "live.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["begun", "done", "ended"]
    told = lines[1]
    assert (told["stack"], told["verb"], told["object"]) == ("live", "connect apply", "connector c")
    assert (told["before"], told["after"], told["who"]["actor"]) == ({"a": "1"}, {"a": "2"}, "ada")
    assert told["at"].endswith("Z")
    assert {"user", "host"} <= set(told["who"])


def test_secrets_are_hidden_and_references_are_not(tmp_path: Path) -> None:
    config = {
        "database.password": "hunter2",
        "nested": [{"api.key": "hunter2"}],
        "url": "https://u:hunter2@host/x",
        "sasl.jaas.config": "${directory:/run:x}",
        "password": "vault:cdc/x#password",
    }
    with pytest.raises(ValueError, match="hunter"), audited(tmp_path, "live", "v") as run, run.changing("c", None, config):
        raise ValueError("https://u:hunter2@host/x refused")
    text = (tmp_path / ".cdc-audit" / "live.jsonl").read_text()
    assert "hunter2" not in text
    assert HIDDEN in text
    assert "${directory:/run:x}" in text
    assert "vault:cdc/x#password" in text


def test_what_failed_is_told_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"), audited(tmp_path, "live", "v") as run, run.changing("c"):
        raise OSError("gone\nand more")
    lines = [json.loads(line) for line in (tmp_path / ".cdc-audit" / "live.jsonl").read_text().splitlines()]
    assert [(line["object"], line["outcome"], line.get("why")) for line in lines[1:]] == [
        ("c", "failed", "gone"),
        ("run", "failed", "gone"),
    ]


def test_nothing_is_begun_that_could_not_be_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    begun = []
    with pytest.raises(AuditError, match="cannot be written"), audited(tmp_path, "live", "v", tmp_path / "file" / "log"):
        begun.append("work")
    assert not begun


def _lines(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines(keepends=True)


def test_a_whole_log_is_whole(log: Path) -> None:
    assert check(log).problems == ()
    assert check(log).lines == 7


@pytest.mark.parametrize("number", range(6))
def test_a_line_that_was_changed_or_taken_out_is_noticed(log: Path, number: int) -> None:
    lines = _lines(log)
    log.write_bytes(b"".join(line.replace(b"live", b"dead") if at == number else line for at, line in enumerate(lines)))
    assert check(log).problems
    log.write_bytes(b"".join(line for at, line in enumerate(lines) if at != number))
    assert check(log).problems


def test_lines_that_were_cut_off_are_noticed_by_a_head_that_was_noted(log: Path) -> None:
    head = check(log).head
    log.write_bytes(b"".join(_lines(log)[:-1]))
    assert check(log).problems == ()
    assert len(check(log, [head]).problems) == 1


def test_a_line_that_was_torn_stays_known_and_the_next_one_follows_it(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-20])
    append(log, {"object": "next"})
    assert [problem.split(" is ")[0] for problem in check(log).problems] == ["line 7"]
    assert json.loads(_lines(log)[-1])["object"] == "next"


def test_those_who_write_at_the_same_time_make_one_chain(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: append(tmp_path / "log", {"n": number, "text": "x" * 5000}), range(40)))
    assert check(tmp_path / "log") == check(tmp_path / "log", [check(tmp_path / "log").head])
    assert (check(tmp_path / "log").lines, check(tmp_path / "log").problems) == (40, ())


def test_the_verb_shows_and_judges_it(tmp_path: Path, log: Path) -> None:
    made = project(tmp_path)
    shown = made.cdc("audit", "show", "live", "--audit-log", str(log), "--last", "2")
    assert shown.code == 0
    assert "connector c4" in shown.out
    assert made.cdc("audit", "verify", "live", "--audit-log", str(log)).code == 0
    log.write_bytes(b"".join(_lines(log)[1:]))
    judged = made.cdc("audit", "verify", "live", "--audit-log", str(log), "--json")
    assert (judged.code, json.loads(judged.out)["whole"]) == (3, False)
