"""The relay: dead letters from the outbox into Kafka, each exactly once.

Kafka itself remembers what it has: the number of the last dead letter is committed as a group's offset inside the same
Kafka transaction. After any crash a new relay fences the old one (same transactional id), reads that number, deletes what
is delivered and goes on behind it. Numbers are given under a row lock, in commit order, so none appears behind the last.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

import psycopg
import structlog
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from sink_worker import faults
from sink_worker.control import Connection, Control, connect
from sink_worker.errors import public_message
from sink_worker.kafka_client import relay_clients
from sink_worker.metrics import Metrics
from sink_worker.rejected import RejectedStore
from sink_worker.settings import Settings

_log = structlog.get_logger("sink_worker.outbox")
PAGE: Final = 50  # of at most dlq.max_bytes each
KAFKA_SECONDS: Final = 30.0
_ENSURE = "INSERT INTO {schema}.relay (pipeline, topic, next_sequence, delivered) VALUES (%s, %s, 1, 0) ON CONFLICT DO NOTHING"
_LOCK = "SELECT next_sequence, delivered FROM {schema}.relay WHERE pipeline = %s AND topic = %s FOR UPDATE"
_NUMBER = """
WITH waiting AS (SELECT id, row_number() OVER (ORDER BY id) AS place FROM {schema}.outbox
                 WHERE pipeline = %(pipeline)s AND topic = %(topic)s AND sequence IS NULL ORDER BY id LIMIT %(page)s),
     numbered AS (UPDATE {schema}.outbox AS o SET sequence = %(next)s + w.place - 1
                  FROM waiting AS w WHERE o.id = w.id RETURNING 1)
