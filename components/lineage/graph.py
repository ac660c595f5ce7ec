"""Where each table's rows come from and go to, from the spec alone (requirement A10). Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from components.cassandra_agent.properties import agent_name
from components.connect.derive import has_sink_connector, has_source_connector
from components.connect.names import Role, connector_name
from components.environment import EnvironmentSpec
from components.kafka.clients import kafka_client
from components.kafka.derive import change_topic, dlq_topic, format_name, pipeline_user, sink_group, source_tables
from components.pipelines.spec import PipelineSpec, SourceKind
from components.postgres.derive import destination
from components.sink.derive import worker_name

Kind = Literal[
    "source table", "connector", "agent", "topic", "subject", "sink worker", "sink connector", "sink table",
    "dead letters", "schema history", "mirrored topic",
]  # fmt: skip
PROGRAMS: frozenset[Kind] = frozenset({"connector", "agent", "sink worker", "sink connector"})
_PORTS: Mapping[SourceKind, int] = {"mysql": 3306, "mariadb": 3306, "cassandra": 9042}


@dataclass(frozen=True, slots=True)
class Node:
    """A table, topic, subject or program. ``place`` is the database's or cluster's address as OpenLineage writes namespaces,
    or for programs and subjects the environment; kind, place and name together are its identity. ``attributes`` describe it."""

    kind: Kind
    name: str
    place: str
    attributes: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """What it can be asked for by: a table in PostgreSQL with and without its database."""
        return (self.name, self.name.partition(".")[2]) if self.kind == "sink table" else (self.name,)


@dataclass(frozen=True, slots=True)
class Edge:
    """Data goes from one to the other; ``what`` it is."""

    source: Node
    target: Node
    what: Literal["changes", "schema", "rows", "dead letters", "schema history", "copy"] = "changes"


@dataclass(frozen=True, slots=True)
class Flow:
    """One source table's way. It is known without the programs: where one is not declared (``None``) somebody else moves the
    data. ``sink_table`` is ``None`` where nothing of the platform could write it: nothing reads Cassandra's changes."""

    pipeline: str
    owner: str
    table: Node
    topic: Node
    reader: Node | None = None
    subjects: tuple[Node, ...] = ()
    history: Node | None = None
    writer: Node | None = None
    sink_table: Node | None = None
    dead_letters: Node | None = None
    mirrored: Node | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """In the direction of the data."""
        optional = (self.writer, self.sink_table, self.dead_letters, self.mirrored)
        found = (self.table, self.reader, self.history, self.topic, *self.subjects, *optional)
        return tuple(node for node in found if node is not None)

    @property
    def edges(self) -> tuple[Edge, ...]:
        return tuple(self._edges())

    def _edges(self) -> Iterator[Edge]:
        if self.reader is not None:
            yield Edge(self.table, self.reader)
        yield Edge(self.reader or self.table, self.topic)
        if self.reader is not None and self.history is not None:
            yield Edge(self.reader, self.history, "schema history")
        yield from (Edge(self.topic, subject, "schema") for subject in self.subjects)
        if self.writer is not None:
            yield Edge(self.topic, self.writer)
        if self.sink_table is not None:
            yield Edge(self.writer or self.topic, self.sink_table, "rows")
        if self.dead_letters is not None:
            yield Edge(self.writer or self.topic, self.dead_letters, "dead letters")
        if self.mirrored is not None:
            yield Edge(self.topic, self.mirrored, "copy")


