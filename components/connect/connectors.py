"""Connectors derived from pipelines (requirements A1, A3, A4). Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.connect.access import FOLDER, located, registry, secrets
from components.connect.converters import converters
from components.connect.derive import has_sink_connector, has_source_connector
from components.connect.names import Colour, Role, connector_name, database_secret, offsets_topic
from components.connect.routes import (
    HEARTBEAT_PREFIX,
    lineage_text,
    lineage_transforms,
    quoted,
    routes,
    topic_prefix,
    transforms,
)
from components.connect.server_ids import server_id
from components.connect.source_tls import connector_settings
from components.core.once import once_for_each
from components.kafka.clients import KafkaClient, kafka_client, secret_of
from components.kafka.derive import change_topic, dlq_topic, pipeline_user, sink_group, source_tables
from components.pipelines.spec import DatabaseSourceSpec, PipelineSpec
from components.postgres.derive import CA_FILE as POSTGRES_CA
from components.postgres.derive import Destination, destination

if TYPE_CHECKING:
    from components.connect.spec import ConnectSpec
    from components.environment import EnvironmentSpec

CLASSES = {
    "mysql": "io.debezium.connector.mysql.MySqlConnector",
    "mariadb": "io.debezium.connector.mariadb.MariaDbConnector",
    "jdbc": "io.debezium.connector.jdbc.JdbcSinkConnector",
}
_MYSQL_PORT = 3306
_RETRY_MS, _LONGEST_RETRY_DELAY_MS = 300_000, 60_000
Config = dict[str, str]


@dataclass(frozen=True, slots=True)
class Connector:
    """One connector as Connect takes it. ``index`` is its pipeline's place in the spec; ``config`` is complete, in Connect's
    own keys, and secrets in it are references of a config provider. ``refused`` are keys that the user gives and the
    platform sets."""

    name: str
    pipeline: str
    role: Role
    index: int
    config: Mapping[str, str]
    refused: tuple[str, ...] = ()

    @property
    def connector_class(self) -> str:
        return self.config["connector.class"]

    @property
    def tasks(self) -> int:
        return int(self.config["tasks.max"])

    def text(self) -> str:
        """Its file: the body of ``PUT /connectors/<name>/config``."""
        return json.dumps(dict(sorted(self.config.items())), indent=2, ensure_ascii=False) + "\n"


@once_for_each
def connectors(environment: "EnvironmentSpec", colour: Colour) -> tuple[Connector, ...]:
    """Every connector of the environment as it is on one colour, sorted by name. None where there is no Connect."""
    connect = environment.connect
    if connect is None:
        return ()
    return tuple(sorted(_connectors(environment, connect, colour), key=lambda connector: connector.name))


def _connectors(environment: "EnvironmentSpec", connect: "ConnectSpec", colour: Colour) -> Iterator[Connector]:
    known = {file.name: file for file in secrets(environment, colour)}
    for index, pipeline in enumerate(environment.pipelines):
        if has_source_connector(pipeline):
            name = connector_name(pipeline.name, "source", colour, environment.target)
            own, further = _source(environment, connect, pipeline, colour), pipeline.connector.config
            config = {**{key: _text(value) for key, value in further.items()}, **own}
            refused = tuple(sorted(set(own) & set(further)))
            yield Connector(name, pipeline.name, "source", index, located(environment, known, config), refused)
        if has_sink_connector(pipeline):
            name = connector_name(pipeline.name, "sink", colour, environment.target)
            config = located(environment, known, _sink(environment, connect, pipeline))
            yield Connector(name, pipeline.name, "sink", index, config)


def _source(environment: "EnvironmentSpec", connect: "ConnectSpec", pipeline: PipelineSpec, colour: Colour) -> Config:
    """Debezium for MySQL or MariaDB. Everything it does in Kafka it does as its pipeline's own user."""
    chosen = pipeline.source.chosen
    if chosen is None:
        raise ValueError(f"{pipeline.name} has no source")
    kind, source = chosen
    folder = FOLDER
    client = kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "source"))
    database = _database(source, pipeline, folder)
    database |= connector_settings(kind, pipeline, source, folder)
    database["database.server.id"] = str(server_id(connect, environment.name, pipeline.name, colour))
    return {
        "connector.class": CLASSES[kind],
        "tasks.max": "1",
        **database,
        **_reading(connect, pipeline),
        **_topics(environment, connect, pipeline, colour),
        **_schema_history(environment, pipeline, client, folder),
        **_signals(environment, pipeline, client, folder),
        **_errors("none"),
        **_converters(environment, connect, folder),
        **_overrides(client, folder, "producer", "consumer", "admin"),
        "producer.override.compression.type": "lz4",
        "producer.override.max.request.size": str(_largest_record(environment, pipeline)),
    }


