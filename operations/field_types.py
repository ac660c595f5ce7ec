"""Types of spec fields as people say them: ``size``, ``list of mappings``, ``whole number, 1 to 32``. Pure."""

import types
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from components.core import quantities
from components.core.model import DnsLabel, SecretReference, SpecModel, TableName, TopicName


def _validator(annotated: Any) -> Any:
    """The function that checks values of an annotated type: its identity is what the fields' metadata still hold."""
    return get_args(annotated)[1].func


_NAMED = {
    quantities.parse_bytes: ("size", "500Gi, 10MiB, 64kB (Ki Mi Gi Ti are powers of 1024; k M G T of 1000)"),
    quantities.parse_duration: ("duration", "7d, 1h30m, 500ms (ms s m h d w)"),
    quantities.parse_retention: ("duration, or forever", "7d, 1h30m, forever (ms s m h d w)"),
    quantities.parse_byte_rate: ("size per second", "10MiB/s, 500kB/s (Ki Mi Gi are powers of 1024; k M G of 1000)"),
    quantities.parse_count_rate: ("number per second", "100/s, 0.5/s"),
    quantities.parse_percent: ("percentage", "50%, 200%"),
    quantities.parse_cpu: ("CPU cores", "2, 0.5, 500m (1000m is one core)"),
    _validator(DnsLabel): ("DNS label", "lower-case letters, digits and -, at most 63 (RFC 1123)"),
    _validator(TopicName): ("topic name", "letters, digits, '.', '_' and '-', at most 249"),
    _validator(TableName): ("table", "shop.orders (<database>.<table>)"),
    _validator(SecretReference): ("secret reference", "vault:<path>#<key>, secret:<name>#<key>; never the value itself"),
}
_SCALARS: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", date: "date"}
_PLURALS = {"text": "texts", "mapping": "mappings", "table": "tables", "DNS label": "DNS labels"}
Metadata = tuple[Any, ...]


def type_text(annotation: Any, metadata: Metadata = ()) -> str:
    """The type's name, without limits."""
    named = _named(metadata)
    if named is not None:
        return named[0]
    if get_origin(annotation) is None:
        return _plain_text(annotation)
    return _generic_text(get_origin(annotation), [part for part in get_args(annotation) if part is not type(None)])


def _plain_text(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return _model_text(annotation)
    return _SCALARS.get(annotation, str(annotation))


def _generic_text(origin: Any, parts: list[Any]) -> str:
    if origin is Annotated:
        return type_text(parts[0], tuple(parts[1:]))
    if origin is Literal:
        return " | ".join(str(part) for part in parts)
    if origin is tuple:
        return f"list of {_plural(type_text(parts[0]))}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of names to {_plural(type_text(parts[1]))}"
    return " or ".join(dict.fromkeys(type_text(part) for part in parts))


def _named(metadata: Metadata) -> tuple[str, str] | None:
    return next((_NAMED[m.func] for m in metadata if getattr(m, "func", None) in _NAMED), None)


def _plural(text: str) -> str:
    return "plain values" if text.count(" or ") > 1 else _PLURALS.get(text, text)


def _model_text(model: type[SpecModel]) -> str:
    if model.shorthand is None:
        return "mapping"
    short = model.model_fields[model.shorthand]
    kind, name = type_text(short.annotation, tuple(short.metadata)), short.alias or model.shorthand
    return f"{kind if kind == name else f'{kind} ({name})'}, or a mapping"


def written_as(annotation: Any, metadata: Metadata = ()) -> str:
    """How a value is written, with examples; empty where that goes without saying."""
    return next((example for _, example in _named_inside(annotation, metadata)), "")


def _named_inside(annotation: Any, metadata: Metadata) -> Iterator[tuple[str, str]]:
    named = _named(metadata)
    if named is not None:
        yield named
    for part in get_args(annotation):
        inner = get_args(part) if get_origin(part) is Annotated else (part,)
        if inner:
            yield from _named_inside(inner[0], tuple(inner[1:]))
    if isinstance(annotation, type) and issubclass(annotation, SpecModel) and annotation.shorthand is not None:
        short = annotation.model_fields[annotation.shorthand]
        yield from _named_inside(short.annotation, tuple(short.metadata))


def allowed_values(annotation: Any) -> list[str]:
    """The only values that are accepted; empty where it is open."""
    if get_origin(annotation) is Literal:
        return [str(part) for part in get_args(annotation)]
    if get_origin(annotation) in {Union, types.UnionType, tuple, Annotated}:
        return [text for part in get_args(annotation) for text in allowed_values(part)]
    return []


def limits_text(schema: Mapping[str, Any]) -> str:
    """``, 1 to 32`` from a field's JSON Schema; empty where it has no limits."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", at least {low}"
    if schema.get("minItems"):
        return f", at least {schema['minItems']}"
    return f", at most {high}" if high is not None else ""
