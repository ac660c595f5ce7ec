"""Topic → schema.table, and names that fit PostgreSQL's 63 bytes without two becoming one."""

import hashlib
import re
import string
from dataclasses import dataclass, replace
from typing import Final

from sink_worker.masking_settings import MaskSettings
from sink_worker.settings import RouteRule, RoutingSettings

IDENTIFIER_BYTES: Final = 63  # NAMEDATALEN - 1
_HASH_DIGITS: Final = 8
_PLACES: Final = ("topic", "prefix", "database", "table")


@dataclass(frozen=True, slots=True)
class Route:
    """Where one topic goes."""

    topic: str
    schema: str
    table: str
    key: tuple[str, ...] | None = None
    append: bool = False
    masks: tuple[tuple[str, MaskSettings], ...] = ()

    @property
    def label(self) -> str:
        """``schema.table``, as metrics and messages name it."""
        return f"{self.schema}.{self.table}"


def fit_identifier(name: str) -> str:
    """``name`` if PostgreSQL keeps all of it; else its beginning and a hash of the whole, 63 bytes at most.

    PostgreSQL itself cuts silently, so that two long names can become one.
    """
    encoded = name.encode()
    if len(encoded) <= IDENTIFIER_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]
    head = encoded[: IDENTIFIER_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
    return f"{head}_{digest}"


def topic_parts(topic: str) -> dict[str, str]:
    """A Debezium topic's parts: ``prefix.database.table``; a name with fewer dots is all table."""
    parts = topic.split(".")
    prefix, database = (".".join(parts[:-2]), parts[-2]) if len(parts) > 2 else ("", parts[0] if len(parts) == 2 else "")
    return {"topic": topic, "prefix": prefix, "database": database, "table": parts[-1]}


class Router:
    """Finds routes. ValueError when a rule's expression or a template is wrong."""

    def __init__(self, settings: RoutingSettings) -> None:
        self._settings = settings
        self._rules = [(_compile(index, rule), rule) for index, rule in enumerate(settings.rules)]
        for where, template in (("schema", settings.db_schema), ("table", settings.table)):
            _check_template(f"routing.{where}", template, set(_PLACES))

    def route(self, topic: str) -> Route:
        """The route of a topic. ValueError when its template yields no name."""
        for expression, rule in self._rules:
            if found := expression.fullmatch(topic):
                groups = {str(number + 1): text or "" for number, text in enumerate(found.groups())}
                named = {name: text or "" for name, text in found.groupdict().items()}
                places = {**topic_parts(topic), **groups, **named}
                schema = rule.db_schema if rule.db_schema is not None else self._settings.db_schema
                key = None if rule.key is None else tuple(rule.key)
                masks = tuple(sorted(rule.masks.items()))
                return replace(_route(topic, schema, rule.table, places), key=key, append=rule.append, masks=masks)
        return _route(topic, self._settings.db_schema, self._settings.table, topic_parts(topic))


class _Places(string.Formatter):
    """``{1}`` is a name here, not a position."""

    def get_value(self, key: int | str, args: object, kwargs: object) -> str:
        places: dict[str, str] = kwargs  # type: ignore[assignment]
        return places[str(key)]


def _route(topic: str, schema: str, table: str, places: dict[str, str]) -> Route:
    formatter = _Places()
    names = [formatter.vformat(template, (), places) for template in (schema, table)]
    if not all(names) or any("\0" in name for name in names):
        raise ValueError(f"topic {topic}: routing gives it no table (schema {names[0]!r}, table {names[1]!r})")
    return Route(topic, fit_identifier(names[0]), fit_identifier(names[1]))


def _compile(index: int, rule: RouteRule) -> re.Pattern[str]:
    where = f"routing.rules.{index}"
    try:
        expression = re.compile(rule.topics)
    except re.error as error:
        raise ValueError(f"{where}.topics: {rule.topics!r} is no regular expression ({error})") from None
    known = {*_PLACES, *expression.groupindex, *(str(number + 1) for number in range(expression.groups))}
    for name, template in (("schema", rule.db_schema or "-"), ("table", rule.table)):
        _check_template(f"{where}.{name}", template, known)
    if rule.append and rule.key:
        raise ValueError(f"{where}: an append table has no key; drop one of key and append")
    return expression


def _check_template(where: str, template: str, known: set[str]) -> None:
    try:
        used = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise ValueError(f"{where}: {template!r} is no template ({error})") from None
    if unknown := sorted(used - known):
        raise ValueError(f"{where}: {template!r} uses {', '.join(map(repr, unknown))}; there are {', '.join(sorted(known))}")