def _database(source: DatabaseSourceSpec, pipeline: PipelineSpec, folder: str) -> Config:
    """Debezium takes tables and databases as regular expressions, so their names are quoted."""
    tables = list(dict.fromkeys(source.tables))
    databases = list(dict.fromkeys(table.partition(".")[0] for table in tables))
    return {
        "database.hostname": source.host,
        "database.port": str(source.port or _MYSQL_PORT),
        "database.user": source.user,
        "database.password": secret_of(folder, database_secret(pipeline, "source")),
        "database.include.list": ",".join(map(quoted, databases)),
        "table.include.list": ",".join(map(quoted, tables)),
    }


def _reading(connect: "ConnectSpec", pipeline: PipelineSpec) -> Config:
    """Without loss: decimals and unsigned numbers as they are, bytes as bytes, truncations and deletions told."""
    return {
        "snapshot.mode": pipeline.connector.snapshot,
        "decimal.handling.mode": "precise",
        "bigint.unsigned.handling.mode": "precise",
        "binary.handling.mode": "bytes",
        "time.precision.mode": "adaptive_time_microseconds",
        "include.schema.changes": "false",
        "tombstones.on.delete": "true",
        "skipped.operations": "none",
        "schema.name.adjustment.mode": "avro",
        "field.name.adjustment.mode": "avro",
        "event.processing.failure.handling.mode": "fail",
        "errors.max.retries": str(connect.max_restarts),
        "heartbeat.interval.ms": str(int(pipeline.connector.heartbeat)),
        "exactly.once.support": "required",
    }


def _topics(environment: "EnvironmentSpec", connect: "ConnectSpec", pipeline: PipelineSpec, colour: Colour) -> Config:
    """Names that Debezium gives, and what they are turned into; offsets in a topic of the pipeline's own."""
    lineage = _lineage(environment, pipeline, colour)
    carried = lineage_transforms(
        lineage if connect.lineage in {"header", "both"} else None, lineage if connect.lineage in {"field", "both"} else None
    )
    return {
        "topic.prefix": topic_prefix(pipeline, environment.naming),
        "topic.heartbeat.prefix": HEARTBEAT_PREFIX,
        "offsets.storage.topic": offsets_topic(pipeline, environment.naming, colour),
        **transforms(routes(pipeline, environment.naming), carried),
    }


def _lineage(environment: "EnvironmentSpec", pipeline: PipelineSpec, colour: Colour) -> str:
    """What its records say about where they come from (requirement A10)."""
    kind = pipeline.source.chosen[0] if pipeline.source.chosen else ""
    name = connector_name(pipeline.name, "source", colour, environment.target)
    return lineage_text(environment.name, pipeline.name, name, kind)


def _schema_history(environment: "EnvironmentSpec", pipeline: PipelineSpec, client: KafkaClient, folder: str) -> Config:
    """The same topic on both colours: the history belongs to the source, and only one of them reads it at a time."""
    topic = f"{topic_prefix(pipeline, environment.naming)}_schema_history"
    begin = "schema.history.internal"
    return {
        f"{begin}.kafka.bootstrap.servers": client.bootstrap,
        f"{begin}.kafka.topic": topic,
        f"{begin}.consumer.group.id": topic,
        f"{begin}.store.only.captured.tables.ddl": "true",
        **_prefixed(f"{begin}.producer.", client.security(folder)),
        **_prefixed(f"{begin}.consumer.", client.security(folder)),
    }


