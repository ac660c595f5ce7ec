"""A valid environment with one thing wrong in it, and where."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le, MinLen
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from components.core import quantities
from components.core.fields import fields_by_key, full_annotation, is_mapping, is_model, item_annotation, without_none
from components.core.model import DnsLabel, SecretReference, SpecModel, TableName, TopicName, TopicPattern
from components.core.paths import Location, value_at
from components.environment import Day, EnvironmentSpec
from tests.strategies.draw import Draw, Plain
from tests.strategies.environments import environments

SECRET = "tok_6f9c1b57a2e84d03b9d5e7c1f0a3528e4b7d96c0aa11"
"""A literal that has no place in a spec, wherever it is put."""

_NESTED: tuple[Any, ...] = ({"password": SECRET}, [SECRET], [{"value": SECRET}])


@dataclass(frozen=True, slots=True)
class Wrong:
    """Plain values with one thing wrong at ``location``."""

    values: Plain
    location: Location


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in an environment that may hold a value of type ``annotation``."""

    location: Location
    annotation: Any


def _validator(annotated: Any) -> Any:
    return get_args(annotated)[1].func


_WRONG_TEXTS: dict[Any, tuple[Any, ...]] = {
    quantities.parse_bytes: (10, "10", "0B", "-1Gi", "10 Gi", "10gb", "Gi", "1e3Ki", "10MiB\n", "9" * 19 + "PB", "٣Gi", ""),
    quantities.parse_duration: (7, "7", "0s", "1y", "7d ", "-1d", "1.5h", "forever and a day", "9" * 19 + "w", ""),
    quantities.parse_retention: (-1, "-1", "0s", "1y", "Forever", "7 d", ""),
    quantities.parse_byte_rate: (10, "10MiB", "0B/s", "10/s", "10MiB/m", "/s", "10 MiB/s"),
    quantities.parse_count_rate: (100, "100", "0/s", "-1/s", "1/m", "nan/s", "inf/s", "1e3/s"),
    quantities.parse_percent: (50, "50", "0%", "1.5%", "-5%", "%", "9" * 30 + "%"),
    quantities.parse_cpu: (0, "0m", -1, "two", "1.5m", "0.0001", float("inf"), "9" * 400),
    _validator(DnsLabel): ("", "Upper", "a_b", "-a", "a-", "a.b", "x" * 64, "a\n", "ä", 5),
    _validator(TopicName): ("", ".", "..", "a b", "x" * 250, "a/b", "é", "a\n", 5),
    _validator(TopicPattern): ("", "a b", "**", "*a", "a*b", 5),
    _validator(TableName): ("orders", "a.b.c", ".b", "a.", "a b.c", "", 5),
    _validator(SecretReference): (SECRET, f"vault:{SECRET}", f"vault:x#{SECRET} ", f"env:{SECRET}#x", "hunter2", ""),
    _validator(Day): ("2026-13-01", "tomorrow", "2026-01-01T00:00:00", 20260101, "20260101", ""),
}
"""Wrong scalars by the function that judges a type's values."""

_TEXTS_BY_TYPE: dict[Any, tuple[Any, ...]] = {
    str: (5, True, 1.5),
    int: ("3", 1.5, True, "three", 10**30),
    bool: ("yes", "true", 1, 0, "on"),
}


def values_refused_by(annotation: Any) -> Iterator[Any]:
    """Values that no field of the type may accept: of another type, without units, out of bounds, literal secrets."""
    inner = without_none(annotation)
    if inner is annotation:
        yield None
    if is_model(inner):
        yield from (True, [SECRET])
        yield "two words" if inner.shorthand is not None else SECRET
    elif get_origin(inner) is tuple:
        yield from (SECRET, 5, {"password": SECRET})
        yield from ([wrong] for wrong in values_refused_by(item_annotation(inner)))
    elif is_mapping(inner):
        yield from (SECRET, 5, [SECRET], {1: "x"}, {None: SECRET})
    else:
        yield from _NESTED
        yield from _wrong_scalars(inner)
    if any(isinstance(constraint, MinLen) for constraint in _constraints(annotation)):
        yield [] if get_origin(inner) is tuple else ""


def _wrong_scalars(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from ("no-such-choice", 5, True, SECRET)
        return
    constraints = _constraints(annotation)
    judges = [_WRONG_TEXTS[c.func] for c in constraints if getattr(c, "func", None) in _WRONG_TEXTS]
    plain = get_args(annotation)[0] if constraints else annotation
    yield from judges[0] if judges else _TEXTS_BY_TYPE.get(plain, (float("nan"), None))
    for constraint in constraints:
        if isinstance(constraint, Ge) and isinstance(constraint.ge, int):
            yield constraint.ge - 1
        elif isinstance(constraint, Le) and isinstance(constraint.le, int):
            yield constraint.le + 1


def _constraints(annotation: Any) -> tuple[Any, ...]:
    return tuple(getattr(annotation, "__metadata__", ()))


def spots(model: type[SpecModel], values: Any, location: Location = ()) -> Iterator[Spot]:
    """Every field of every model that is in ``values``, there or not, and every item and key of its lists and mappings."""
    for key, field in fields_by_key(model).items():
        if (*location, key) != ("name",):
            yield from _spots_at(_annotation(field), values.get(key), (*location, key))


def _spots_at(annotation: Any, value: Any, location: Location) -> Iterator[Spot]:
    yield Spot(location, annotation)
    inner = without_none(annotation)
    if is_model(inner) and isinstance(value, dict):
        yield from spots(inner, value, location)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _spots_at(item_annotation(inner), item, (*location, index))
    elif is_mapping(inner) and isinstance(value, dict):
        for key, item in value.items():
            yield from _spots_at(item_annotation(inner), item, (*location, key))


@cache
def _annotation(field: FieldInfo) -> Any:
    return full_annotation(field)


def replaced(values: Plain, location: Location, new: Any) -> Plain:
    """A copy of ``values`` with ``new`` at ``location``."""
    found = copy.deepcopy(values)
    place: Any = found
    for step in location[:-1]:
        place = place[step]
    place[location[-1]] = new
    return found


@st.composite
def wrong_values(draw: Draw) -> Wrong:
    """An environment with one wrong value, at a field that is there or that could be."""
    values = draw(environments())
    spot = draw(st.sampled_from(list(spots(EnvironmentSpec, values))))
    return Wrong(
        replaced(values, spot.location, draw(st.sampled_from(list(values_refused_by(spot.annotation))))), spot.location
    )


@st.composite
def misspelt_keys(draw: Draw) -> Wrong:
    """An environment with one key that is almost one of the keys that may stand there; its value is a literal secret."""
    values = draw(environments())
    models: list[tuple[type[SpecModel], Location]] = [(EnvironmentSpec, ()), *_models(values)]
    model, location = draw(st.sampled_from(models))
    key = draw(st.sampled_from(sorted(fields_by_key(model))))
    wrong = draw(st.sampled_from([variant for variant in _misspelt(key) if variant not in fields_by_key(model)]))
    return Wrong(replaced(values, (*location, wrong), SECRET), (*location, wrong))


def _models(values: Plain) -> Iterator[tuple[type[SpecModel], Location]]:
    """The models that are written out in ``values``, and where."""
    for spot in spots(EnvironmentSpec, values):
        inner, value = without_none(spot.annotation), value_at(values, spot.location)
        if is_model(inner) and isinstance(value, dict):
            yield inner, spot.location


def _misspelt(key: str) -> tuple[str, ...]:
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
    return (key[:-1], f"{key}s", f"{key}{key[-1]}", key.upper(), snake, f"{key} ", f"{key}.x")
