"""Which properties of a resource differ, as a provider has to tell the Pulumi engine: path by path."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from google.protobuf.struct_pb2 import ListValue, Struct, Value  # type: ignore[import-untyped]

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
INTERNAL = "__"
PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

Kind = Literal["ADD", "DELETE", "UPDATE"]
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Change:
    """One property that was added, deleted or updated; ``path`` has names for members and numbers for elements."""

    path: Path
    kind: Kind


def differences(old: Struct, new: Struct) -> Iterator[Change]:
    """What changed between two property bags, at the deepest level where they differ.

    Secrets are compared by content. Names that start with ``__`` are notes among Pulumi's own parts, no properties.
    """
    if old != new:
        yield from _members((), old.fields, new.fields)


def _members(path: Path, old: Mapping[str, Value], new: Mapping[str, Value]) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        if not name.startswith(INTERNAL):
            yield from _value((*path, name), old.get(name), new.get(name))


def _elements(path: Path, old: ListValue, new: ListValue) -> Iterator[Change]:
    for index in range(max(len(old.values), len(new.values))):
        before = old.values[index] if index < len(old.values) else None
        after = new.values[index] if index < len(new.values) else None
        yield from _value((*path, index), before, after)


def _value(path: Path, old: Value | None, new: Value | None) -> Iterator[Change]:
    old, new = content(old), content(new)
    if old == new:
        return
    if old is None:
        yield Change(path, "ADD")
    elif new is None:
        yield Change(path, "DELETE")
    elif old.HasField("struct_value") and new.HasField("struct_value"):
        yield from _members(path, old.struct_value.fields, new.struct_value.fields)
    elif old.HasField("list_value") and new.HasField("list_value"):
        yield from _elements(path, old.list_value, new.list_value)
    else:
        yield Change(path, "UPDATE")


def content(value: Value | None) -> Value | None:
    """What a secret holds; any other value as it is. A null is the same as nothing."""
    if value is None or value.HasField("null_value"):
        return None
    fields = value.struct_value.fields
    if SIGNATURE in fields and fields[SIGNATURE].string_value == SECRET:
        return content(fields["value"])
    return value


def written(path: Path) -> str:
    """A path as Pulumi writes it: ``spec.listeners[0].name``, ``metadata.annotations["strimzi.io/use"]``."""
    parts = (_part(part) for part in path)
    return "".join(parts).removeprefix(".")


def _part(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if PLAIN_KEY.fullmatch(part) else f'["{part}"]'
