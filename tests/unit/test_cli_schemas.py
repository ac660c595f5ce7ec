"""``cdc schemas`` against a double of a registry: what it asks in which order, and what it says."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from operations.live.registry import Access, Registry
from tests.harness.cdc_command import Project, project

STACK = """config:
  cdc-platform:environment:
    tier: development
    target: docker
    schemaRegistry:
      replicas: 1
      subjects:
        - {subject: a-value, file: a.avsc, compatibility: FULL}
        - {subject: b/c value, file: b.json, schemaType: JSON}
        - {subject: only-level, compatibility: NONE}
""".replace("b/c value", "b%c-value")
URL = "http://registry:8081"


@dataclass
class FakeRegistry:
    """Confluent's API over dictionaries; ``incompatible`` names schemas that may follow nothing, by level or at all."""

    level: str = "NONE"
    levels: dict[str, str] = field(default_factory=dict)
    subjects: dict[str, list[str]] = field(default_factory=dict)
    incompatible: dict[str, set[str]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    answer: Callable[[httpx.Request], httpx.Response | None] = lambda _: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        special = self.answer(request)
        if special is not None:
            return special
        assert request.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
        body = json.loads(request.content) if request.content else {}
        first, *rest = (unquote(part) for part in urlsplit(str(request.url)).path.strip("/").split("/"))
        answers: dict[str, Callable[[httpx.Request, list[str], Any], Any]] = {
            "config": self._config,
            "subjects": self._subjects,
            "compatibility": self._compatibility,
        }
        found = answers[first](request, rest, body)
        return (
            httpx.Response(404, json={"error_code": 40401, "message": "no"})
            if found is None
            else httpx.Response(200, json=found)
        )

    def _config(self, request: httpx.Request, rest: list[str], body: Any) -> Any:
        [subject] = rest or [""]
        if request.method == "PUT":
            self.writes.append(f"level {subject} {body['compatibility']}".replace("  ", " "))
            if subject:
                self.levels[subject] = body["compatibility"]
            else:
                self.level = body["compatibility"]
            return body
        if request.method == "DELETE":
            self.writes.append(f"drop {subject}")
            return {"compatibilityLevel": self.levels.pop(subject, None)}
        level = self.levels.get(subject) if subject else self.level
        return None if level is None else {"compatibilityLevel": level}

    def _subjects(self, request: httpx.Request, rest: list[str], body: Any) -> Any:
        subject, *more = rest
        known = self.subjects.get(subject, [])
        if more == ["versions", "latest"]:
            return {"version": len(known), "id": len(known)} if known else None
        schema = body["schema"]
        if not more:
            return {"version": known.index(schema) + 1, "id": 7} if schema in known else None
        self.writes.append(f"register {subject}")
        self.subjects.setdefault(subject, []).append(schema)
        return {"id": 7}

    def _compatibility(self, request: httpx.Request, rest: list[str], body: Any) -> Any:
        subject = rest[1]
        levels = self.incompatible.get(body["schema"], set())
        bad = self.levels.get(subject, self.level) in levels
        return {"is_compatible": not bad, "messages": ["READER_FIELD_MISSING: id"] if bad else []}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    """Every registry that is opened is this one."""
    made = FakeRegistry()
    opened = Registry.__init__

    def open_fake(self: Registry, access: Access) -> None:
        opened(self, access, httpx.MockTransport(made))

    monkeypatch.setattr(Registry, "__init__", open_fake)
    return made


@pytest.fixture
def made(tmp_path: Path) -> Project:
    (tmp_path / "a.avsc").write_text('"string"')
    (tmp_path / "b.json").write_text('{"type": "object"}')
    return project(tmp_path, dev=STACK)


def test_check_changes_nothing(fake: FakeRegistry, made: Project) -> None:
    run = made.cdc("schemas", "check", "dev")
    assert (run.code, fake.writes) == (0, [])
    assert "all subjects: compatibility NONE → BACKWARD" in run.out
    assert "a-value: compatibility none of its own → FULL" in run.out
    assert "b%c-value  new" in run.out


def test_apply_sets_levels_then_registers_and_does_nothing_the_second_time(fake: FakeRegistry, made: Project) -> None:
    assert made.cdc("schemas", "apply", "dev").code == 0
    assert fake.writes == [
        "level BACKWARD",
        "level only-level NONE",
        "register a-value",
        "register b%c-value",
        "level a-value FULL",
    ]
    fake.writes.clear()
    again = made.cdc("schemas", "apply", "dev", "--json")
    assert (again.code, fake.writes) == (0, [])
    assert [found["state"] for found in json.loads(again.out)["subjects"]] == ["unchanged", "unchanged", "level"]


def test_one_incompatible_schema_keeps_all_out(fake: FakeRegistry, made: Project) -> None:
    fake.level, fake.subjects["b%c-value"] = "FULL", ["old"]
    fake.incompatible['{"type": "object"}'] = {"FULL"}
    run = made.cdc("schemas", "apply", "dev")
    assert (run.code, fake.writes) == (1, [])
    assert "READER_FIELD_MISSING: id" in run.out
    assert "nothing was registered" in run.out


def test_what_is_incompatible_under_the_new_level_only_puts_the_levels_back(fake: FakeRegistry, made: Project) -> None:
    fake.subjects |= {"a-value": ["old"], "b%c-value": ["old"]}
    fake.incompatible['"string"'] = {"FULL"}
    run = made.cdc("schemas", "apply", "dev")
    assert run.code == 1
    assert not [write for write in fake.writes if write.startswith("register")]
    assert (fake.level, fake.levels) == ("NONE", {})


def refuse(status: int, **body: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, json=body)


def unreachable(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("[Errno 111] Connection refused")


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (unreachable, 2, ("cannot be reached", "Connection refused", "--url")),
        (refuse(401), 2, ("credentials are refused", "--password-file")),
        (refuse(403), 2, ("credentials are refused",)),
        (refuse(409, error_code=409, message="Incompatible schema"), 1, ("incompatible", "Incompatible schema")),
        (refuse(422, error_code=42201, message="Invalid schema"), 2, ("not accepted", "Invalid schema")),
        (refuse(500, error_code=50001, message="x" * 5000), 2, ("answered 500", "log")),
        (refuse(404, detail="no such page"), 2, ("answered 404", "--url")),
        (lambda _: httpx.Response(200, text="<html>"), 2, ("is no schema registry",)),
        (lambda _: httpx.Response(503, text="<html>"), 2, ("answered 503",)),
    ],
)
def test_what_a_registry_refuses_is_told_with_what_to_do(
    fake: FakeRegistry, made: Project, answer: Callable[[httpx.Request], httpx.Response], code: int, words: tuple[str, ...]
) -> None:
    fake.answer = answer
    run = made.cdc("schemas", "apply", "dev")
    assert run.code == code
    assert not [word for word in (*words, "→", "http://schema-registry-0:8081") if word not in run.err], run.err
    assert "Traceback" not in run.text
    assert len(run.err) < 1200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", "registry:8081"), "not an address"),
        (("--url", "https://app:hunter2@registry"), "holds credentials"),
        (("--user", "app"), "go together"),
        (("--user", "app", "--password-file", "nowhere"), "cannot be read"),
        (("--ca-file", "a.avsc"), "cannot be read"),
    ],
)
def test_a_wrong_way_in_is_refused(made: Project, arguments: tuple[str, ...], words: str) -> None:
    run = made.cdc("schemas", "check", "dev", *arguments)
    assert (run.code, words in run.err) == (2, True), run.text
    assert "hunter2" not in run.text


def test_the_password_is_read_from_its_file_and_sent(fake: FakeRegistry, made: Project) -> None:
    (made.root / "password").write_text("s3cret\n")
    seen = []

    def note(request: httpx.Request) -> None:
        seen.append(request.headers["authorization"])

    fake.answer = note
    run = made.cdc("schemas", "check", "dev", "--user", "app", "--password-file", str(made.root / "password"))
    assert run.code == 0
    assert set(seen) == {"Basic YXBwOnMzY3JldA=="}


def test_a_stack_without_a_registry_and_a_file_that_is_no_schema_are_refused(fake: FakeRegistry, made: Project) -> None:
    made.write("bare", STACK.partition("    schemaRegistry")[0])
    assert "declare schemaRegistry" in made.cdc("schemas", "check", "bare").err
    (made.root / "a.avsc").write_text("{}")
    refused = made.cdc("schemas", "apply", "dev")
    assert (refused.code, fake.writes) == (2, [])
    assert "schemaRegistry.subjects[0].file (line 8)" in refused.err
