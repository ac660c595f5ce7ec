"""Whether a JSON value is a JSON Schema, as far as registries look: drafts 4 to 2020-12. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TYPES = frozenset({"null", "boolean", "object", "array", "number", "string", "integer"})
_SCHEMAS = ("not", "additionalProperties", "propertyNames", "contains", "if", "then", "else", "additionalItems")
_LISTS_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMAS_BY_NAME = ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas")
_TEXTS = ("$schema", "$id", "$ref", "title", "description", "format", "pattern")


def json_schema_fault(value: Any) -> str | None:
    """What keeps ``value`` from being a schema, with the place in it; ``None`` when nothing does."""
    try:
        return next(_faults(value, "the schema"), None)
    except RecursionError:
        return "it is nested too deeply"


def _faults(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, bool):
        return
    if not isinstance(value, Mapping):
        yield f"{where} is neither an object, true nor false"
        return
    for key, check in _CHECKS.items():
        if key in value:
            yield from check(value[key], f"{key} of {where}")


def _text(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{where} is not text"


def _type(value: Any, where: str) -> Iterator[str]:
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name in _TYPES for name in names):
        yield f"{where} is none of {', '.join(sorted(_TYPES))}"


def _required(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        yield f"{where} is not a list of names"


def _enum(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where} is not a list"


def _list_of_schemas(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield f"{where} is not a list of schemas"
        return
    for index, item in enumerate(value):
        yield from _faults(item, f"item {index + 1} of {where}")


def _schemas_by_name(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{where} is not an object of schemas"
        return
    for name, item in value.items():
        yield from _faults(item, f"{name[:60]} in {where}")


def _items(value: Any, where: str) -> Iterator[str]:
    """One schema, or in older drafts a list of them."""
    yield from _list_of_schemas(value, where) if isinstance(value, list) else _faults(value, where)


_CHECKS: Mapping[str, Callable[[Any, str], Iterator[str]]] = {
    **dict.fromkeys(_TEXTS, _text),
    "type": _type,
    "required": _required,
    "enum": _enum,
    "items": _items,
    **dict.fromkeys(_SCHEMAS, _faults),
    **dict.fromkeys(_LISTS_OF_SCHEMAS, _list_of_schemas),
    **dict.fromkeys(_SCHEMAS_BY_NAME, _schemas_by_name),
}
