"""Cassandra's topics through the worker into PostgreSQL, and the two databases compared row by row."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from tests.harness.processes import NotReadyError, wait_until
from tests.harness.sink_worker import SinkWorker
from tests.sink.integration.cassandra_source import PARTITIONS, TABLES, CassandraSource, Rows, plain
from tests.sink.integration.stand import Pipeline
from tests.sink.workload.feed import create_topic

COMPARED = ("ledger", "users", "orders")
SETTLED_SECONDS = 120
QUICK_SWEEPER = {"sweep_seconds": 0.5}


def column_types(source: CassandraSource, tables: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The worker's setting for the tables: what their columns are in Cassandra, as the driver tells it."""
    found = {}
    for table in tables:
        known = source.session.cluster.metadata.keyspaces[TABLES[table]].tables[table]
        columns = {name: column.cql_type + (" static" if column.is_static else "") for name, column in known.columns.items()}
        found[f"{TABLES[table]}.{table}"] = {"columns": columns}
    return found


def worker(pipeline: Pipeline, topics: Iterable[str], cassandra: Mapping[str, Any], name: str = "worker") -> SinkWorker:
    """A worker of Cassandra's topics, whose tables have the names of the topics' last parts."""
    pipeline.topics = list(topics)
    return pipeline.worker(name, cassandra={"topics": pipeline.topics, **QUICK_SWEEPER, **cassandra})


def target_rows(pipeline: Pipeline, table: str, columns: Iterable[str], key: int) -> Rows:
    """The table's rows in PostgreSQL by their first ``key`` columns."""
    names = list(columns)
    if not pipeline.query("SELECT to_regclass(%s) IS NOT NULL", table)[0][0]:
        return {}
    chosen = ", ".join(f'"{name}"' for name in names)
    rows = [tuple(plain(value) for value in row) for row in pipeline.query(f"SELECT {chosen} FROM {table}")]
    return {row[:key]: dict(zip(names, row, strict=True)) for row in rows}


def wait_equal(source: CassandraSource, pipeline: Pipeline, tables: Iterable[str] = COMPARED) -> dict[str, int]:
    """How many rows each table has, once both databases have the same."""
    unlike: dict[str, Any] = {}
    counts: dict[str, int] = {}

    def settled() -> bool:
        unlike.clear()
        for table in tables:
            wanted = source.rows(table)
            known = source.session.cluster.metadata.keyspaces[TABLES[table]].tables[table]
            found = target_rows(pipeline, table, known.columns, len(known.primary_key))
            counts[table] = len(wanted)
            differing = [key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)]
            if differing or not wanted:
                shown = [{"Cassandra": wanted.get(key), "PostgreSQL": found.get(key)} for key in differing[:3]]
                unlike[table] = f"{len(differing)} of {len(wanted)} rows differ: {shown}"
        return not unlike

    try:
        wait_until("both databases to be equal", settled, SETTLED_SECONDS, interval=0.3)
    except NotReadyError as error:
        logs = [line for log in pipeline.folder.glob("*.log") for line in log.read_text(errors="replace").splitlines()[-15:]]
        raise NotReadyError(f"{error}: {unlike}\n" + "\n".join(logs)) from None
    return counts


def wait_consumed(pipeline: Pipeline, topics: Iterable[str]) -> None:
    """Return once every record of the topics is behind PostgreSQL's offsets."""
    counts = {topic: _ends(pipeline.stand.broker.bootstrap, topic) for topic in topics}

    def consumed() -> bool:
        return all(pipeline.next_offsets(topic).get(n, 0) >= end for topic, ends in counts.items() for n, end in ends.items())

    wait_until("all records to be consumed", consumed, SETTLED_SECONDS)


def _ends(bootstrap: str, topic: str) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends"})
    ends = {number: consumer.get_watermark_offsets(TopicPartition(topic, number))[1] for number in range(PARTITIONS)}
    consumer.close()
    return ends


def recorded(bootstrap: str, topic: str) -> list[Message]:
    """All records of a topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "recording", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    wanted, found = sum(_ends(bootstrap, topic).values()), list[Message]()
    while len(found) < wanted:
        found += [message for message in consumer.consume(1_000, 1.0) if message.error() is None]
    consumer.close()
    return found


def replay(bootstrap: str, table: str, prefix: str, seed: int, times: int = 3) -> str:
    """Another topic with each record of a table's ``times`` over, as so many replicas send it, in any order and partition."""
    origin = f"cassandra.{TABLES[table]}.{table}"
    topic = f"{prefix}.{TABLES[table]}.{table}"
    create_topic(bootstrap, topic, PARTITIONS)
    records = recorded(bootstrap, origin) * times
    source = random.Random(seed)
    source.shuffle(records)
    producer = Producer({"bootstrap.servers": bootstrap})
    for record in records:
        producer.produce(topic, record.value(), record.key(), partition=source.randrange(PARTITIONS))
        producer.poll(0)
    producer.flush(60)
    return topic
