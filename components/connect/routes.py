"""From the topic that Debezium would write to the one that the platform has for it, and what else its records get. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components.kafka.derive import change_topic, format_name, source_tables
from components.pipelines.spec import PipelineSpec
from components.tenancy.spec import NamingSpec

HEARTBEAT_PREFIX = "__debezium-heartbeat"
LINEAGE = "_lineage"
"""The header, and the field of the value, that says where a record comes from."""

_NOT_IN_A_TOPIC = re.compile(r"[^a-zA-Z0-9._-]")


@dataclass(frozen=True, slots=True)
class Route:
    """A RegexRouter: a topic that ``regex`` matches as a whole becomes ``replacement``; both in Java's syntax."""

    regex: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Transform:
    """One of Connect's single message transforms: its name in a connector, and its settings in its own keys."""

    name: str
    settings: Mapping[str, str]


def topic_prefix(pipeline: PipelineSpec, naming: NamingSpec) -> str:
    """Debezium's name for the source, in its offsets and its events; it must never change while its topics live."""
    return format_name(naming.internal, pipeline)


def native_topic(prefix: str, table: str) -> str:
    """Where Debezium writes a table's changes by itself (``AbstractTopicNamingStrategy``): each character that no topic may
    have is a ``_``."""
    return _NOT_IN_A_TOPIC.sub("_", f"{prefix}.{table}")


def routes(pipeline: PipelineSpec, naming: NamingSpec) -> tuple[Route, ...]:
    """One for the heartbeat; one for each table whose topic has a name of its own; one for all the others together, so that
    a thousand tables cost no more than one does: naming gives them the same name around database and table."""
    prefix = topic_prefix(pipeline, naming)
    tables = tuple(dict.fromkeys(source_tables(pipeline)))
    named = [table for table in tables if table in pipeline.tables and pipeline.tables[table].name is not None]
    found = [Route(f"^{quoted(f'{HEARTBEAT_PREFIX}.{prefix}')}$", f"{prefix}_heartbeat")]
    found += [
        Route(f"^{quoted(native_topic(prefix, table))}$", change_topic(pipeline, naming, table)) for table in sorted(named)
    ]
    others = [table for table in tables if table not in set(named)]
    if others:
        found.append(_shared_route(pipeline, naming, prefix, others))
    return tuple(found)


def _shared_route(pipeline: PipelineSpec, naming: NamingSpec, prefix: str, tables: list[str]) -> Route:
    """``$1`` is the database, ``$2`` the table. A name that only another database has matches too: it is not captured."""
    pairs = [_NOT_IN_A_TOPIC.sub("_", table).partition(".") for table in tables]
    databases = "|".join(sorted({quoted(database) for database, _, _ in pairs}))
    names = "|".join(sorted({quoted(name) for _, _, name in pairs}))
    replacement = format_name(naming.topic, pipeline, "$1.$2")
    return Route(rf"^{quoted(prefix)}\.({databases})\.({names})$", replacement)


def routed(found: Iterable[Route], topic: str) -> str:
    """What the routes, one after the other, make of a topic's name."""
    for route in found:
        match = re.fullmatch(route.regex.removeprefix("^").removesuffix("$"), topic)
        if match is not None:
            topic = re.sub(r"\$([0-9])", lambda group, match=match: match[int(group[1])], route.replacement)  # type: ignore[misc]
    return topic


def lineage_text(environment: str, pipeline: str, connector: str, source: str) -> str:
    """Where a record comes from, as compact JSON. Connect reads a header as a map and writes it as the same text again; the
    names in it are labels and need no escape, and with no ``$`` before a brace no config provider takes it for a reference."""
    origin = {"environment": environment, "pipeline": pipeline, "connector": connector, "source": source}
    return json.dumps(origin, separators=(",", ":"))


def lineage_transforms(header: str | None, field: str | None) -> tuple[Transform, ...]:
    """The text as the header, and as the field of the value, :data:`LINEAGE`. A header leaves key and value as they are; a
    field is not given to a tombstone, which stays one."""
    types = "org.apache.kafka.connect.transforms"
    found = []
    if header is not None:
        settings = {"type": f"{types}.InsertHeader", "header": LINEAGE, "value.literal": header}
        found.append(Transform("lineage", settings))
    if field is not None:
        settings = {"type": f"{types}.InsertField$Value", "static.field": LINEAGE, "static.value": field}
        found.append(Transform("lineageField", settings))
    return tuple(found)


def transforms(found: Iterable[Route], further: Iterable[Transform] = ()) -> dict[str, str]:
    """The routes as a connector's settings, and ``further`` transforms behind them."""
    router = "org.apache.kafka.connect.transforms.RegexRouter"
    all_of_them = [
        Transform(f"route{number}", {"type": router, "regex": route.regex, "replacement": route.replacement})
        for number, route in enumerate(found)
    ]
    all_of_them += further
    settings = {f"transforms.{one.name}.{key}": value for one in all_of_them for key, value in one.settings.items()}
    return {"transforms": ",".join(one.name for one in all_of_them), **settings}


def quoted(text: str) -> str:
    r"""``text`` as Java's regular expressions match it literally. Before what is no letter or digit a ``\`` is always safe."""
    return re.sub(r"[^A-Za-z0-9_]", lambda match: f"\\{match[0]}", text)
