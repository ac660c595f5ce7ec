"""The writer itself for a topic of Cassandra's, and the replay of what it refused, without Kafka: to a real PostgreSQL."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sink_worker._native import Batch
from sink_worker.cassandra.cells import CellMetrics, Cells
from sink_worker.cassandra.source import CellSource, cell_hint, decode_cells
from sink_worker.control import Connection
from sink_worker.dlq import rejection_of_reject
from sink_worker.masking import Masking
from sink_worker.metrics import Metrics
from sink_worker.offsets import Advance
from sink_worker.open_keys import OpenKeys
from sink_worker.rejected import OpenRejection, RejectedStore
from sink_worker.replay import Attempt, Replay
from sink_worker.tables import hint_of, look_up
from sink_worker.work import Event, Part, Work
from sink_worker.writer import Outcome, Stores, Writer

from sink_worker import faults
from tests.sink.native.cell_postgres import Merging, Record


@dataclass
class FakeMessage:
    """A double of confluent_kafka.Message."""

    number: int
    content: Record

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number

    def key(self) -> bytes | None:
        return self.content[0]

    def value(self) -> bytes | None:
        return self.content[1]

    def timestamp(self) -> tuple[int, int]:
        return 1, time.time_ns() // 1_000_000

    def headers(self) -> list[tuple[str, bytes | None]]:
        return []


@dataclass
class FakeImage:
    """A double of a row that was read."""

    key: Mapping[str, Any]
    read_at: int
    values: Mapping[str, Any] | None


@dataclass
class FakeRereader:
    """A double of Cassandra: rows by their keys, and what was asked."""

    rows: dict[int, Mapping[str, Any]]
    asked: list[tuple[str, str, list[Mapping[str, Any]]]] = field(default_factory=list)

    def read(self, keyspace: str, table: str, keys: Sequence[Mapping[str, Any]]) -> Sequence[FakeImage]:
        self.asked.append((keyspace, table, list(keys)))
        return [FakeImage(key, time.time_ns() // 1000, self.rows.get(key["id"])) for key in keys]


def part_of(merging: Merging, messages: Sequence[Any]) -> Part:
    """Messages as the loop hands them to a writer."""
    cassandra, route = merging.settings.cassandra, merging.route

    def hint() -> Any:
        known = hint_of(look_up(merging.connection, route), route)
        return cell_hint(cassandra, route.topic, {column.name: column.pg_type for column in known.columns}, merging.masks)

    own = hint()

    def decode(some: Sequence[Any]) -> Batch:
        return decode_cells(merging.decoder, own, some)

    batch = decode(messages)
    refused = [rejection_of_reject(route.topic, reject, messages[reject.index]) for reject in batch.rejects]
    return Part(route.topic, route, batch, messages, {}, refused, decode, CellSource(merging.decoder, hint))


class Killed(BaseException):
    """What ends a writer at a named step. No handler of it takes this for an error."""


@contextlib.contextmanager
def killed_at(at: int | None) -> Iterator[None]:
    """Whatever is in here ends at the named step that it comes to as the ``at``-th (from 0); None: it does not."""
    reach, seen = faults.reach, [0]

    def counting(step: str) -> None:
        if seen[0] == at:
            raise Killed(step)
        seen[0] += 1

    faults.reach = counting
    try:
        yield
    finally:
        faults.reach = reach


class FakePartitions:
    """A double: every part follows what is stored. That is other tests' matter."""

    def steps(self, topic: str, _: object) -> tuple[list[Advance], list[Any]]:
        return [Advance(topic, 0, "id", 0, 0, 1)], []


class FakeOffsets:
    """A double that moves whatever it is told to."""

    def advance(self, *_: object) -> bool:
        return True


class FakeTables:
    """A double: no topic here has rows of its own."""

    def begin(self) -> None: ...
    def forget(self) -> None: ...
    def confirm(self, *_: object) -> None: ...


class FakeTracing:
    """A double that traces nothing."""

    def span(self, *_: object, **__: object) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def links(self, _: object) -> list[Any]:
        return []


class FakePatience:
    """A double that does not try again: what the environment did to a test is its failure."""

    waiting = False

    def wake(self) -> None: ...

    def run(self, attempt: Callable[[int], Outcome], _: object) -> Outcome:
        return attempt(1)


class CellWriter:
    """Writes messages of one topic; ``told`` is what the loop would hear."""

    def __init__(self, merging: Merging, rereader: FakeRereader | None = None) -> None:
        self.merging = merging
        self.told: list[Event] = []
        self._rereader = rereader
        pipeline = merging.settings.kafka.group_id
        masking = Masking(merging.settings.masking)
        self.rejected = RejectedStore(merging.control, pipeline, "", merging.settings.dlq, masking)
        self._writer = self._new()
        self._sent = 0

    def write(self, records: Sequence[Record], *, kill: int | None = None) -> bool:
        """One batch; whether it was written (False: the worker was killed, and a new one is there)."""
        messages = [FakeMessage(self._sent + number, record) for number, record in enumerate(records)]
        try:
            with killed_at(kill):
                done = self._writer.write(Work([part_of(self.merging, messages)]), lambda: False)
        except Killed:
            self._writer.close()
            self._writer = self._new()
            return False
        assert done is not None or self.told, "nothing was written, and nobody was told"
        self._sent += len(records) if done is not None else 0
        return done is not None

    def close(self) -> None:
        """End its session."""
        self._writer.close()

    def statuses(self) -> dict[int, tuple[str, str]]:
        """Offset → error class and status of what was refused."""
        rows = self.merging.connection.execute(
            'SELECT "offset", error_class, status FROM cdc_sink.rejected WHERE topic = %s ORDER BY "offset"',
            [self.merging.route.topic],
        )
        return {offset: (error_class, status) for offset, error_class, status in rows}

    def _new(self) -> Writer:
        merging = self.merging
        stores = Stores(cast("Any", FakeOffsets()), self.rejected, cast("Any", FakePartitions()), OpenKeys())
        cells = Cells(merging.settings, merging.control, CellMetrics(Metrics("test").registry), self._rereader,
                      merging.evolution)  # fmt: skip
        tables, patience, tracing = cast("Any", FakeTables()), cast("Any", FakePatience()), cast("Any", FakeTracing())
        return Writer(merging.settings, stores, tables, patience, "test", self.told.append, tracing, cells)


class CellReplaying:
    """``sink-worker replay`` of one topic, event by event."""

    def __init__(self, writer: CellWriter) -> None:
        self._rejected = writer.rejected
        self._merging = writer.merging
        self._replay = Replay(self._merging.settings)
        self._connection = self._open()

    def open(self) -> list[OpenRejection]:
        """What waits."""
        return self._rejected.open_rejections(self._connection, [self._merging.route.topic], None, 10_000)

    def attempt(self, rejection: OpenRejection, *, kill: int | None = None) -> Attempt | None:
        """One try; None: it was killed."""
        try:
            with killed_at(kill):
                return self._replay.attempt(self._connection, rejection)
        except Killed:
            self._connection.close()
            self._connection = self._open()
            return None

    def close(self) -> None:
        """Let everything go."""
        self._connection.close()
        self._replay.close()

    def _open(self) -> Connection:
        connection = self._merging.open()
        self._replay.prepare(connection)
        return connection
