"""Differences between two plain values, field by field. Pure."""

import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.core.paths import format_path

Json = Any


class Absent(enum.Enum):
    """The value of a field that is not there; ``None`` is a value like others."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after. Items of a list are named where all have a ``name``: ``tenants[shop].quota.produce``."""

    path: str
    before: Json
    after: Json

    def as_json(self) -> dict[str, Json]:
        """For a machine: a side that is absent is left out."""
        sides = {"before": self.before, "after": self.after}
        return {"path": self.path, **{side: value for side, value in sides.items() if value is not ABSENT}}


def compare(before: Json, after: Json, path: str = "") -> Iterator[FieldChange]:
    """Every field that differs. The order of named items, and of keys, says nothing."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _compare_mappings(before, after, path)
    elif _is_list(before) and _is_list(after):
        yield from _compare_lists(before, after, path)
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield FieldChange(path, before, after)


def _compare_mappings(before: Mapping[str, Json], after: Mapping[str, Json], path: str) -> Iterator[FieldChange]:
    for key in {**before, **after}:
        step = format_path((str(key),))
        inner = f"{path}.{step}" if path and not step.startswith("[") else f"{path}{step}"
        yield from compare(before.get(key, ABSENT), after.get(key, ABSENT), inner)


def _is_list(value: Json) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _compare_lists(before: Sequence[Json], after: Sequence[Json], path: str) -> Iterator[FieldChange]:
    old, new = _by_name(before), _by_name(after)
    if old is not None and new is not None:
        for name in {**old, **new}:
            yield from compare(old.get(name, ABSENT), new.get(name, ABSENT), f"{path}[{name}]")
    elif all(isinstance(item, Mapping) for item in [*before, *after]):
        yield from _compare_unnamed(before, after, path)
    elif list(before) != list(after):
        yield FieldChange(path, list(before), list(after))


def _by_name(items: Sequence[Json]) -> dict[str, Json] | None:
    """Items by their names; ``None`` where one has no name, or two share one."""
    named = {str(item["name"]): item for item in items if isinstance(item, Mapping) and "name" in item}
    return named if len(named) == len(items) else None


def _compare_unnamed(before: Sequence[Json], after: Sequence[Json], path: str) -> Iterator[FieldChange]:
    """Items found on both sides, wherever they stand, are the same; the others are paired in order."""
    there = [json.dumps(item, sort_keys=True, default=str) for item in before]
    here = [json.dumps(item, sort_keys=True, default=str) for item in after]
    old = [item for item, text in zip(before, there, strict=True) if text not in here]
    new = [(index, item) for index, (item, text) in enumerate(zip(after, here, strict=True)) if text not in there]
    for position in range(max(len(old), len(new))):
        index, item = new[position] if position < len(new) else (len(after) + position - len(new), ABSENT)
        yield from compare(old[position] if position < len(old) else ABSENT, item, f"{path}[{index}]")
