"""Every field of the spec by its path: what it means, its type, default and limits. Read from the models, so never out of date.

A *generic* path writes list items as ``[]`` and keys of a mapping as ``<key>``: ``pipelines[].tables.<key>.partitions``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from components.core.fields import full_annotation, is_mapping, model_inside, without_none
from components.core.model import SpecModel
from components.environment import EnvironmentSpec
from operations.field_types import allowed_values, limits_text, type_text, written_as

_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
ANY_KEY = "<key>"


@dataclass(frozen=True, slots=True)
class SpecField:
    """One field of the spec. ``path`` is generic; ``attribute`` its name in ``owner``; ``model`` what it holds, if a model."""

    path: str
    attribute: str
    owner: type[SpecModel]
    info: FieldInfo
    model: type[SpecModel] | None
    is_list: bool
    is_mapping: bool

    @property
    def name(self) -> str:
        """As the user writes it."""
        return self.info.alias or self.attribute

    @property
    def required(self) -> bool:
        """Whether the user must write it. The environment's own name comes from the file's."""
        return self.info.is_required() and self.path != "name"

    @property
    def optional(self) -> bool:
        """Whether it may be absent altogether, ``null``."""
        return type(None) in get_args(self.info.annotation)

    @property
    def becomes(self) -> str:
        extra = self.info.json_schema_extra
        return str(extra.get("becomes", "")) if isinstance(extra, dict) else ""

    @property
    def help(self) -> str:
        return self.info.description or ""

    def type_text(self) -> str:
        """The type as people say it, limits included."""
        return type_text(self.info.annotation, tuple(self.info.metadata)) + limits_text(self.schema())

    def units(self) -> str:
        """How its values are written, where that is not plain; empty otherwise."""
        return written_as(self.info.annotation, tuple(self.info.metadata))

    def allowed(self) -> list[str]:
        """The only values it may have; empty where it is open."""
        return allowed_values(self.info.annotation)

    def schema(self) -> Mapping[str, Any]:
        """Its own part of the JSON Schema, without the alternative of null."""
        found = _properties(self.owner).get(self.name, {})
        options = [option for option in found.get("anyOf", ()) if option.get("type") != "null"]
        return {**options[0], **found} if len(options) == 1 else found

    def default(self) -> Any:
        """The default as the user would write it; ``None`` where there is none, or where it is worked out from other fields."""
        if self.info.is_required():
            return None
        value = self.info.get_default(call_default_factory=True, validated_data={})
        if isinstance(value, SpecModel):
            return value.model_dump(mode="json", by_alias=True, exclude_none=True)
        return self.written(value)

    def own_default(self) -> Any:
        """Like :meth:`default`, but of a model only what differs from its own fields' defaults."""
        value = None if self.info.is_required() else self.info.get_default(call_default_factory=True, validated_data={})
        if isinstance(value, SpecModel):
            return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return self.default()

    def written(self, value: Any) -> Any:
        """``value`` as the user would write it: sizes, durations and rates with their units."""
        adapter: TypeAdapter[Any] = _adapter(self.owner, self.attribute)
        return adapter.dump_python(value, mode="json", by_alias=True, exclude_none=True)


@cache
def _adapter(owner: type[SpecModel], attribute: str) -> TypeAdapter[Any]:
    return TypeAdapter(full_annotation(owner.model_fields[attribute]))


@cache
def _properties(owner: type[SpecModel]) -> Mapping[str, Any]:
    schema = owner.model_json_schema()
    own = schema if "properties" in schema else next((part for part in schema.get("anyOf", ()) if "properties" in part), {})
    return dict(own.get("properties", {}))


def fields_of(model: type[SpecModel], prefix: str = "") -> Iterator[SpecField]:
    """The fields of one model, in the order they are declared in."""
    for attribute, info in model.model_fields.items():
        annotation = without_none(info.annotation)
        path = f"{prefix}.{info.alias or attribute}" if prefix else (info.alias or attribute)
        is_list = get_origin(annotation) is tuple
        yield SpecField(path, attribute, model, info, model_inside(annotation), is_list, is_mapping(annotation))


