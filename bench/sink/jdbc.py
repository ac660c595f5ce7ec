"""Debezium's JDBC sink, as it comes and at its best, in a warm JVM."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.sink.accounting import peak_bytes
from bench.sink.data import PARTITIONS, Topic, table_checksum
from bench.sink.run import Progress, Run, watch
from bench.sink.stage import Stage, Target
from tests.harness.connect_cluster import ConnectCluster, avro_converters, json_converters
from tests.harness.postgres_server import SUPERUSER
from tests.harness.processes import LOOPBACK
from tests.toolchain.debezium import debezium_plugin
from tests.toolchain.registry import avro_converter

MEMORY = "-Xmx4g"
JVM = ("-XX:TieredStopAtLevel=4", "-XX:-UseSerialGC", "-XX:+UseParallelGC")
BATCH = "10000"
AS_IT_COMES: Mapping[str, str] = {"tasks.max": "1"}
AT_ITS_BEST: Mapping[str, str] = {
    "tasks.max": "2",
    "batch.size": BATCH,
    "use.reduction.buffer": "true",
    "consumer.override.max.poll.records": BATCH,
    "consumer.override.max.partition.fetch.bytes": str(16 * 1024 * 1024),
    "consumer.override.fetch.max.bytes": str(64 * 1024 * 1024),
}
REWRITE = "&reWriteBatchedInserts=true"
OFFSET_FLUSH_MS = "250"


@dataclass
class JdbcSink:
    """A Connect worker with the sink, for the time of the context."""

    stage: Stage
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        plugins: list[Path] = [debezium_plugin("jdbc"), avro_converter()]
        self._connect = ConnectCluster(
            self.stage.folder / "connect",
            self.stage.broker.bootstrap,
            plugins,
            memory=MEMORY,
            jvm_options=JVM,
            settings={"offset.flush.interval.ms": OFFSET_FLUSH_MS},
        )
        self._admin = AdminClient({"bootstrap.servers": self.stage.broker.bootstrap})

    def run(self, topic: Topic, checksum: str, best: bool, *, limit: float | None = None) -> Run:
        """Let it write a topic, the whole of it or for ``limit`` seconds."""
        target = self.stage.target()
        name = f"jdbc-{next(self._numbers)}"
        process = self._connect.process.pid
        meter = self.stage.meter(connect=process)
        progress = self._write(name, topic, target, best, limit)
        spent = meter.read()
        self._connect.delete(name)
        share = topic.changes / topic.records
        return Run(
            int((progress.last - progress.first) * share),
            progress.seconds,
            int(progress.last * share),
            spent,
            peak_bytes(process),
            progress.last == topic.records and table_checksum(target) == checksum,
        )

    def _write(self, name: str, topic: Topic, target: Target, best: bool, limit: float | None) -> Progress:
        self._connect.create(name, self._configuration(topic, target, best))
        return watch(lambda: self._committed(name), topic.records, limit=limit)

    def start(self, topic: str, kind: str, target: Target) -> str:
        """Run the sink at its best on a topic until the context ends, for measurements of latency; its name."""
        name = f"jdbc-{next(self._numbers)}"
        self._connect.create(name, self._configuration(Topic(topic, "avro" if kind == "avro" else "json", 0, 0), target, True))
        return name

    def committed(self, name: str) -> int:
        """Records behind a connector."""
        return self._committed(name)

    def stop(self, name: str) -> None:
        """End a connector."""
        self._connect.delete(name)

    def _configuration(self, topic: Topic, target: Target, best: bool) -> dict[str, str]:
        address = f"jdbc:postgresql://{LOOPBACK}:{self.stage.postgres.port}/{target.name}?user={SUPERUSER}"
        converters = (
            avro_converters(self.stage.registry.apicurio_url) if topic.format == "avro" else json_converters(schemas=True)
        )
        return {
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "topics": topic.name,
            "connection.url": address + (REWRITE if best else ""),
            "connection.username": SUPERUSER,
            "connection.password": "",
            "insert.mode": "upsert",
            "delete.enabled": "true",
            "primary.key.mode": "record_key",
            "schema.evolution": "basic",
            "collection.name.format": "orders",
            "consumer.override.auto.offset.reset": "earliest",
            **converters,
            **(AT_ITS_BEST if best else AS_IT_COMES),
        }

    def _committed(self, connector: str) -> int:
        group = f"connect-{connector}"
        future = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group]
        found: list[TopicPartition] = future.result().topic_partitions
        return sum(max(partition.offset, 0) for partition in found[:PARTITIONS])

    def __enter__(self) -> Self:
        self._connect.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connect.__exit__(kind, error, trace)