def _signals(environment: "EnvironmentSpec", pipeline: PipelineSpec, client: KafkaClient, folder: str) -> Config:
    topic = f"{topic_prefix(pipeline, environment.naming)}_signals"
    return {
        "signal.enabled.channels": "kafka",
        "signal.kafka.topic": topic,
        "signal.kafka.groupId": topic,
        "signal.kafka.bootstrap.servers": client.bootstrap,
        **_prefixed("signal.consumer.", client.security(folder)),
    }


def _connection(target: Destination) -> Iterator[str]:
    """Options of PostgreSQL's driver. By itself it takes whatever the server offers, and verifies nothing."""
    yield "reWriteBatchedInserts=true"
    if target.declared and target.tls:
        yield "sslmode=verify-full"
        yield f"sslrootcert={FOLDER}/{POSTGRES_CA}"


def _sink(environment: "EnvironmentSpec", connect: "ConnectSpec", pipeline: PipelineSpec) -> Config:
    """Debezium's JDBC sink, at its best (with the reduction buffer). It consumes in the pipeline's own group, which is the
    same on both colours, so that its offsets need not be moved."""
    folder = FOLDER
    client = kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "sink"))
    target, naming = destination(environment, pipeline), environment.naming
    return {
        "connector.class": CLASSES["jdbc"],
        "tasks.max": str(pipeline.sink.tasks),
        "topics": ",".join(sorted(change_topic(pipeline, naming, table) for table in set(source_tables(pipeline)))),
        "connection.url": f"jdbc:postgresql://{target.host}:{target.port}/{target.database}?{'&'.join(_connection(target))}",
        "connection.username": target.user,
        "connection.password": secret_of(folder, database_secret(pipeline, "sink")),
        "collection.name.format": f"{target.schema}.${{source.table}}",
        "insert.mode": "upsert",
        "delete.enabled": _text(pipeline.sink.deletes),
        "truncate.enabled": _text(pipeline.sink.deletes),
        "primary.key.mode": "record_key",
        "schema.evolution": "basic",
        "quote.identifiers": "true",
        "use.reduction.buffer": "true",
        "batch.size": "1000",
        **_errors("all"),
        "errors.deadletterqueue.topic.name": dlq_topic(pipeline, naming),
        "errors.deadletterqueue.topic.replication.factor": str(pipeline.dlq.replicas or environment.kafka.default_replicas),
        "errors.deadletterqueue.context.headers.enable": "true",
        **_converters(environment, connect, folder),
        **_overrides(client, folder, "producer", "consumer", "admin"),
        "consumer.override.group.id": sink_group(pipeline, naming),
        "consumer.override.auto.offset.reset": "earliest",
        "consumer.override.isolation.level": "read_committed",
        "consumer.override.max.poll.records": "1000",
    }


def _errors(tolerance: str) -> Config:
    """A4. A source tolerates nothing: Connect has no dead letter queue for it, so what it passed over would be lost. Records
    stay out of the log: they hold people's data."""
    return {
        "errors.tolerance": tolerance,
        "errors.retry.timeout": str(_RETRY_MS),
        "errors.retry.delay.max.ms": str(_LONGEST_RETRY_DELAY_MS),
        "errors.log.enable": "true",
        "errors.log.include.messages": "false",
    }


def _converters(environment: "EnvironmentSpec", connect: "ConnectSpec", folder: str) -> Config:
    return converters(connect.converter, registry(environment), folder)


def _overrides(client: KafkaClient, folder: str, *sections: str) -> Config:
    """The connector's own clients come as its pipeline's user, not as the worker."""
    found: Config = {}
    for section in sections:
        found |= _prefixed(f"{section}.override.", client.security(folder))
    return found


def _prefixed(prefix: str, settings: Mapping[str, str]) -> Config:
    return {f"{prefix}{key}": value for key, value in settings.items()}


def _largest_record(environment: "EnvironmentSpec", pipeline: PipelineSpec) -> int:
    """The largest that any of its topics takes."""
    spec = [pipeline.topic, *pipeline.tables.values()]
    sizes = [int(override.max_message) for override in spec if override.max_message is not None]
    return max([int(environment.kafka.topic_defaults.max_message), *sizes])


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
