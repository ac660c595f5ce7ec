"""From a real MariaDB through the real Debezium and a real registry: after quiet, PostgreSQL has what the source has."""

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.harness.connect_cluster import ConnectCluster, avro_converters, json_converters
from tests.harness.mariadb_server import USER, MariadbServer
from tests.harness.processes import LOOPBACK, wait_until
from tests.sink.integration.source import DATABASE, KINDS, Source, target_rows
from tests.sink.integration.stand import Pipeline, Stand
from tests.toolchain.debezium import debezium_plugin
from tests.toolchain.registry import avro_converter

pytestmark = pytest.mark.integration

QUIET_SECONDS = 90
STEPS = 600
SERVER_IDS = itertools.count()
FLAT = {
    "transforms": "flat",
    "transforms.flat.type": "io.debezium.transforms.ExtractNewRecordState",
    "transforms.flat.delete.tombstone.handling.mode": "rewrite-with-tombstone",
}
FORMATS = ("avro", "json", "avro-flat")
SCHEMALESS = "json-schemaless"
WITHOUT_SCHEMA_UNKNOWN = {"t_point"}
"""Without a schema, a geometry is a structure like any other."""


@dataclass(frozen=True)
class Sources:
    """MariaDB and the Connect that reads it."""

    mariadb: MariadbServer
    connect: ConnectCluster


