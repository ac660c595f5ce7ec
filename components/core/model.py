"""The base of everything a user writes, and the names and references inside it."""

import re
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from components.core.errors import Problem, WrongValue, shown


def _take_literally(schema: Any, inside: bool = False) -> None:
    """Makes integers and booleans strict in a model's own fields; the models that it holds see to theirs themselves."""
    kind = schema["type"]
    if kind in {"int", "bool"}:
        schema["strict"] = True
    elif kind == "model-fields":
        for field in schema["fields"].values():
            _take_literally(field["schema"], inside=True)
    elif kind != "model" or not inside:
        for part in ("schema", "values_schema"):
            if part in schema:
                _take_literally(schema[part], inside)


class SpecModel(BaseModel):
    """A part of the spec: frozen, unknown keys refused, written in camelCase, every field documented.

    ``shorthand`` names the one field that a bare scalar stands for: with ``shorthand = "replicas"``, ``brokers: 3`` means
    ``brokers: {replicas: 3}``. :meth:`problems` adds what single fields cannot see; the root runs it over the whole tree.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=False,
        validate_default=False,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )
    shorthand: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, value: Any) -> Any:
        if cls.shorthand is not None and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return {to_camel(cls.shorthand): value}
        return value

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Whole numbers and switches are taken as they are written: neither ``"3"`` nor ``true`` is 3, nor ``"on"`` true."""
        schema = handler(source)
        _take_literally(schema)
        return schema

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.shorthand is None:
            return schema
        full = handler.resolve_ref_schema(schema)
        scalar = full["properties"][to_camel(cls.shorthand)]
        original = dict(full)
        full.clear()
        full.update(
            {
                "title": original.get("title", cls.__name__),
                "description": original.get("description", ""),
                "anyOf": [{k: v for k, v in scalar.items() if k != "default"}, original],
            }
        )
        return schema

    def problems(self) -> list[Problem]:
        """What is wrong with this part beyond its single fields; paths are relative to it."""
        return []


def setting(default: Any = ..., *, help: str, becomes: str, **constraints: Any) -> Any:  # noqa: A002 - the field's word
    """A documented field: ``help`` says what it means, ``becomes`` what it is rendered to; both feed ``cdc explain``."""
    extra: dict[str, JsonValue] = {"becomes": becomes}
    if callable(default):
        return Field(default_factory=default, description=help, json_schema_extra=extra, **constraints)
    return Field(default, description=help, json_schema_extra=extra, **constraints)


def duplicates(names: list[str]) -> dict[str, list[int]]:
    """Names that occur more than once, each with all its positions."""
    seen: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        seen.setdefault(name, []).append(index)
    return {name: places for name, places in seen.items() if len(places) > 1}


_DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_TOPIC = re.compile(r"^[a-zA-Z0-9._-]+$")
_TOPIC_PATTERN = re.compile(r"^([a-zA-Z0-9._-]+\*?|\*)$")
_SECRET_REFERENCE = re.compile(r"^(vault|secret):([A-Za-z0-9._/-]+)#([A-Za-z0-9._-]+)$")
_TABLE = re.compile(r"^[^.\s]+\.[^.\s]+$")


def _dns_label(value: object) -> object:
    if isinstance(value, str) and len(value) <= 63 and _DNS_LABEL.fullmatch(value):
        return value
    raise WrongValue(
        f"{shown(value)} is not a DNS label (RFC 1123)", "write at most 63 lower-case letters, digits and inner '-'"
    )


def _topic_name(value: object) -> object:
    """Kafka's own rule (``org.apache.kafka.common.internals.Topic``): 1–249 of ``[a-zA-Z0-9._-]``, neither ``.`` nor ``..``."""
    if isinstance(value, str) and len(value) <= 249 and _TOPIC.fullmatch(value) and value not in {".", ".."}:
        return value
    raise WrongValue(f"{shown(value)} is not a topic name", "write 1 to 249 of the letters, digits, '.', '_' and '-'")


def _topic_pattern(value: object) -> object:
    if isinstance(value, str) and len(value) <= 250 and _TOPIC_PATTERN.fullmatch(value):
        return value
    raise WrongValue(f"{shown(value)} names no topic", "write a topic's name, a prefix of names followed by *, or * for all")


def _table_name(value: object) -> object:
    if isinstance(value, str) and _TABLE.fullmatch(value):
        return value
    raise WrongValue(f"{shown(value)} is not a table", "write <database>.<table>, such as shop.orders")


def _secret_reference(value: object) -> object:
    """Never repeats the value: a literal secret must not reach an error message."""
    if isinstance(value, str) and _SECRET_REFERENCE.fullmatch(value):
        return value
    raise WrongValue(
        "a secret is written as a reference, never as its value", "write vault:<path>#<key> or secret:<name>#<key>"
    )


DnsLabel = Annotated[
    str, BeforeValidator(_dns_label), Field(json_schema_extra={"pattern": _DNS_LABEL.pattern, "maxLength": 63})
]
Text = Annotated[str, Field(min_length=1)]
Scalar = str | int | float | bool
"""The value of a setting in another program's own words."""
TopicName = Annotated[str, BeforeValidator(_topic_name), Field(json_schema_extra={"pattern": _TOPIC.pattern, "maxLength": 249})]
TopicPattern = Annotated[
    str, BeforeValidator(_topic_pattern), Field(json_schema_extra={"pattern": _TOPIC_PATTERN.pattern, "maxLength": 250})
]
TableName = Annotated[str, BeforeValidator(_table_name), Field(json_schema_extra={"pattern": _TABLE.pattern})]
SecretReference = Annotated[
    str, BeforeValidator(_secret_reference), Field(json_schema_extra={"pattern": _SECRET_REFERENCE.pattern})
]
