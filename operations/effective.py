"""What a field's value is in one stack, and where it was written. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.core import yaml_text
from components.core.model import SpecModel
from components.core.paths import Location, format_path
from components.environment import EnvironmentSpec
from operations.fields import Place, SpecField, Step
from operations.project import WrittenSpec


@dataclass(frozen=True, slots=True)
class Effective:
    """One value: its concrete path, as the user would write it, and ``file:line`` where it stands, or ``default``."""

    path: str
    value: Any
    where: str


def effective_values(spec: EnvironmentSpec, written: WrittenSpec, place: Place) -> list[Effective]:
    """The values of every field that ``place`` selects; none where an optional part of the way is left out."""
    lines = yaml_text.Lines(written.text)
    found = []
    for location, value in _select(spec, place.steps, ()):
        there = _written_location(written.value, location, place.field)
        where = "default" if there is None else f"{written.source}:{lines.of((*written.prefix, *there))}"
        found.append(Effective(format_path(location), _as_written(value, place.field), where))
    return found


def _select(value: Any, steps: tuple[Step, ...], location: Location) -> Iterator[tuple[Location, Any]]:
    if not steps:
        yield location, value
        return
    step, rest = steps[0], steps[1:]
    if step.kind == "field" and isinstance(value, SpecModel):
        yield from _select(getattr(value, step.select or ""), rest, (*location, step.written))
    elif step.kind == "key" and isinstance(value, Mapping):
        for key in value if step.select is None else {step.select} & set(value):
            yield from _select(value[key], rest, (*location, key))
    elif step.kind == "item" and isinstance(value, tuple):
        for index, item in enumerate(value):
            if step.select in {None, str(index), getattr(item, "name", None)}:
                yield from _select(item, rest, (*location, index))


def _written_location(raw: Any, location: Location, field: SpecField) -> Location | None:
    """Where in the written values the one at ``location`` stands; a bare scalar stands for its model's shorthand field."""
    for depth, step in enumerate(location):
        if not isinstance(raw, (dict, list)):
            is_last = depth == len(location) - 1
            return location[:depth] if is_last and raw is not None and field.owner.shorthand == field.attribute else None
        try:
            raw = raw[step]  # type: ignore[index]  # a step that does not fit is answered below
        except (KeyError, IndexError, TypeError):
            return None
    return location


def _as_written(value: Any, field: SpecField) -> Any:
    if isinstance(value, SpecModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    part = (field.is_list and not isinstance(value, tuple)) or (field.is_mapping and not isinstance(value, Mapping))
    return value if part else field.written(value)