@pytest.fixture(scope="module")
def sources(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    """One MariaDB and one Connect for all formats."""
    folder = tmp_path_factory.mktemp("sources")
    with ExitStack() as servers:
        mariadb = servers.enter_context(MariadbServer(folder, "--sql-mode="))
        plugins = [debezium_plugin("mariadb"), avro_converter()]
        yield Sources(mariadb, servers.enter_context(ConnectCluster(folder, stand.broker.bootstrap, plugins)))


def connector(sources: Sources, pipeline: Pipeline, kind: str, tables: str, server_id: int) -> dict[str, str]:
    """A Debezium connector that streams the tables without loss, in one of the formats."""
    registry = pipeline.stand.registry.apicurio_url
    converters = avro_converters(registry) if kind.startswith("avro") else json_converters(schemas=kind == "json")
    return {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "tasks.max": "1",
        "database.hostname": LOOPBACK,
        "database.port": str(sources.mariadb.port),
        "database.user": USER,
        "database.password": "",
        "database.server.id": str(server_id),
        "topic.prefix": pipeline.name,
        "database.include.list": DATABASE,
        "table.include.list": tables,
        "schema.history.internal.kafka.bootstrap.servers": pipeline.stand.broker.bootstrap,
        "schema.history.internal.kafka.topic": f"{pipeline.name}.history",
        "bigint.unsigned.handling.mode": "precise",
        "decimal.handling.mode": "precise",
        "skipped.operations": "none",
        "heartbeat.interval.ms": "500",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": "3",
        "topic.creation.groups": "alone",
        "topic.creation.alone.include": r".*\.log_.*",
        "topic.creation.alone.replication.factor": "1",
        "topic.creation.alone.partitions": "1",
        "topic.creation.enable": "true",
        "connector.client.config.override.policy": "All",
        **converters,
        **(FLAT if kind.endswith("flat") else {}),
    }


def random_history(source: Source, table: str, seed: int, steps: int = STEPS) -> None:
    """Inserts, updates, deletes and changed keys, in transactions of which one in ten is undone."""
    draw = random.Random(seed)
    live = {key for (key,) in source.execute(f"SELECT id FROM {table}")}
    unused = iter(range(max(live, default=0) + 1, 10**9))
    for _ in range(steps // 6):
        before = set(live)
        for _ in range(6):
            _step(source, table, draw, live, unused)
        if draw.random() < 0.1:
            source.roll_back()
            live = before
        else:
            source.commit()


def _step(source: Source, table: str, draw: random.Random, live: set[int], unused: Iterator[int]) -> None:
    chance = draw.random()
    chosen = draw.choice(sorted(live)) if live else None
    if chosen is None or chance < 0.4:
        key = next(unused)
        source.insert(table, key, draw)
        live.add(key)
    elif chance < 0.8:
        source.update(table, chosen, draw)
    elif chance < 0.9:
        source.execute(f"DELETE FROM {table} WHERE id = %s", (chosen,))
        live.discard(chosen)
    else:
        key = next(unused)
        source.execute(f"UPDATE {table} SET id = %s WHERE id = %s", (key, chosen))
        live.discard(chosen)
        live.add(key)


def wait_equal(pipeline: Pipeline, source: Source, table: str) -> None:
    """Return once the worker is at the end of the topic and the tables are equal; after the time, say what differs."""

    def exists() -> bool:
        return bool(pipeline.query("SELECT to_regclass(%s) IS NOT NULL", table)[0][0])

    wanted = source.rows(table)
    source.commit()
    wait_until(f"table {table} to be there", exists, QUIET_SECONDS, 0.2)
    try:
        wait_until(
            "the tables to be equal", lambda: target_rows(pipeline.dsn, table, source.kinds) == wanted, QUIET_SECONDS, 0.5
        )
    except RuntimeError:
        found = target_rows(pipeline.dsn, table, source.kinds)
        different: dict[Any, Any] = {
            (key, name): (found.get(key, {}) and found[key][place], wanted.get(key, {}) and wanted[key][place])
            for key in found.keys() | wanted.keys()
            for place, name in enumerate(source.kinds)
            if key not in found or key not in wanted or found[key][place] != wanted[key][place]
        }
        refused = pipeline.query("SELECT DISTINCT error_class, error_message FROM cdc_sink.rejected LIMIT 5")
        raise AssertionError(
            f"{len(different)} values differ (found, wanted), in {sorted({name for _, name in different})}: "
            f"{list(different.items())[:12]}; refused: {refused}"
        ) from None


@pytest.mark.parametrize("kind", FORMATS)
def test_every_table_equals_the_sources_types_included(
    sources: Sources, make_pipeline: Callable[[], Pipeline], kind: str
) -> None:
    """The snapshot, what follows it, and what happens while the worker is away; nothing is refused on the way."""
    pipeline = make_pipeline()
    table = f"all_types_{kind.replace('-', '_')}"
    source = Source(sources.mariadb)
    source.create_all_types(table)
    random_history(source, table, seed=1, steps=120)
    stream(sources, pipeline, kind, table)
    try:
        with pipeline.worker(decode={"flat_metadata": "drop"}) as worker:
            random_history(source, table, seed=2)
            wait_equal(pipeline, source, table)
            worker.kill()
            random_history(source, table, seed=3, steps=120)
            worker.start()
            wait_equal(pipeline, source, table)
        assert pipeline.dead_letters() == []
    finally:
        sources.connect.delete(pipeline.name)
        source.close()


def test_records_without_schemas_take_their_types_from_the_table(
    sources: Sources,
    make_pipeline: Callable[[], Pipeline],
) -> None:
    """A table that a stream with schemas made is the pattern of the one that plain JSON goes to."""
    patterns, pipeline = make_pipeline(), make_pipeline()
    source = Source(sources.mariadb, {name: kind for name, kind in KINDS.items() if name not in WITHOUT_SCHEMA_UNKNOWN})
    source.create_all_types("patterns")
    random_history(source, "patterns", seed=5, steps=60)
    try:
        stream(sources, patterns, "avro", "patterns")
        with patterns.worker():
            wait_equal(patterns, source, "patterns")
        pipeline.execute(table_definition(patterns, "patterns"))
        stream(sources, pipeline, SCHEMALESS, "patterns")
        with pipeline.worker(decode={"schemaless_decimal": "base64", "format": "json"}):
            random_history(source, "patterns", seed=6, steps=300)
            wait_equal(pipeline, source, "patterns")
        assert pipeline.dead_letters() == []
    finally:
        sources.connect.delete(patterns.name)
        sources.connect.delete(pipeline.name)
        source.close()


def stream(sources: Sources, pipeline: Pipeline, kind: str, table: str) -> None:
    """Start a connector for a table, named as the pipeline is."""
    settings = connector(sources, pipeline, kind, f"{DATABASE}.{table}", 6000 + next(SERVER_IDS))
    sources.connect.create(pipeline.name, settings)
    pipeline.topics.append(f"{pipeline.name}.{DATABASE}.{table}")


def table_definition(pipeline: Pipeline, table: str) -> str:
    """The statement that makes a table with the same columns and the same key."""
    columns = pipeline.query(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        table,
    )
    return f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns)}, PRIMARY KEY (id))"
