"""What else is wrong with a spec once its refused values are mended, so that nobody has to mend one error to see the next.

Nobody knows what was meant by a refused value, so three meanings are tried: left out, a small value, a large one. Only what is
wrong under all of them is wrong for sure; the rest may follow from the guess.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from components.core.errors import Problem, SpecError
from components.core.fields import Place, fields_by_key, full_annotation, is_mapping, is_model, item_annotation, without_none
from components.core.paths import Location, parse_path, value_at
from components.refusals import nearest_key

MOST_PLACES = 100
"""Who has more values to mend than this is not waiting for what is behind them."""

_ABSENT = object()
_SAMPLES = (
    *(False, True),
    *(0, 1, 2, 32, 100, 9092, 19_092, 65535, 100_000),
    *("1B", "1MiB", "1GiB", "1PiB", "1ms", "1m", "1d", "999d", "1B/s", "1PiB/s", "1/s", "999/s", "1%", "999%", "999"),
    *("100%", "/x0.jar", "/z9.jar", "00:00", "23:59", "0 0 * * *", "59 23 * * 6"),
    *(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----" for body in ("x0", "z9")),
    *(
        "4.0",
        "4.99",
        "4.0.0",
        "4.99.99",
        "x0",
        "z9",
        "x0.x0",
        "z9.z9",
        "vault:x0#x0",
        "secret:z9#z9",
        "https://x0",
        "https://z9",
        "/x0",
        "/z9",
        "x0:1",
        "z9:9",
        "x0:x0:0",
        "z9:z9:9",
    ),
    *("2000-01-01", "2999-12-31", "x" * 10, "z" * 10),
)
"""Small values before large ones. Of those that a type accepts, the first and the last are the two that are tried."""


def problems_behind(value: dict[str, Any], refused: Iterable[Place], validate: Callable[[Any], object]) -> list[Problem]:
    """The problems that ``validate`` finds in ``value`` whatever was meant at the ``refused`` places."""
    places = list(refused)
    if len(places) > MOST_PLACES:
        return []
    found = [_found(_mended(value, places, meaning), validate) for meaning in (None, 0, -1)]
    return [
        problem
        for problem in found[0]
        if all(problem in others for others in found) and not any(_is_at(problem, place) for place in places)
    ]


def _is_at(problem: Problem, place: Place) -> bool:
    return parse_path(problem.path)[: len(place.location)] == place.location


def _found(mended: Any, validate: Callable[[Any], object]) -> list[Problem]:
    try:
        validate(mended)
    except SpecError as error:
        return list(error.problems)
    except ValidationError:
        return []
    return []


def _mended(value: dict[str, Any], places: list[Place], meaning: int | None) -> Any:
    """``value`` with a sample at each place: left out where that is possible (``None``), else the first or last sample."""
    for place in places:
        if place.field is None:
            value = _replaced(value, place.location, _ABSENT)
            near = nearest_key(place)
            if near is not None and meaning is not None and value_at(value, (*place.location[:-1], near)) is None:
                field = fields_by_key(place.owner)[near]
                value = _replaced(value, (*place.location[:-1], near), sample(full_annotation(field), meaning))
        elif place.optional and meaning is None:
            value = _replaced(value, place.location, _ABSENT)
        else:
            value = _replaced(value, place.location, sample(place.annotation, meaning or 0))
    return value


def _replaced(value: Any, location: Location, new: Any) -> Any:
    """A copy of nested plain values with ``new`` at ``location``."""
    if not location:
        return new
    step, rest = location[0], location[1:]
    if isinstance(value, list) and isinstance(step, int):
        return [_replaced(item, rest, new) if index == step else item for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    others = {key: item for key, item in value.items() if str(key) != step}
    if not rest and new is _ABSENT:
        return others
    inner = next((item for key, item in value.items() if str(key) == step), None)
    return {**others, step: _replaced(inner, rest, new)}


def sample(annotation: Any, which: int) -> Any:
    """The first (0) or last (-1) of the values we know that a type accepts; every field of a model has its own."""
    inner = without_none(annotation)
    if is_model(inner):
        return {key: sample(full_annotation(field), which) for key, field in fields_by_key(inner).items()}
    if is_mapping(inner):
        return {}
    if get_origin(inner) is tuple:
        return [sample(item_annotation(inner), which)]
    if get_origin(inner) is Literal:
        return get_args(inner)[which]
    accepted = list(filter(partial(_accepts, TypeAdapter(annotation)), _SAMPLES))
    return accepted[which] if accepted else None


def _accepts(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True
