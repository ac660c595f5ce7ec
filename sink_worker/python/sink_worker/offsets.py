"""The stored offsets: claim a partition (raising its epoch), advance it in the transaction of the rows, or be fenced."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import structlog

from sink_worker.control import Connection, Control, application_name
from sink_worker.errors import FencedError

_log = structlog.get_logger("sink_worker.offsets")

_CLAIM = """
INSERT INTO {schema}.offsets AS o (pipeline, cluster_id, topic, topic_id, "partition", epoch, next_offset, worker)
SELECT %(pipeline)s, %(cluster)s, n.topic, n.topic_id, n.number, 1, n.start, %(worker)s
FROM unnest(%(topics)s::text[], %(ids)s::text[], %(numbers)s::int[], %(starts)s::bigint[])
     AS n (topic, topic_id, number, start)
ORDER BY n.topic, n.number
ON CONFLICT (pipeline, cluster_id, topic, topic_id, "partition")
DO UPDATE SET epoch = o.epoch + 1, worker = excluded.worker, claimed_at = now()
RETURNING topic, "partition", topic_id, epoch, next_offset
"""
_ADVANCE = """
UPDATE {schema}.offsets AS o SET next_offset = n.next_offset, updated_at = now()
FROM unnest(%(topics)s::text[], %(ids)s::text[], %(numbers)s::int[], %(epochs)s::bigint[], %(expected)s::bigint[],
            %(next)s::bigint[]) AS n (topic, topic_id, number, epoch, expected, next_offset)
WHERE o.pipeline = %(pipeline)s AND o.cluster_id = %(cluster)s AND o.topic = n.topic AND o.topic_id = n.topic_id
  AND o."partition" = n.number AND o.epoch = n.epoch AND o.next_offset = n.expected
"""
_STORED = """
SELECT o.topic, o."partition", o.epoch, o.next_offset FROM {schema}.offsets AS o
JOIN unnest(%(topics)s::text[], %(ids)s::text[], %(numbers)s::int[]) AS n (topic, topic_id, number)
  ON o.topic = n.topic AND o.topic_id = n.topic_id AND o."partition" = n.number
WHERE o.pipeline = %(pipeline)s AND o.cluster_id = %(cluster)s
"""
_MOVE = """
UPDATE {schema}.offsets SET next_offset = %(next)s, updated_at = now()
WHERE pipeline = %(pipeline)s AND cluster_id = %(cluster)s AND topic = %(topic)s AND topic_id = %(id)s
  AND "partition" = %(number)s AND epoch = %(epoch)s AND next_offset = %(expected)s
"""
# A session of this pipeline that is inside a transaction with offsets locked, and waits for its client to send, for long.
_ZOMBIES = """
SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_stat_activity AS a
WHERE a.usename = current_user AND a.datname = current_database() AND a.application_name LIKE %(like)s
  AND a.pid <> pg_backend_pid() AND a.wait_event = 'ClientRead' AND a.state <> 'idle'
  AND greatest(a.query_start, a.state_change) < clock_timestamp() - make_interval(secs => %(seconds)s)
  AND EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid AND l.relation = to_regclass(%(relation)s))
"""


@dataclass(frozen=True, slots=True)
class Start:
    """A partition to claim, and the offset to begin at when PostgreSQL does not know it."""

    topic: str
    topic_id: str
    number: int
    offset: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed partition."""

    topic: str
    number: int
    topic_id: str
    epoch: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Advance:
    """One partition's step inside a batch: from ``expected`` to ``next_offset``, as the holder of ``epoch``."""

    topic: str
    number: int
    topic_id: str
    epoch: int
    expected: int
    next_offset: int


class OffsetStore:
    """Statements on ``offsets`` for one pipeline on one cluster. Every call takes the connection to use."""

    def __init__(self, control: Control, pipeline: str, cluster_id: str, worker: str) -> None:
        self._base = {"pipeline": pipeline, "cluster": cluster_id, "worker": worker}
        self._claim, self._advance, self._stored, self._move = map(control.statement, (_CLAIM, _ADVANCE, _STORED, _MOVE))
        self._relation = f'"{control.schema}".offsets'
        self._like = application_name(pipeline, "writer").replace("_", r"\_").replace("%", r"\%") + "%"

    def claim(self, connection: Connection, starts: Sequence[Start], lock_seconds: float) -> list[Claim]:
        """Take the partitions: whoever held them can write no more. Waits for a transaction that holds one of them.

        psycopg.errors.LockNotAvailable after ``lock_seconds``; see :meth:`end_zombies`.
        """
        values = {
            **self._base, "topics": [s.topic for s in starts], "ids": [s.topic_id for s in starts],
            "numbers": [s.number for s in starts], "starts": [s.offset for s in starts],
        }  # fmt: skip
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{int(lock_seconds * 1000)}ms"])
            rows = connection.execute(self._claim, values).fetchall()
        return [Claim(topic, number, topic_id, epoch, offset) for topic, number, topic_id, epoch, offset in rows]

    def advance(self, connection: Connection, steps: Sequence[Advance]) -> bool:
        """Move the offsets inside the caller's transaction. False: they stood at their goals already.

        That is so when a COMMIT went through whose answer was lost. :class:`FencedError` when anything else is stored.
        """
        ordered = sorted(steps, key=lambda step: (step.topic, step.number))
        values = {
            **self._base, **_columns(ordered), "epochs": [s.epoch for s in ordered],
            "expected": [s.expected for s in ordered], "next": [s.next_offset for s in ordered],
        }  # fmt: skip
        moved = connection.execute(self._advance, values, prepare=True).rowcount
        if moved == len(ordered):
            return True
        found = connection.execute(self._stored, {**self._base, **_columns(ordered)}).fetchall()
        stored = {(topic, number): (epoch, offset) for topic, number, epoch, offset in found}
        # Those moved just now stand at their goals too: only when none moved can the whole batch be in already.
        wrong = [s for s in ordered if stored.get((s.topic, s.number)) != (s.epoch, s.next_offset)]
        if not wrong and moved == sum(s.expected == s.next_offset for s in ordered):
            return False
        raise FencedError([(s.topic, s.number) for s in wrong or ordered])

    def move(self, connection: Connection, claim: Claim, next_offset: int) -> bool:
        """Jump over events that the log no longer has, as the partition's holder. False: it is not held any more."""
        values = {**self._base, "topic": claim.topic, "id": claim.topic_id, "number": claim.number, "epoch": claim.epoch,
                  "expected": claim.next_offset, "next": next_offset}  # fmt: skip
        return connection.execute(self._move, values).rowcount == 1

    def end_zombies(self, connection: Connection, seconds: int) -> int:
        """End sessions of this pipeline that hold offsets in a transaction and have sent nothing for ``seconds``."""
        values = {"like": self._like, "seconds": seconds, "relation": self._relation}
        ended = connection.execute(_ZOMBIES, values).fetchall()
        for pid, done in ended:
            _log.warning("zombie_session_ended", backend_pid=pid, ended=done)
        return len(ended)


def _columns(steps: Sequence[Advance]) -> dict[str, list[str] | list[int]]:
    return {"topics": [s.topic for s in steps], "ids": [s.topic_id for s in steps], "numbers": [s.number for s in steps]}


def is_lock_timeout(error: BaseException) -> bool:
    """Whether another transaction holds what was wanted."""
    return isinstance(error, psycopg.errors.LockNotAvailable)
