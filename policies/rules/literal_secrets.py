"""No secret is written anywhere: neither in the spec nor in what it becomes (requirement A19).

There are thousands of objects, so a quick pass puts every distinct text into one and only says whether any object holds a
secret; the places are looked for when one does. No message repeats a value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from components.core.paths import format_step, join_path
from components.core.rendered import Manifest, Workload
from policies.model import EVERYWHERE, Rule, Subject, Violation
from policies.rules.places import origin

_NAMES = r"password|passwd|passphrase|secret|token|api[._-]?key|access[._-]?key(?:[._-]?id)?|secret[._-]key|private[._-]?key"
_SENSITIVE_KEY = re.compile(rf"(?i)(?:{_NAMES}|credentials?)$")
_ASSIGNMENT = re.compile(
    rf"""(?i)(?:^|[\s"'{{,;&?(-])["']?(?P<key>[\w.-]*?(?:{_NAMES}))["']?\s*[=:]\s*(?P<value>"[^"]*"|'[^']*'|[^\s"',;}}&)]+)"""
)
_KNOWN_FORMS = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a password in an address", re.compile(r"://[^/\s:@]*:(?![$<{])[^/\s@]+@")),
    ("an AWS access key", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
    ("a Vault token", re.compile(r"\bhvs\.[A-Za-z0-9_-]{20,}")),
    ("a GitHub token", re.compile(r"\bghp_[A-Za-z0-9]{36}\b")),
    ("a JSON web token", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.")),
)
_WORDS = ("passw", "passphrase", "secret", "token", "api", "access", "private", "://", "akia", "hvs.", "ghp_", "eyj")
"""A text with none of these, in any case, has none of the above."""

_REFERENCE = re.compile(
    r"^(?:$|\$[({]|\{\{|<\w|(?:vault|secret):[^#]*#|file:|/[\w.-]+/|(?:true|false|null|none|required)$)", re.IGNORECASE
)
"""What stands for a value that is elsewhere: a placeholder, a reference, a file, or none at all."""

_SPEC_ITSELF = re.compile(r'data\["Pulumi\.[^"]+\.yaml"\]$')
"""A ConfigMap for programs of ours that read it."""

_KEY_NAMES = "secretName"
"""Beside this key, ``password`` names a key of that Secret (Strimzi's ``passwordSecret``)."""


def _check(subject: Subject) -> Iterator[Violation]:
    """What is wrong in the spec is not said again for each object that it is rendered to."""
    written = list(_in_spec(subject))
    yield from written
    told = {violation.path for violation in written}
    yield from (violation for violation in _in_objects(subject) if violation.path not in told)
    for workload in subject.rendered.workloads:
        for place, what in _in_workload(workload):
            yield Violation(origin(subject, workload), f"{place} holds {what}", workload.id)
    judged = {text for workload in subject.rendered.workloads for text in workload.files.values()}
    for path, text in subject.rendered.files.items():
        if text not in judged:
            yield from (Violation("", f"{path} holds {what}", path) for what in _in_text(text))


def _in_spec(subject: Subject) -> Iterator[Violation]:
    """All of the spec but its topics and users, of which every text is rendered."""
    spec = subject.spec.model_dump(mode="json", by_alias=True, exclude={"kafka": {"topics", "users"}})
    for place, what in _found(spec, ""):
        yield Violation(place, f"holds {what}")


def _in_objects(subject: Subject) -> Iterator[Violation]:
    others = []
    for manifest in subject.rendered.manifests:
        if manifest.kind == "Secret":
            yield from _secret_values(subject, manifest)
        else:
            others.append(manifest)
    if _any_secret([manifest.body for manifest in others]):
        for manifest in others:
            for place, what in _found(manifest.body, ""):
                if _SPEC_ITSELF.match(place):
                    continue  # judged where it is written
                yield Violation(_spec_path(subject, manifest, place), f"{place} holds {what}", manifest.id)


def _secret_values(subject: Subject, manifest: Manifest) -> Iterator[Violation]:
    for field in ("data", "stringData"):
        for key in manifest.body.get(field) or {}:
            yield Violation(origin(subject, manifest), f"{field}.{key} holds a value", manifest.id)


def _any_secret(bodies: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any object holds a secret, under a key that says so or anywhere in its texts."""
    stack: list[Any] = list(bodies)
    texts: set[str] = set()
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if _sensitive_keys(tuple(item)) and any(_literals(item)):
                return True
            item = item.values()
        for value in item:
            if isinstance(value, str):
                texts.add(value)
            elif isinstance(value, (dict, list, tuple)):
                stack.append(value)
    return any(_in_text("\n".join(texts)))


def _literals(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what) where a key says that its value is a secret: by itself, or as ``{name: DB_PASSWORD, value: …}``."""
    for key in _sensitive_keys(tuple(item)):
        value = item[key]
        if key == "value":
            if _is_literal(str(item["name"]), value):
                yield key, f"a literal value for {item['name']}"
        elif _is_literal(key, value) and _KEY_NAMES not in item:
            yield key, "a literal value"


@lru_cache(maxsize=4096)
def _sensitive_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Of one mapping's keys those whose value may be a secret; thousands of mappings share a few sets of keys."""
    return tuple(key for key in keys if _SENSITIVE_KEY.search(key) or (key == "value" and "name" in keys))


def _found(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """(place, what) of every literal secret in nested plain values."""
    if isinstance(value, str):
        yield from ((place, what) for what in _in_text(value))
    elif isinstance(value, Mapping):
        literals = dict(_literals(value))
        for key, inner in value.items():
            inside = join_path(place, format_step(str(key)).removeprefix("."))
            if key in literals:
                yield inside, literals[key]
            else:
                yield from _found(inner, inside)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _found(inner, f"{place}[{index}]")


def _is_literal(key: str, value: object) -> bool:
    return bool(_SENSITIVE_KEY.search(key)) and isinstance(value, str) and not _REFERENCE.match(value)


def _in_text(text: str) -> Iterator[str]:
    """What literal secrets a text holds: properties, JAAS, JSON, command lines, addresses, PEM."""
    for line in _suspect_lines(text):
        yield from (what for what, form in _KNOWN_FORMS if form.search(line))
        for match in _ASSIGNMENT.finditer(line.replace('\\"', '"')):  # JAAS in JSON
            value = match["value"].strip("\"'")
            is_reference = _REFERENCE.match(value) or (match["key"] == "secret" and "#" in value)  # secret:<name>#<key>
            if not is_reference and value[0] not in "{[":
                yield f"a literal value for {match['key']}"


def _suspect_lines(text: str) -> list[str]:
    """The lines of ``text`` that hold one of :data:`_WORDS`; megabytes without one cost a search for each word."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters have lower-case forms of another length, so places would not be the same
        return text.splitlines()
    spans: set[tuple[int, int]] = set()
    for word in _WORDS:
        at = lowered.find(word)
        while at >= 0:
            end = lowered.find("\n", at)
            end = len(text) if end < 0 else end
            spans.add((lowered.rfind("\n", 0, at) + 1, end))
            at = lowered.find(word, end)
    return [text[start:end] for start, end in sorted(spans)]


def _in_workload(workload: Workload) -> Iterator[tuple[str, str]]:
    for name, value in workload.environment.items():
        if _is_literal(name, value):
            yield f"environment {name}", "a literal value"
        else:
            yield from ((f"environment {name}", what) for what in _in_text(value))
    for path, text in workload.files.items():
        yield from ((f"file {path}", what) for what in _in_text(text))
    for part in (*workload.command, *(workload.health.command if workload.health else ())):
        yield from (("its command", what) for what in _in_text(part))


_WRITTEN_AT = {
    "spec.kafka.config": "kafka.config",
    "spec.kafka.tieredStorage.remoteStorageManager.config": "kafka.tiered.config",
}


def _spec_path(subject: Subject, manifest: Manifest, place: str) -> str:
    for rendered, written in _WRITTEN_AT.items():
        if manifest.kind == "Kafka" and place.startswith(rendered):
            return written + place.removeprefix(rendered)
    base = origin(subject, manifest)
    return f"{base}.{place.removeprefix('spec.')}" if place.startswith("spec.config") and base else base


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "literal-secret",
        "No secret is written anywhere",
        "What is rendered is committed, reviewed, logged and kept: a secret in it is one no longer.",
        "Keep it in Vault, write vault:<path>#<key> where the spec takes a reference, and change the value that was shown.",
        "Requirement A19",
        EVERYWHERE,
        _check,
    ),
)
