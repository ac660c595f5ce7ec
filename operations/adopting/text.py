"""The spec file of an adopted cluster: one line for each topic, and a comment where a person has to decide. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from components.core.yaml_text import flow
from operations.adopting.parts import LeftOver, Plain
from operations.live.observed import Observed

_WIDE = 110
_SAID = {
    "target": "cdc plan and cdc apply keep topics, users and quotas as they are written here",
    "brokers": "as many as answered",
    "owner": "who answers for it?",
    "database": "where do its rows go?",
}


def spec_text(name: str, value: Plain, seen: Observed, left: Sequence[LeftOver]) -> str:
    """``value`` as a stack file, and behind it what is left to others."""
    lines = [
        "# yaml-language-server: $schema=docs/schema/stack.schema.json",
        f"# Adopted from the Kafka cluster {seen.kafka.cluster_id}: cdc plan {name} changes nothing of it.",
        "config:",
        "  cdc-platform:environment:",
        *(f"    {line}" for line in _mapping(value)),
    ]
    if left:
        lines.append("# Left as it is, since this spec does not say it:")
        lines += [f"#   {one.kind} {_printable(one.name)}: {_printable(one.why)}" for one in left]
    return "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _mapping(value: Plain) -> Iterator[str]:
    for key, inner in value.items():
        yield from _entry(key, inner)


def _entry(key: str, value: Any) -> Iterator[str]:
    """On one line where it is short; else a block."""
    line = flow({key: value})[1:-1]
    comment = _comment(key, value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield f"{_key(key)}:"
        yield from (f"  {item}" for one in value for item in _item(one))
    elif isinstance(value, dict) and value and (len(line) > _WIDE or key in {"kafka", "topicDefaults"}):
        yield f"{_key(key)}:"
        yield from (f"  {inner}" for inner in _mapping(value))
    elif isinstance(value, list) and len(line) > _WIDE:
        yield f"{_key(key)}:"
        yield from (f"  - {flow(item)}" for item in value)
    else:
        yield line + comment


def _item(value: Plain) -> Iterator[str]:
    line = flow(value)
    if len(line) <= _WIDE:
        yield f"- {line}" + "".join(_comment(key, inner) for key, inner in value.items())
        return
    for number, inner in enumerate(_mapping(value)):
        yield f"{'  ' if number else '- '}{inner}"


def _key(key: str) -> str:
    return flow({key: 0})[1:-1].removesuffix(": 0")


def _comment(key: str, value: Any) -> str:
    asks = key in {"target", "brokers"} or value == "unknown"
    return f"  # {_SAID[key]}" if asks and key in _SAID else ""