def inside(found: SpecField) -> str:
    """The generic path of what ``found`` holds: the field itself, one of its items, or one of its values."""
    return found.path + ("[]" if found.is_list else f".{ANY_KEY}" if found.is_mapping else "")


@cache
def all_fields() -> Mapping[str, SpecField]:
    """Every field by its generic path, parents before their children."""
    return {found.path: found for found in _walk(EnvironmentSpec, "")}


def _walk(model: type[SpecModel], prefix: str) -> Iterator[SpecField]:
    for found in fields_of(model, prefix):
        yield found
        if found.model is not None:
            yield from _walk(found.model, inside(found))


def default_while_parent_left_out(field: SpecField) -> tuple[str, Any] | None:
    """A parent may bring a default of its own for ``field``: the innermost such parent, and that default."""
    names = field.path.split(".")
    for depth in range(len(names) - 1, 0, -1):
        parent = all_fields().get(".".join(names[:depth]))
        value = parent.default() if parent is not None else None
        for name in names[depth:]:
            value = value.get(name) if isinstance(value, dict) else None
        if parent is not None and value is not None and value != field.default():
            return parent.path, value
    return None


@dataclass(frozen=True, slots=True)
class Place:
    """A field, and the way to its value: attribute names, item selectors (``None`` for all), and keys of mappings."""

    field: SpecField
    steps: tuple["Step", ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: ``field`` by attribute and written name, ``item`` by index or name, or ``key``; ``None`` selects every one."""

    kind: Literal["field", "item", "key"]
    select: str | None
    written: str = ""


def locate(path: str) -> Place | None:
    """The field that ``path`` names: ``pipelines[].name``, ``pipelines[0].name`` or ``pipelines[orders].name``."""
    tokens = [(None if match[1] is None else match[1].strip('"'), match[2]) for match in _STEP.finditer(path)]
    if not tokens or _STEP.sub("", path).strip("."):
        return None
    return _locate(EnvironmentSpec, "", tokens, ())


_Tokens = list[tuple[str | None, str | None]]


def _locate(model: type[SpecModel], prefix: str, tokens: _Tokens, steps: tuple[Step, ...]) -> Place | None:
    name = tokens[0][1]
    found = next((candidate for candidate in fields_of(model, prefix) if candidate.name == name), None)
    if found is None:
        return None
    steps = (*steps, Step("field", found.attribute, found.name))
    rest = tokens[1:]
    if found.is_list and rest and rest[0][1] is None:
        steps, rest = (*steps, Step("item", rest[0][0] or None)), rest[1:]
    if not rest:
        return Place(found, steps)
    if found.is_mapping:
        return _locate_key(found, rest, steps)
    if found.model is None:
        return None
    if found.is_list and steps[-1].kind == "field":
        steps = (*steps, Step("item", None))
    return _locate(found.model, inside(found), rest, steps)


def _locate_key(found: SpecField, tokens: _Tokens, steps: tuple[Step, ...]) -> Place | None:
    """A key may hold dots (``shop.orders``): the shortest one is taken behind which the rest of the path makes sense."""
    for length in range(1, len(tokens) + 1):
        key = ".".join(text for token in tokens[:length] if (text := token[0] if token[1] is None else token[1]))
        select = None if key in {"", "*", ANY_KEY} else key
        step, rest = Step("key", select, key), tokens[length:]
        if found.model is None or not rest:
            continue
        inner = _locate(found.model, inside(found), rest, (*steps, step))
        if inner is not None:
            return inner
    key = ".".join(str(token[0] if token[1] is None else token[1]) for token in tokens)
    return Place(found, (*steps, Step("key", None if key in {"", "*", ANY_KEY} else key, key)))
