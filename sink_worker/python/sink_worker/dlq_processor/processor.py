"""Turns of the processor: take up dead letters, try transient events again, archive what is permanent or used up, forget.

Every step's outcome is in PostgreSQL in the transaction of the rows that it writes, so that a process that dies anywhere has
lost nothing and applied nothing twice; at worst a failed try is not counted. One processor of a pipeline works at a time: the
one that holds an advisory lock.
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

import psycopg
import structlog
from confluent_kafka import KafkaException

from sink_worker import faults
from sink_worker.control import Connection, Control, connect
from sink_worker.dlq_processor.correcting import Correcting
from sink_worker.dlq_processor.event_row import masked_columns
from sink_worker.dlq_processor.kinds import Kind, wait_after
from sink_worker.dlq_processor.letters import LetterReader
from sink_worker.dlq_processor.monitor import ProcessorMetrics
from sink_worker.dlq_processor.store import DlqStore, OpenEvent
from sink_worker.errors import FatalError, SinkError, public_message
from sink_worker.pauses import REASON as PAUSED
from sink_worker.replay import Attempt, Replay, Result
from sink_worker.settings import Settings

_log = structlog.get_logger("sink_worker.dlq")
NAME: Final = "dlq-processor"
ATTEMPTS_USED: Final = "attempts used up"
PERMANENT: Final = "permanent"
MALFORMED: Final = "malformed"
Advance = Callable[[], None]


class Busy(SinkError):
    """Another processor of this pipeline is at work."""


class Processor:
    """Used by one thread. ``close`` when done."""

    def __init__(self, settings: Settings, metrics: ProcessorMetrics | None = None) -> None:
        self._settings = settings
        self._own = settings.dlq_processor
        self._pipeline = settings.kafka.group_id
        self._control = Control(settings.postgres.control_schema)
        self.store = DlqStore(self._control, self._pipeline, self._own)
        self.metrics = metrics or ProcessorMetrics()
        self.replay = Replay(settings)
        self.correcting = Correcting(self.store, self.replay, lambda row: masked_columns(row.route))
        self._letters = LetterReader(settings, self._control) if self._own.read_topic and settings.dlq.topic else None
        self._connection: Connection | None = None
        self._leading = False

    def run(self, stop: threading.Event) -> None:
        """Turn until told to stop; the environment's failures are waited for, a busy other processor too."""
        while not stop.is_set():
            try:
                self.turn()
                self.metrics.healthy = True
            except Busy:
                self.metrics.healthy = True
            except (psycopg.Error, KafkaException, OSError, SinkError) as error:
                if isinstance(error, FatalError):
                    raise
                _log.warning("dlq_waits", error=public_message(error))
                self.metrics.healthy = False
                self.close_connection()
            stop.wait(self._own.poll_seconds)
        self.close()

    def turn(self, advance: Advance = lambda: None) -> Counter[str]:
        """One turn; how many events came to each outcome. :class:`Busy` when another processor is at work."""
        connection = self.open()
        self._lead(connection)
        counts: Counter[str] = Counter()
        if self._letters is not None:
            counts.update(self._letters.take_up(connection))
        for event in self.store.open_events(connection, Kind.PERMANENT):
            counts[self._put_away(connection, event, PERMANENT)] += 1
            advance()
        for event in self.store.open_events(connection, Kind.TRANSIENT, due=True):
            counts[self.try_again(connection, event)] += 1
            advance()
        counts["forgotten"] += self.store.purge(connection)
        self.metrics.turned(counts, self.store.summary(connection))
        return +counts

    def try_again(self, connection: Connection, event: OpenEvent, *, dry_run: bool = False) -> str:
        """One try of an event, and what becomes of it: a :class:`Result`, ``paused``, ``archived`` or ``malformed``."""
        if event.event is None:
            return MALFORMED if dry_run else self._put_away(connection, event, MALFORMED)
        attempt = self.replay.attempt(connection, event.event, dry_run=dry_run)
        if dry_run:
            return attempt.result.value
        if attempt.result not in {Result.FAILED, Result.UNDECIDED}:
            _log.info("dead_letter_settled", id=event.id, topic=event.topic, result=attempt.result)
            return attempt.result.value
        if attempt.error_class == PAUSED:
            return PAUSED
        return self._tried(connection, event, attempt)

    def open(self) -> Connection:
        """The connection, ready for tries."""
        if self._connection is None or self._connection.closed:
            self._leading = False  # the lead is the session's
            self._connection = connect(self._settings.postgres, NAME, self._pipeline)
            self.replay.prepare(self._connection)
        return self._connection

    def close_connection(self) -> None:
        """Also gives the lead up."""
        self._leading = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Let everything go."""
        self.close_connection()
        self.replay.close()
        if self._letters is not None:
            self._letters.close()

    def _tried(self, connection: Connection, event: OpenEvent, attempt: Attempt) -> str:
        if event.attempts + 1 >= self._own.attempts:
            with connection.transaction():
                self._note(connection, event, attempt)
                self.store.archive(connection, event.id, ATTEMPTS_USED, NAME)
            return "archived"
        self._note(connection, event, attempt)
        return attempt.result.value

    def _note(self, connection: Connection, event: OpenEvent, attempt: Attempt) -> None:
        wait = wait_after(event.attempts + 1, self._own)
        self.store.attempted(connection, event, wait, attempt.error_class or None, attempt.why or None)
        faults.reach(faults.DLQ_ATTEMPTED)

    def _put_away(self, connection: Connection, event: OpenEvent, reason: str) -> str:
        if not self.store.archive(connection, event.id, MALFORMED if event.event is None else reason, NAME):
            return Result.SUPERSEDED.value
        faults.reach(faults.DLQ_ARCHIVED)
        _log.warning("dead_letter_archived", id=event.id, topic=event.topic, error_type=event.error_class)
        return "archived" if event.event is not None else MALFORMED

    def _lead(self, connection: Connection) -> None:
        if self._leading:
            return
        name = f"sink-worker-dlq:{self._control.schema}:{self._pipeline}"
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 4))", [name]).fetchone()
        if not (row and row[0]):
            raise Busy(f"another DLQ processor of pipeline {self._pipeline} is at work; end it, or let it do this")
        self._leading = True
