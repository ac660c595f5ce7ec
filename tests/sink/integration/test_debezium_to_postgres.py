"""From a real MariaDB through the real Debezium and a real registry: after quiet, PostgreSQL has what the source has."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from sink_worker.evolution.reviews import approve, list_pending
from sink_worker.settings_file import load_settings

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


def test_columns_change_while_events_flow_and_none_is_lost_or_refused(
    sources: Sources, make_pipeline: Callable[[], Pipeline]
) -> None:
    """Additive changes by themselves; then a type and a dropped column, which end where the settings say, and are released."""
    pipeline = make_pipeline()
    source = Source(sources.mariadb)
    load = Load(source, "evolving")
    load.write(1)
    stream(sources, pipeline, "avro", "evolving")
    worker = pipeline.worker(evolution={"breaking": "queue", "poll_seconds": 0.2}, tables={"mismatch_retry_seconds": 0.2})
    try:
        with worker:
            wait_until("the snapshot", lambda: load.arrived(pipeline), QUIET_SECONDS, 0.2)
            for change in ADDITIVE:
                load.change(change)
                load.write(LOAD_STEPS)
            wait_until("the columns", lambda: load.target_types(pipeline) == GROWN, 2 * QUIET_SECONDS, 0.2)
            load.wait_equal(pipeline)
            assert pipeline.query("SELECT count(*) FROM cdc_sink.rejected") == [(0,)]
            assert pipeline.query("SELECT count(*) FROM cdc_sink.schema_reviews") == [(0,)]
            for change in BREAKING:
                load.change(change)
                load.write(1)
            wait_until("the reviews", lambda: len(list_pending(load_settings(worker.configuration))) == 2, QUIET_SECONDS, 0.1)
            for review in list_pending(load_settings(worker.configuration)):
                assert approve(load_settings(worker.configuration), review.id, by="the test").review.status == "approved"
            load.wait_equal(pipeline)
            assert pipeline.query("SELECT count(*) FROM cdc_sink.rejected WHERE status = 'open'") == [(0,)]
    finally:
        sources.connect.delete(pipeline.name)
        source.close()


ADDITIVE = (
    "ADD COLUMN note VARCHAR(30)", "MODIFY v BIGINT", "MODIFY amount DECIMAL(14,4)", "MODIFY weight DOUBLE",
    "MODIFY name VARCHAR(200), ADD COLUMN more INT",
)  # fmt: skip
BREAKING = ("MODIFY v VARCHAR(20)", "DROP COLUMN more")
GROWN = {
    "id": "bigint", "v": "bigint", "amount": "numeric(14,4)", "weight": "double precision", "name": "text", "note": "text",
    "more": "integer",
}  # fmt: skip
LOAD_ROWS, LOAD_STEPS, EVENTS_PER_SECOND = 500, 8, 5_000


class Load:
    """Inserts and updates at a steady rate, with values that only the present types hold."""

    def __init__(self, source: Source, table: str) -> None:
        self._source, self._table = source, table
        self._rows = 0
        self._columns = ["id", "v", "amount", "weight", "name"]
        source.execute(
            f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, v INT, amount DECIMAL(10,2), weight FLOAT, name VARCHAR(20))"
        )
        self._types = self._shown()

    def _shown(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self._source.execute(f"SHOW COLUMNS FROM {self._table}")}

    def _value(self, name: str, key: int) -> str:
        """A literal that the column's present type holds, and an earlier one did not."""
        kind = self._types[name]
        if name == "id":
            return str(key)
        if kind.startswith("varchar"):
            return f"'{'x' * (int(kind[8:-1]) - 10)}{key}'"
        values = {
            "int(11)": f"{key % 1000}", "bigint(20)": f"{2**40 + key}", "decimal(10,2)": f"{key % 1000}.25",
            "decimal(14,4)": f"{10**9 + key % 1000}.0625", "float": f"{key % 1000 / 4}", "double": f"{key / 3!r}",
        }  # fmt: skip
        return values[kind]

    def change(self, change: str) -> None:
        """ALTER TABLE."""
        self._source.execute(f"ALTER TABLE {self._table} {change}")
        words = change.replace(",", " ").split()
        self._columns += [words[place + 2] for place, word in enumerate(words) if word == "ADD"]
        self._columns = [name for name in self._columns if f"DROP COLUMN {name}" not in change]
        self._types = self._shown()

    def write(self, steps: int) -> None:
        """So many transactions, of one INSERT of many rows and one UPDATE of as many."""
        began = time.monotonic()
        for step in range(1, steps + 1):
            new = range(self._rows, self._rows + LOAD_ROWS)
            values = ", ".join(f"({', '.join(self._value(name, key) for name in self._columns)})" for key in new)
            self._source.execute(f"INSERT INTO {self._table} ({', '.join(self._columns)}) VALUES {values}")
            others = ", ".join(f"{name} = {self._value(name, self._rows + 1)}" for name in self._columns[1:])
            self._source.execute(f"UPDATE {self._table} SET {others} WHERE id % {self._rows // LOAD_ROWS + 1} = 0")
            self._source.commit()
            self._rows += LOAD_ROWS
            time.sleep(max(0.0, began + step * 2 * LOAD_ROWS / EVENTS_PER_SECOND - time.monotonic()))

    def arrived(self, pipeline: Pipeline) -> bool:
        """Whether the target has every row, whatever is in it."""
        there = pipeline.query("SELECT to_regclass(%s) IS NOT NULL", self._table)[0][0]
        return bool(there and pipeline.query(f"SELECT count(*) FROM {self._table}") == [(self._rows,)])

    def wait_equal(self, pipeline: Pipeline) -> None:
        """Return once both tables have the same rows."""
        named = ", ".join(self._columns)
        wanted = sorted(self._source.execute(f"SELECT {named} FROM {self._table}"))
        self._source.commit()
        wait_until("the tables to be equal", lambda: sorted(pipeline.query(f"SELECT {named} FROM {self._table}")) == wanted,
                   QUIET_SECONDS, 0.5)  # fmt: skip

    def target_types(self, pipeline: Pipeline) -> dict[str, str]:
        """The target's columns."""
        return dict(pipeline.query(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped", self._table,
        ))  # fmt: skip


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
