"""One taxonomy of what can go wrong: which failures are the environment's, the table's or a single row's.

    retryable  the environment: connection, resources, locks, a read-only or full server. Waited for, never a dead letter.
    poison     one row's own data. Isolated, written to the outbox as a dead letter, its neighbours go in.
    table      the target table and the events do not fit. The topic is halted (or its rows are rejected, by setting).
    fatal      a defect or a setting that no waiting repairs. The process ends with a message.

Source of the classes: PostgreSQL's appendix "PostgreSQL Error Codes".
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import psycopg
import redis
from confluent_kafka import KafkaException


class SinkError(Exception):
    """A failure with a whole message; the command line shows no traceback for it."""

    exit_code = 1


class SettingsError(SinkError):
    """Settings that are refused, with every problem found in them."""

    exit_code = 2


class FatalError(SinkError):
    """No waiting repairs this."""


class RegistryUnavailableError(SinkError):
    """The schema registry gave no definite answer: an environment failure."""


class FencedError(SinkError):
    """Another worker owns a partition of the batch by now, or the stored offset is not what this one expects."""

    def __init__(self, partitions: list[tuple[str, int]]) -> None:
        self.partitions = partitions
        named = ", ".join(f"{topic}[{partition}]" for topic, partition in partitions)
        super().__init__(f"the stored offsets of {named} are no longer this worker's; nothing was written")


class TableError(SinkError):
    """A table and the events of a topic do not fit. ``reason`` is a short stable word, for metrics and for inspection."""

    def __init__(self, topic: str, reason: str, message: str) -> None:
        self.topic = topic
        self.reason = reason
        super().__init__(message)


class ReviewChangedError(SinkError):
    """A schema review was decided between the look at the table and the transaction: look again."""


class AbortedError(SinkError):
    """The batch was given up on purpose (revoked, lost, shutting down); its transaction was rolled back."""


class Kind(StrEnum):
    """What to do about a failure."""

    RETRYABLE = "retryable"
    POISON = "poison"
    TABLE = "table"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A failure, judged. ``counts`` says whether the circuit breaker counts it; ``reconnect``, whether to dial anew."""

    kind: Kind
    error_type: str
    counts: bool = True
    reconnect: bool = False


LOCKED: Final = "locked"
"""The reason of a :class:`TableError` that ends by itself."""
_CONTENTION = {"40001", "40P01", "55P03", "55006", "57014"}
_TABLE_STATES = {"3F000", "42501", "42703", "42704", "42804", "42809", "42846", "42883", "42P01", "42P07", "42P10", "42P16",
                 "0A000", "428C9"}  # fmt: skip
_POISON_CLASSES = {"21", "22", "23", "44", "54", "P0"}
_STAYS_CONNECTED = {"53100", "53400"}


def classify(error: BaseException) -> Verdict:
    """Judge any exception of a write. What is unknown from PostgreSQL is retryable, so that no row is refused for it."""
    if isinstance(error, psycopg.Error):
        return _of_sqlstate(error)
    if isinstance(error, TableError):
        return Verdict(Kind.TABLE, error.reason, counts=False)
    if isinstance(error, ReviewChangedError):
        return Verdict(Kind.RETRYABLE, "review_changed", counts=False)
    if isinstance(error, (redis.RedisError, KafkaException, RegistryUnavailableError, OSError)):
        return Verdict(Kind.RETRYABLE, type(error).__name__)
    return Verdict(Kind.FATAL, type(error).__name__, counts=False)


def _of_sqlstate(error: psycopg.Error) -> Verdict:
    state = error.sqlstate
    if state is None:
        # No server said this: the connection is gone; anything else is a misuse of the client library, which is a defect.
        lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
        return Verdict(Kind.RETRYABLE if lost else Kind.FATAL, type(error).__name__, counts=lost, reconnect=True)
    name = f"{type(error).__name__}:{state}"
    if state in _CONTENTION:
        return Verdict(Kind.RETRYABLE, name, counts=False)
    if state in _TABLE_STATES:
        return Verdict(Kind.TABLE, name, counts=False)
    if state[:2] in _POISON_CLASSES:
        return Verdict(Kind.POISON, name, counts=False)
    return Verdict(Kind.RETRYABLE, name, reconnect=state not in _STAYS_CONNECTED)


def public_message(error: BaseException) -> str:
    """What a log may say of an error: a server's messages quote values of rows, so only their place is named."""
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return str(error)
    verdict = _of_sqlstate(error)
    if verdict.kind is not Kind.POISON:
        return f"{error.sqlstate}: {error.diag.message_primary or type(error).__name__}"
    where = [("table", error.diag.table_name), ("column", error.diag.column_name), ("constraint", error.diag.constraint_name)]
    return f"{error.sqlstate} {type(error).__name__}" + "".join(f", {kind} {name}" for kind, name in where if name)
