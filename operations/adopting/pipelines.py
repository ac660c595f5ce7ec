"""Pipelines, where a Debezium connector and the names of its topics tell them. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.connect.connectors import CLASSES
from operations.adopting.parts import Draft, Plain, is_label
from operations.live.observed import Observed, ObservedConnector

_KINDS = {CLASSES["mysql"]: "mysql", CLASSES["mariadb"]: "mariadb"}
_ESCAPED = re.compile(r"\\(.)")
_TABLE = re.compile(r"[^.\s\\*+?|()\[\]^$]+\.[^.\s\\*+?|()\[\]^$]+")
_FIGURES = ("partitions", "replicas", "minInSyncReplicas", "retention", "maxMessage", "cleanup")
_OWN = ("schema_history", "signals", "heartbeat")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A connector that reads tables into topics named as a pipeline's would be. ``topics`` are by table."""

    connector: ObservedConnector
    kind: str
    tenant: str
    name: str
    topics: Mapping[str, str]

    @property
    def dlq(self) -> str:
        return f"{self.tenant}_{self.name}_dlq"

    @property
    def derived(self) -> set[str]:
        """All its topics."""
        return {*self.topics.values(), self.dlq, *(f"{self.tenant}_{self.name}_{suffix}" for suffix in _OWN)}

    @property
    def plain(self) -> set[str]:
        """Those of which a pipeline says nothing."""
        return {f"{self.tenant}_{self.name}_{suffix}" for suffix in ("signals", "heartbeat")}


def candidates(seen: Observed) -> list[Candidate]:
    """Whether they also are what a pipeline's would be is judged once the spec is whole."""
    found: dict[str, Candidate] = {}
    for connector in _connectors(seen):
        kind = _KINDS.get(connector.config.get("connector.class", ""))
        tenant, _, name = connector.config.get("topic.prefix", "").partition("_")
        if kind is None or not (is_label(tenant) and is_label(name)):
            continue
        tables = {table: f"{tenant}_{name}_{table.partition('.')[2]}" for table in _tables(connector.config)}
        one = Candidate(connector, kind, tenant, name, tables)
        if tables and one.derived <= seen.kafka.topics.keys():
            found.setdefault(name, one)
    return list(found.values())


def declare_pipelines(found: Iterable[Candidate], draft: Draft) -> None:
    """Each goes into ``draft``, with what its topics have beside the defaults."""
    for one in found:
        if one.derived <= draft.topics.keys():
            draft.pipelines[one.name] = _declared(one, draft)


def _connectors(seen: Observed) -> Iterator[ObservedConnector]:
    for _, found in sorted((seen.connect or {}).items()):
        yield from (found[name] for name in sorted(found))


def _tables(config: Mapping[str, str]) -> list[str]:
    """What ``table.include.list`` names without a pattern; nothing where it holds one."""
    texts = [_ESCAPED.sub(r"\1", text.strip()) for text in config.get("table.include.list", "").split(",") if text.strip()]
    return list(dict.fromkeys(texts)) if all(map(_TABLE.fullmatch, texts)) else []


def _declared(one: Candidate, draft: Draft) -> Plain:
    config = one.connector.config
    source: Plain = {"host": config.get("database.hostname", "unknown")}
    if (port := config.get("database.port", "3306")) != "3306":
        source["port"] = int(port) if port.isdecimal() else port
    if (user := config.get("database.user", "debezium")) != "debezium":
        source["user"] = user
    source |= {"password": f"secret:{one.name}-source#password", "tables": list(one.topics)}
    found: Plain = {
        "name": one.name,
        "tenant": one.tenant,
        "source": {one.kind: source},
        "sink": {"postgres": {"database": "unknown"}},
    }
    overrides = {table: _figures(draft.topics[topic]) for table, topic in one.topics.items()}
    if given := {table: figures for table, figures in overrides.items() if figures}:
        found["tables"] = given
    if dlq := _figures(draft.topics[one.dlq]):
        found["dlq"] = dlq
    return found


def _figures(topic: Plain) -> Plain:
    return {field: topic[field] for field in _FIGURES if field in topic}


def topics_of(pipeline: Plain) -> list[str]:
    """The topics that it takes the place of."""
    prefix = f"{pipeline['tenant']}_{pipeline['name']}_"
    [source] = pipeline["source"].values()
    return [prefix + table.partition(".")[2] for table in source["tables"]] + [f"{prefix}{own}" for own in (*_OWN, "dlq")]


def users_of(pipeline: Plain) -> list[str]:
    """The users that it takes the place of."""
    return [f"{pipeline['tenant']}-{pipeline['name']}-{role}" for role in ("source", "sink")]
