"""Pydantic's errors as problems: what is wrong in the user's words, and what would be right."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.core.errors import Problem, WrongValue
from components.core.fields import Place, fields_by_key, place_at, without_none
from components.core.paths import Location, format_path, value_at
from components.environment import EnvironmentSpec

Context = Mapping[str, Any]
"""What pydantic adds to an error, such as the limit that was passed."""

_KEY_MARK = "[key]"
"""The last step of a location whose key, not whose value, is refused."""

_MESSAGES = {
    "bool_type": ("is neither true nor false", "write true or false, without quotes"),
    "dict_type": ("is not a mapping", "write keys and values under it"),
    "finite_number": ("is not a finite number", "write a finite one"),
    "float_type": ("is not a number", "write a number, without quotes"),
    "int_from_float": ("is not a whole number", "write a whole number"),
    "int_type": ("is not a whole number", "write a whole number, without quotes"),
    "string_too_short": ("is empty", ""),
    "string_type": ("is not text", "write text; in quotes where it looks like a number"),
    "tuple_type": ("is not a list", "write a list, even of one"),
}
"""Message and remedy by pydantic's error type; where the remedy is empty, the field's own help is it."""


def refusals(error: ValidationError, value: Any) -> Iterator[tuple[Place, Problem]]:
    """Each refused place in ``value``, once, with what is wrong there."""
    errors = error.errors(include_url=False, include_input=False)
    by_location: dict[Location, list[ErrorDetails]] = {}
    for details in errors:
        by_location.setdefault(place_at(EnvironmentSpec, _whole(details)).location, []).append(details)
    for location, found in by_location.items():
        if found[0]["type"] != "too_short" or not _refused_below(location, by_location):
            yield place_at(EnvironmentSpec, location), _problem(location, found, value_at(value, location))


def _whole(details: ErrorDetails) -> Location:
    """The location of the key where the key itself is refused."""
    location = details["loc"]
    return location[:-1] if location[-1:] == (_KEY_MARK,) else location


def _refused_below(location: Location, others: Mapping[Location, Any]) -> bool:
    """Refused items do not count, so that pydantic calls their list too short as well."""
    return any(len(other) > len(location) and other[: len(location)] == location for other in others)


def _problem(location: Location, found: list[ErrorDetails], value: Any) -> Problem:
    place, kind = place_at(EnvironmentSpec, location), found[0]["type"]
    path = format_path(location)
    if kind == "invalid_key" or found[0]["loc"][-1:] == (_KEY_MARK,):
        return Problem(path, "is a key that is not text", "put the key in quotes")
    if len(found) > 1:
        return Problem(path, "is not a plain value", "write text, a number, true or false")
    message, remedy = _words(place, found[0], value)
    return Problem(path, message, remedy or _help(place))


def _words(place: Place, details: ErrorDetails, value: Any) -> tuple[str, str]:
    """Message and remedy; an empty remedy where the field's own help is the best there is."""
    kind, context = details["type"], details.get("ctx", {})
    reason = context.get("error")
    if isinstance(reason, WrongValue):
        return reason.message, reason.remedy
    if kind in _WORDS:
        return _WORDS[kind](place, context, value)
    return _MESSAGES.get(kind, (details["msg"].removeprefix("Value error, "), ""))


def _help(place: Place) -> str:
    return f"what it means: {place.help}" if place.help else ""


def nearest_key(place: Place) -> str | None:
    """The known key that an unknown one is most like."""
    near = difflib.get_close_matches(str(place.location[-1]), fields_by_key(place.owner), n=1, cutoff=0.5)
    return near[0] if near else None


def _unknown_key(place: Place, _context: Context, _value: Any) -> tuple[str, str]:
    near = nearest_key(place)
    return "unknown key", f"did you mean {near}?" if near else f"known keys: {', '.join(sorted(fields_by_key(place.owner)))}"


def _not_a_mapping(place: Place, _context: Context, value: Any) -> tuple[str, str]:
    keys = ", ".join(sorted(fields_by_key(without_none(place.annotation))))
    return "is empty" if value is None else "is not a mapping", f"write some of its keys under it: {keys}"


def _no_choice(place: Place, _context: Context, value: Any) -> tuple[str, str]:
    choices = [str(choice) for choice in get_args(without_none(place.annotation))]
    near = difflib.get_close_matches(value, choices, n=1) if isinstance(value, str) else []
    hint = f"did you mean {near[0]}? " if near else ""
    return "is not one of the known values", f"{hint}write one of {', '.join(choices)}"


_WORDS: Mapping[str, Callable[[Place, Context, Any], tuple[str, str]]] = {
    "extra_forbidden": _unknown_key,
    "greater_than_equal": lambda _place, context, _value: (f"is below {context['ge']}", f"write at least {context['ge']}"),
    "less_than_equal": lambda _place, context, _value: (f"is above {context['le']}", f"write at most {context['le']}"),
    "literal_error": _no_choice,
    "missing": lambda place, _context, _value: ("is missing", f"write it: {place.help}"),
    "model_type": _not_a_mapping,
    "string_pattern_mismatch": lambda _place, context, _value: (f"does not match {context['pattern']}", ""),
    "too_short": lambda _place, context, _value: ("is an empty list", f"write at least {context['min_length']}"),
}
"""Message and remedy of those that depend on the field or on what was written."""
