"""The Pulumi package schema, made of the spec's own models, so that it can never say anything else. Pure."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from components.core.model import SpecModel
from components.environment import EnvironmentSpec

VERSION = "0.1.0"
_ANY = {"$ref": "pulumi.json#/Any"}
_PRIMITIVES = {str: "string", int: "integer", float: "number", bool: "boolean"}
Schema = dict[str, Any]


def package_schema(components: Mapping[str, str]) -> Schema:
    """The schema of package ``cdc``; ``components`` maps a token to its description. All inputs are plain values."""
    types: dict[str, Schema] = {}
    inputs = _properties(EnvironmentSpec, types)
    required = [name for name in _required(EnvironmentSpec) if name != "name"]
    resource = {
        "isComponent": True,
        "inputProperties": inputs,
        "requiredInputs": required,
        "properties": {"summary": {**_ANY, "description": "Where to connect, and what exists."}},
        "required": ["summary"],
    }
    return {
        "name": "cdc",
        "version": VERSION,
        "displayName": "cdc-platform",
        "description": "Change-data-capture platforms from one typed spec per environment.",
        "resources": {token: {**resource, "description": text} for token, text in sorted(components.items())},
        "types": dict(sorted(types.items())),
        "language": {"python": {"respectSchemaVersion": True}, "nodejs": {"respectSchemaVersion": True}},
    }


def _properties(model: type[SpecModel], types: dict[str, Schema]) -> dict[str, Schema]:
    return {
        info.alias or name: {**_type(info, info.annotation, types), "plain": True, "description": str(info.description)}
        for name, info in model.model_fields.items()
    }


def _required(model: type[SpecModel]) -> list[str]:
    return sorted(info.alias or name for name, info in model.model_fields.items() if info.is_required())


def _type(info: Any, annotation: Any, types: dict[str, Schema]) -> Schema:
    """A field's type. What the spec writes as text with a unit is a string, whatever it is parsed to."""
    if any(_writes_text(part) for part in getattr(info, "metadata", ())):
        return {"type": "string"}
    options = [part for part in get_args(annotation) if part is not NoneType] if _is_union(annotation) else [annotation]
    return _plain_type(options[0], types) if len(options) == 1 else _ANY


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {Union, UnionType}


def _plain_type(annotation: Any, types: dict[str, Schema]) -> Schema:
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return {"$ref": f"#/types/{_declare(annotation, types)}"}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"type": "string"}
    if origin is tuple:
        return {"type": "array", "items": {**_type(None, arguments[0], types), "plain": True}}
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": {**_type(None, arguments[1], types), "plain": True}}
    if hasattr(annotation, "__metadata__"):
        return {"type": "string"}
    return {"type": _PRIMITIVES.get(annotation, "string")}


def _writes_text(metadata: Any) -> bool:
    return type(metadata).__name__ in {"PlainSerializer", "BeforeValidator"}


def _declare(model: type[SpecModel], types: dict[str, Schema]) -> str:
    token = f"cdc:index:{model.__name__.removesuffix('Spec')}"
    if token not in types:
        types[token] = {}
        types[token] = {
            "type": "object",
            "description": (model.__doc__ or "").strip(),
            "properties": _properties(model, types),
            "required": _required(model),
        }
    return token
