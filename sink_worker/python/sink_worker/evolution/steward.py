"""What of schema evolution happens beside the rows: declared indexes, the audit topic, the gauge of pending reviews."""

import json
import threading
import time
from typing import Any, Final

import psycopg
import structlog
from confluent_kafka import KafkaException, Producer

from sink_worker import faults
from sink_worker.control import Connection, Control, connect
from sink_worker.errors import public_message
from sink_worker.evolution.indexes import State, ensure_index
from sink_worker.evolution.metrics import EvolutionMetrics
from sink_worker.evolution.settings import IndexSettings
from sink_worker.evolution.store import EvolutionStore
from sink_worker.kafka_client import connection_properties, kafka_logger
from sink_worker.settings import Settings

_log = structlog.get_logger("sink_worker.steward")
PAGE: Final = 100
KAFKA_SECONDS: Final = 30.0
_UNPUBLISHED = """
SELECT id, pipeline, topic, table_schema || '.' || table_name, review, event, actor, detail, at FROM {schema}.schema_audit
WHERE pipeline = %s AND NOT published ORDER BY id LIMIT %s
"""
_GIN = "SELECT table_schema || '.' || table_name, unnest(gin) FROM {schema}.cell_tables ORDER BY 1, 2"
_PUBLISHED = "UPDATE {schema}.schema_audit SET published = true WHERE id = ANY (%s)"


class Steward(threading.Thread):
    """One of a pipeline's workers at a time: the one that holds an advisory lock. Failures are waited for."""

    def __init__(self, settings: Settings, control: Control, metrics: EvolutionMetrics, worker: str) -> None:
        super().__init__(name="schema-steward", daemon=True)
        self._settings, self._control, self._metrics, self._worker = settings, control, metrics, worker
        self._pipeline, self._topic = settings.kafka.group_id, settings.evolution.audit_topic
        self._store = EvolutionStore(control, self._pipeline, worker)
        self._unpublished, self._published = control.statement(_UNPUBLISHED), control.statement(_PUBLISHED)
        self._ending = threading.Event()
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._wishes = list(settings.evolution.indexes)
        self._map_tables = bool(settings.cassandra.topics) and settings.cassandra.gin_indexes
        self._gin = control.statement(_GIN)
        self._looked = -settings.evolution.cache_seconds

    def close(self) -> None:
        """End after the present step. An index that is being built is left to the server, which completes it."""
        self._ending.set()
        if self.is_alive():
            self.join(5.0)

    def run(self) -> None:
        """The thread."""
        while not self._ending.wait(self._settings.evolution.poll_seconds):
            try:
                self._turn()
            except (psycopg.Error, KafkaException, OSError) as error:
                _log.warning("steward_waits", error=public_message(error))
                self._drop()
        self._drop()

    def _turn(self) -> None:
        connection = self._open()
        name = f"sink-worker-steward:{self._control.schema}:{self._pipeline}"
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 2))", [name]).fetchone()
        if row is None or not row[0]:
            self._metrics.pending({})  # the leader tells
            self._drop()
            return
        self._metrics.pending(self._store.pending(connection))
        while self._topic is not None and self._publish(connection, self._topic):
            pass
        self._build(connection)

    def _publish(self, connection: Connection, topic: str) -> bool:
        """Send some audit records, oldest first; whether there may be more. A crash before they are marked sends them again."""
        page = connection.execute(self._unpublished, [self._pipeline, PAGE]).fetchall()
        if not page:
            return False
        producer = self._producer = self._producer or Producer(self._properties(), logger=kafka_logger())
        failures: list[Any] = []
        for row in page:
            key, value, headers = audit_record(row)
            producer.produce(
                topic, value, key, headers=headers, on_delivery=lambda error, _: failures.append(error) if error else None
            )
        if producer.flush(KAFKA_SECONDS) or failures:
            raise KafkaException(failures[0] if failures else f"{topic} took no records within {KAFKA_SECONDS:.0f} s")
        faults.reach(faults.SCHEMA_PUBLISHED)
        connection.execute(self._published, [[row[0] for row in page]])
        return len(page) == PAGE

    def _build(self, connection: Connection) -> None:
        now = time.monotonic()
        if not (self._wishes or self._map_tables) or now - self._looked < self._settings.evolution.cache_seconds:
            return
        self._looked = now
        for wish in [*self._wishes, *self._maps(connection)]:
            if self._ending.is_set():
                return
            self._build_one(connection, wish)

    def _maps(self, connection: Connection) -> list[IndexSettings]:
        """The indexes on maps of Cassandra's tables, as far as these are known by now."""
        if not self._map_tables:
            return []
        found = connection.execute(self._gin).fetchall()
        return [IndexSettings(table=table, columns=[column], method="gin") for table, column in found]

    def _build_one(self, connection: Connection, wish: IndexSettings) -> None:
        try:
            state = ensure_index(connection, wish)
        except psycopg.Error as error:
            if connection.closed:
                raise
            self._metrics.changes.labels(wish.table, "index_failed").inc()
            _log.error("index_failed", table=wish.table, columns=wish.columns, error=public_message(error))
            return
        if state is State.BUILT:
            self._metrics.changes.labels(wish.table, "index_built").inc()

    def _properties(self) -> dict[str, Any]:
        properties = connection_properties(self._settings.kafka, f"{self._worker}-schema-audit")
        return {**properties, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5}

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings.postgres, "steward", self._pipeline)
            self._control.install(self._connection)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def audit_record(row: tuple[Any, ...]) -> tuple[bytes, bytes, list[tuple[str, str | bytes | None]]]:
    """Key (``schema.table``), value (JSON) and headers of one record; its id tells a record that was sent twice."""
    identity, pipeline, topic, table, review, event, actor, detail, at = row
    value = {
        "id": identity, "event": event, "pipeline": pipeline, "topic": topic, "table": table, "review": review, "actor": actor,
        "at": at.isoformat(), **detail,
    }  # fmt: skip
    return table.encode(), json.dumps(value, ensure_ascii=False).encode(), [("cdc.schema.audit.id", str(identity))]