UPDATE {schema}.relay SET next_sequence = %(next)s + (SELECT count(*) FROM numbered)
WHERE pipeline = %(pipeline)s AND topic = %(topic)s
"""
_PAGE = """
SELECT id, sequence, key, value, headers FROM {schema}.outbox
WHERE pipeline = %s AND topic = %s AND sequence > %s ORDER BY sequence LIMIT %s
"""
_DELIVERED = "UPDATE {schema}.relay SET delivered = %s WHERE pipeline = %s AND topic = %s AND delivered < %s"
_CLEAR = "DELETE FROM {schema}.outbox WHERE pipeline = %s AND topic = %s AND sequence <= %s"
_COUNT = "SELECT count(*) FROM {schema}.outbox WHERE pipeline = %s"


class Relay(threading.Thread):
    """One of a pipeline's workers relays at a time: the one that holds an advisory lock. Failures are waited for."""

    def __init__(self, settings: Settings, control: Control, rejected: RejectedStore, metrics: Metrics, worker: str,
                 known_tables: Callable[[], set[str]]) -> None:  # fmt: skip
        super().__init__(name="outbox-relay", daemon=True)
        self._settings = settings
        self._pipeline, self._topic = settings.kafka.group_id, settings.dlq.topic or ""
        self._control, self._rejected, self._metrics, self._worker = control, rejected, metrics, worker
        self._known_tables = known_tables
        self._sql = {name: control.statement(text) for name, text in (
            ("ensure", _ENSURE), ("lock", _LOCK), ("number", _NUMBER), ("page", _PAGE), ("delivered", _DELIVERED),
            ("clear", _CLEAR), ("count", _COUNT))}  # fmt: skip
        self._ending = threading.Event()
        self._connection: Connection | None = None
        self._clients: tuple[Producer, Consumer] | None = None
        self._last = 0

    def close(self) -> None:
        """End after the present page."""
        self._ending.set()
        if self.is_alive():
            self.join(5.0)

    def run(self) -> None:
        """The thread."""
        while not self._ending.wait(self._settings.dlq.poll_seconds):
            try:
                self._turn()
            except (psycopg.Error, KafkaException, OSError) as error:
                _log.warning("relay_waits", error=public_message(error))
                self._metrics.error("", type(error).__name__)
                self._drop()
                self._ending.wait(self._settings.retry.first_seconds)
        self._drop()

    def _turn(self) -> None:
        connection = self._open()
        if not self._leads(connection):
            return
        self._metrics.dlq_sizes(self._rejected.counts(connection), self._known_tables())
        while self._topic and not self._ending.is_set() and self._relay_page(connection):
            pass
        row = connection.execute(self._sql["count"], [self._pipeline]).fetchone()
        self._metrics.outbox.set(row[0] if row else 0)

    def _relay_page(self, connection: Connection) -> bool:
        """Deliver some dead letters; whether there may be more."""
        row = connection.execute(self._sql["count"], [self._pipeline]).fetchone()
        if row is None or row[0] == 0:
            return False
        producer, consumer = self._open_clients(connection)
        self._number(connection)
        page = connection.execute(self._sql["page"], [self._pipeline, self._topic, self._last, PAGE]).fetchall()
        if not page:
            return False
        self._produce(producer, consumer, page)
        faults.reach(faults.RELAY_COMMITTED)
        self._clear(connection, page[-1][1])
        return len(page) == PAGE

    def _number(self, connection: Connection) -> None:
        with connection.transaction():
            row = connection.execute(self._sql["lock"], [self._pipeline, self._topic]).fetchone()
            following = row[0] if row else 1
            connection.execute(
                self._sql["number"], {"pipeline": self._pipeline, "topic": self._topic, "next": following, "page": PAGE}
            )
            # Kafka will hold these numbers: they must not be given again after a crash of the server.
            connection.execute("SET LOCAL synchronous_commit = on")
        faults.reach(faults.RELAY_SEQUENCED)

    def _produce(self, producer: Producer, consumer: Consumer, page: list[Any]) -> None:
        producer.begin_transaction()
        for identity, _, key, value, headers in page:
            named = [(name, text.encode()) for name, text in headers] + [("cdc.outbox.id", str(identity).encode())]
            producer.produce(self._topic, value=bytes(value), key=None if key is None else bytes(key), headers=named)
        mark = TopicPartition(self._topic, 0, page[-1][1] + 1)
        producer.send_offsets_to_transaction([mark], consumer.consumer_group_metadata(), KAFKA_SECONDS)
        faults.reach(faults.RELAY_PRODUCED)
        producer.commit_transaction(KAFKA_SECONDS)

    def _clear(self, connection: Connection, delivered: int) -> None:
        with connection.transaction():
            connection.execute(self._sql["delivered"], [delivered, self._pipeline, self._topic, delivered])
            connection.execute(self._sql["clear"], [self._pipeline, self._topic, delivered])
        self._last = delivered
        faults.reach(faults.RELAY_CLEARED)

    def _open_clients(self, connection: Connection) -> tuple[Producer, Consumer]:
        """The clients; new ones first fence whoever relayed before, and learn how far that one came."""
        if self._clients is None:
            producer, consumer = relay_clients(self._settings, f"{self._worker}-relay")
            self._clients = producer, consumer
            producer.init_transactions(KAFKA_SECONDS)
            known = consumer.committed([TopicPartition(self._topic, 0)], timeout=KAFKA_SECONDS)[0]
            if known.error is not None:
                raise KafkaException(known.error)
            connection.execute(self._sql["ensure"], [self._pipeline, self._topic])
            row = connection.execute(self._sql["lock"], [self._pipeline, self._topic]).fetchone()
            self._clear(connection, max(known.offset - 1, row[1] if row else 0, 0))
        return self._clients

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings.postgres, "relay", self._pipeline)
            self._control.install(self._connection)
        return self._connection

    def _leads(self, connection: Connection) -> bool:
        if self._leading:
            return True
        name = f"sink-worker-relay:{self._control.schema}:{self._pipeline}"
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 2))", [name]).fetchone()
        self._leading = bool(row and row[0])
        return self._leading

    _leading = False  # the session's advisory lock is held

    def _drop(self) -> None:
        """Forget both sides: after an error only a new beginning knows what is true."""
        self._leading = False
        self._clients = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