@dataclass(frozen=True, slots=True)
class Lineage:
    """The ways of an environment's tables, in the order of its spec."""

    environment: str
    flows: tuple[Flow, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(dict.fromkeys(node for flow in self.flows for node in flow.nodes))

    @property
    def edges(self) -> tuple[Edge, ...]:
        return tuple(dict.fromkeys(edge for flow in self.flows for edge in flow.edges))

    def of(self, name: str) -> "Lineage":
        """Everything up- and downstream of what has this name: the ways that lead through it, and no others, so that a table is
        not related to those that only share its connector."""
        return Lineage(self.environment, tuple(flow for flow in self.flows if name in names(flow)))


def names(flow: Flow) -> Iterator[str]:
    """What of a way can be asked for, its pipeline included."""
    yield flow.pipeline
    yield from (name for node in flow.nodes for name in node.names)


def known_names(lineages: Iterable[Lineage]) -> tuple[str, ...]:
    """Everything that can be asked for."""
    return tuple(dict.fromkeys(name for lineage in lineages for flow in lineage.flows for name in names(flow)))


def lineage(environment: EnvironmentSpec) -> Lineage:
    """The lineage of one environment."""
    return Lineage(environment.name, tuple(flow for one in environment.pipelines for flow in _flows(environment, one)))


def _flows(environment: EnvironmentSpec, pipeline: PipelineSpec) -> Iterator[Flow]:
    chosen = pipeline.source.chosen
    if chosen is None:
        return
    kind, source = chosen
    owners = {tenant.name: tenant.owner for tenant in environment.tenants}
    naming, kafka = environment.naming, _kafka(environment, pipeline)
    written = has_source_connector(pipeline)
    # The agent writes JSON, whatever registry there is.
    avro = written and environment.schema_registry is not None
    avro = avro and (environment.connect is None or environment.connect.converter != "json")
    reader, writer = _reader(environment, pipeline, kind), _writer(environment, pipeline)
    history = Node("schema history", f"{format_name(naming.internal, pipeline)}_schema_history", kafka) if written else None
    dead_letters = Node("dead letters", dlq_topic(pipeline, naming), kafka) if written else None
    for table in dict.fromkeys(source_tables(pipeline)):
        topic = change_topic(pipeline, naming, table)
        yield Flow(
            pipeline=pipeline.name,
            owner=pipeline.owner or owners.get(pipeline.tenant, ""),
            table=Node("source table", table, f"{kind}://{source.host}:{source.port or _PORTS[kind]}"),
            topic=Node("topic", topic, kafka),
            reader=reader,
            subjects=tuple(Node("subject", f"{topic}-{side}", environment.name) for side in ("key", "value") if avro),
            history=history,
            writer=writer,
            sink_table=_sink_table(environment, pipeline, table) if written else None,
            dead_letters=dead_letters,
            mirrored=_mirrored(environment, topic),
        )


def _kafka(environment: EnvironmentSpec, pipeline: PipelineSpec) -> str:
    """The cluster by the first of the addresses that its programs begin at."""
    try:
        addresses = kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "sink")).bootstrap
    except ValueError:  # no program of the platform's reaches it: it is known by its name
        addresses = environment.kafka.name
    return f"kafka://{addresses.partition(',')[0]}"


def _reader(environment: EnvironmentSpec, pipeline: PipelineSpec, kind: SourceKind) -> Node | None:
    if kind == "cassandra":
        if environment.cassandra_agent is None:
            return None
        return Node("agent", agent_name(environment, pipeline), environment.name, {"program": "Debezium for Cassandra"})
    program = {"mysql": "Debezium for MySQL", "mariadb": "Debezium for MariaDB"}[kind]
    return _connector(environment, pipeline, "source", "connector", {"program": program})


def _writer(environment: EnvironmentSpec, pipeline: PipelineSpec) -> Node | None:
    if not has_source_connector(pipeline):
        return None
    group = {"group": sink_group(pipeline, environment.naming)}
    if has_sink_connector(pipeline):
        return _connector(environment, pipeline, "sink", "sink connector", {"program": "Debezium JDBC sink", **group})
    if environment.sink is None:
        return None
    return Node("sink worker", worker_name(pipeline), environment.name, {"program": "sink worker", **group})


def _connector(
    environment: EnvironmentSpec, pipeline: PipelineSpec, role: Role, kind: Kind, attributes: Mapping[str, str]
) -> Node | None:
    """The connector of the active colour."""
    connect = environment.connect
    if connect is None:
        return None
    name = connector_name(pipeline.name, role, connect.active, environment.target)
    return Node(kind, name, environment.name, {**attributes, "colour": connect.active})


def _sink_table(environment: EnvironmentSpec, pipeline: PipelineSpec, table: str) -> Node:
    """Both kinds of sink give it the source table's name, in the pipeline's schema."""
    target = destination(environment, pipeline)
    name = f"{target.database}.{target.schema}.{table.partition('.')[2]}"
    return Node("sink table", name, f"postgres://{target.host}:{target.port}")


def _mirrored(environment: EnvironmentSpec, topic: str) -> Node | None:
    """The standby keeps it under the same name; where its brokers are, only its own spec says."""
    recovery = environment.disaster_recovery
    return None if recovery is None else Node("mirrored topic", topic, recovery.standby)
