"""The relay: dead letters from the outbox into Kafka, each exactly once.

Kafka itself is asked what it has. Before letters are sent they get numbers, and the ends of their topic are stored with
them; after any crash a new relay fences the old one (same transactional id), reads the topic from those ends on for the
highest number that was committed, deletes what is delivered and goes on behind it. Numbers are given under a row lock, in
commit order, so none appears behind the last. What bounds this is the topic's own retention.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

import psycopg
import structlog
from confluent_kafka import KafkaException
from psycopg.types.json import Json

from sink_worker import faults
from sink_worker.control import Connection, Control, connect
from sink_worker.dlq import OUTBOX_ID_HEADER
from sink_worker.errors import public_message
from sink_worker.kafka_client import Cluster
from sink_worker.letter_topic import Headers, Letter, LetterTopic
from sink_worker.metrics import Metrics
from sink_worker.rejected import RejectedStore
from sink_worker.settings import Settings

_log = structlog.get_logger("sink_worker.outbox")
PAGE: Final = 50  # of at most dlq.max_bytes each
_ENSURE = "INSERT INTO {schema}.relay (pipeline, topic, next_sequence, delivered) VALUES (%s, %s, 1, 0) ON CONFLICT DO NOTHING"
_LOCK = "SELECT next_sequence, delivered, ends FROM {schema}.relay WHERE pipeline = %s AND topic = %s FOR UPDATE"
_NUMBER = """
WITH waiting AS (SELECT id, row_number() OVER (ORDER BY id) AS place FROM {schema}.outbox
                 WHERE pipeline = %(pipeline)s AND topic = %(topic)s AND sequence IS NULL ORDER BY id LIMIT %(page)s),
     numbered AS (UPDATE {schema}.outbox AS o SET sequence = %(next)s + w.place - 1
                  FROM waiting AS w WHERE o.id = w.id RETURNING 1)
UPDATE {schema}.relay SET next_sequence = %(next)s + (SELECT count(*) FROM numbered), ends = %(ends)s
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

    def __init__(self, settings: Settings, control: Control, rejected: RejectedStore, cluster: Cluster, metrics: Metrics,
                 worker: str, known_tables: Callable[[], set[str]]) -> None:  # fmt: skip
        super().__init__(name="outbox-relay", daemon=True)
        self._settings = settings
        self._pipeline, self._topic = settings.kafka.group_id, settings.dlq.topic or ""
        self._control, self._rejected, self._metrics, self._worker = control, rejected, metrics, worker
        self._cluster = cluster
        self._known_tables = known_tables
        self._sql = {name: control.statement(text) for name, text in (
            ("ensure", _ENSURE), ("lock", _LOCK), ("number", _NUMBER), ("page", _PAGE), ("delivered", _DELIVERED),
            ("clear", _CLEAR), ("count", _COUNT))}  # fmt: skip
        self._ending = threading.Event()
        self._connection: Connection | None = None
        self._letters: LetterTopic | None = None
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
        self._metrics.dlq_waits(self._rejected.waiting(connection), self._known_tables())
        while self._topic and not self._ending.is_set() and self._relay_page(connection):
            pass
        row = connection.execute(self._sql["count"], [self._pipeline]).fetchone()
        self._metrics.outbox.set(row[0] if row else 0)

    def _relay_page(self, connection: Connection) -> bool:
        """Deliver some dead letters; whether there may be more."""
        row = connection.execute(self._sql["count"], [self._pipeline]).fetchone()
        if row is None or row[0] == 0:
            return False
        letters = self._open_letters(connection)
        self._number(connection, letters)
        page = connection.execute(self._sql["page"], [self._pipeline, self._topic, self._last, PAGE]).fetchall()
        if not page:
            return False
        letters.send(_letter(*row) for row in page)
        faults.reach(faults.RELAY_COMMITTED)
        self._clear(connection, page[-1][1])
        return len(page) == PAGE

    def _number(self, connection: Connection, letters: LetterTopic) -> None:
        ends = Json(letters.ends())
        with connection.transaction():
            row = connection.execute(self._sql["lock"], [self._pipeline, self._topic]).fetchone()
            following = row[0] if row else 1
            given = {"pipeline": self._pipeline, "topic": self._topic, "next": following, "page": PAGE, "ends": ends}
            connection.execute(self._sql["number"], given)
            # Kafka will hold these numbers: they must not be given again after a crash of the server.
            connection.execute("SET LOCAL synchronous_commit = on")
        faults.reach(faults.RELAY_SEQUENCED)

    def _clear(self, connection: Connection, delivered: int) -> None:
        with connection.transaction():
            connection.execute(self._sql["delivered"], [delivered, self._pipeline, self._topic, delivered])
            connection.execute(self._sql["clear"], [self._pipeline, self._topic, delivered])
        self._last = delivered
        faults.reach(faults.RELAY_CLEARED)

    def _open_letters(self, connection: Connection) -> LetterTopic:
        """The topic; when it is new here, whoever relayed before is fenced, and how far that one came is looked up."""
        if self._letters is None:
            letters = LetterTopic(self._settings, self._cluster, f"{self._worker}-relay")
            letters.take_over()
            connection.execute(self._sql["ensure"], [self._pipeline, self._topic])
            row = connection.execute(self._sql["lock"], [self._pipeline, self._topic]).fetchone()
            _, delivered, ends = row or (1, 0, {})
            self._clear(connection, max(delivered, letters.last_behind(ends) if ends else 0))
            self._letters = letters
        return self._letters

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
        self._letters = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _letter(identity: int, sequence: int, key: Any, value: Any, headers: list[tuple[str, str]]) -> Letter:
    """A row of the outbox."""
    named: Headers = [(name, text.encode()) for name, text in headers]
    named.append((OUTBOX_ID_HEADER, str(identity).encode()))
    return Letter(sequence, None if key is None else bytes(key), bytes(value), named)
