"""Writes a backup's records into a cluster, so that a run that is killed anywhere repeats none of them.

Chunks are written in transactions, and each transaction also holds one record, in a topic of the restore's own, that says which
chunks are in it and at which offsets they begin. Either all of that is there, or nothing. The next run reads that topic first;
its producer has the same transactional id, which ends what an earlier one had open and shuts that one out.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from operations.backup.chunks import Records, decode
from operations.backup.errors import BackupError
from operations.backup.manifest import File, Manifest
from operations.backup.sealing import Seal
from operations.backup.store import Store
from operations.backup.verify import read_file
from operations.live.kafka import Cluster, Partition, Settings, UnreachableError
from operations.live.kafka_admin import QUIET

TRANSACTION_BYTES = 16 << 20
"""Of stored files; of records, several times that, which the producer holds in memory until they are acknowledged."""

TRANSACTION_RECORDS = 250_000
_AHEAD = 3
_ANSWER_SECONDS = 120
SETTINGS: Mapping[str, Any] = {
    "compression.type": "lz4",
    "linger.ms": 20,
    "batch.size": 1 << 20,
    "queue.buffering.max.messages": 2_000_000,
    "queue.buffering.max.kbytes": 2_000_000,
    "transaction.timeout.ms": 300_000,
}
In = TypeVar("In")
Out = TypeVar("Out")


def control_topic(backup: str) -> str:
    """Where the restore of one backup keeps how far it is; gone once it is done."""
    return f"cdc-restore.{backup}"


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a chunk was written: its first record is at offset ``first``, and the others stand behind it without a gap."""

    file: File
    first: int


def read_progress(target: Cluster, manifest: Manifest) -> dict[str, int]:
    """The chunks that are written, by name, with the new offset of each one's first record."""
    found: dict[str, int] = {}
    for _, entries in sorted(target.newest(control_topic(manifest.id), 1).items()):
        found |= {str(name): int(first) for name, first in (entries or {}).items()}
    return found


@dataclass
class Loader:
    """Writes chunks. ``tell`` is told of records written, of all."""

    store: Store
    manifest: Manifest
    seal: Seal
    settings: Settings
    tell: Callable[[int, int], None]
    _seen: dict[str, list[int]] = field(default_factory=dict)
    _errors: list[KafkaError] = field(default_factory=list)

    def load(self, read_done: Callable[[], Mapping[str, int]]) -> dict[str, int]:
        """Everything that is not done yet; gives what is done then. ``read_done`` is asked once nothing of an earlier run can
        be committed any more."""
        files = [file for file in self.manifest.files if file.topic]
        if not files:
            return {}
        producer = self._producer()
        placed = dict(read_done())
        left = [file for file in files if file.name not in placed]
        total, written = self.manifest.records, self.manifest.records - sum(file.records for file in left)
        try:
            chunks = ahead(lambda file: decode(read_file(self.store, self.manifest, self.seal, file)), left)
            for group in _grouped(left):
                placed |= self._transaction(producer, [(file, next(chunks)) for file in group])
                written += sum(file.records for file in group)
                self.tell(written, total)
        except KafkaException as error:
            raise self._failed(error.args[0]) from None
        return placed

    def _producer(self) -> Producer:
        own = {**SETTINGS, "transactional.id": control_topic(self.manifest.id)}
        try:
            producer = Producer({**self.settings, **own}, logger=QUIET)
            producer.init_transactions(_ANSWER_SECONDS)
        except KafkaException as error:
            raise self._failed(error.args[0]) from None
        return producer

    def _transaction(self, producer: Producer, chunks: Sequence[tuple[File, Records]]) -> dict[str, int]:
        self._seen.clear()
        producer.begin_transaction()
        for file, records in chunks:
            self._produce(producer, file, records)
        if producer.flush(_ANSWER_SECONDS) or self._errors:
            why = self._errors[0].str() if self._errors else f"not acknowledged within {_ANSWER_SECONDS} s"
            raise BackupError(
                f"{self.settings['bootstrap.servers']}: {why}\n      → mend that, and run the same again: it goes on"
            )
        firsts = {file.name: self._first(file) for file, _ in chunks}
        name = f"{chunks[0][0].name}".encode()
        producer.produce(control_topic(self.manifest.id), json.dumps(firsts).encode(), name)
        producer.commit_transaction(_ANSWER_SECONDS)
        return firsts

    def _produce(self, producer: Producer, file: File, records: Records) -> None:
        """Only the first and the last of a chunk are asked for their offsets: that proves all between."""
        seen = self._seen.setdefault(file.name, [])

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._errors.append(error)
            else:
                seen.append(int(message.offset() or 0))

        told, last = {0, len(records) - 1}, len(records) - 1
        produce, topic, partition = producer.produce, file.topic, file.partition
        if records.headers:
            for position, (key, value, time) in enumerate(zip(records.keys, records.values, records.timestamps, strict=True)):
                headers: Any = records.headers.get(position) or []
                tell = delivered if position in told else None
                produce(topic, value, key, partition, on_delivery=tell, timestamp=max(time, 0), headers=headers)
            return
        for begin, end, tell in ((0, 1, delivered), (1, last, None), (max(1, last), last + 1, delivered)):
            columns = zip(records.keys[begin:end], records.values[begin:end], records.timestamps[begin:end], strict=True)
            for key, value, time in columns:
                produce(topic, value, key, partition, tell, tell, time)

    def _first(self, file: File) -> int:
        """Where the chunk begins. Raises :class:`BackupError` where somebody else has written in between."""
        seen = self._seen[file.name]
        if max(seen) - min(seen) != file.records - 1:
            raise BackupError(
                f"{file.topic}/{file.partition}: somebody else writes to it while it is restored"
                "\n      → stop whoever does, empty the target and restore again"
            )
        return min(seen)

    def _failed(self, error: KafkaError) -> UnreachableError:
        return UnreachableError(
            f"{self.settings['bootstrap.servers']}: {error.str()}\n      → mend that, and run the same again: it goes on"
        )


def ahead(work: Callable[[In], Out], items: Sequence[In]) -> Iterator[Out]:
    """``work`` of every item in order, done beside the caller's own work, a few at a time."""
    running: deque[Future[Out]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) > _AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _grouped(files: Sequence[File]) -> Iterator[list[File]]:
    """What goes into one transaction."""
    group: list[File] = []
    for file in files:
        group.append(file)
        if sum(each.size for each in group) >= TRANSACTION_BYTES or sum(each.records for each in group) >= TRANSACTION_RECORDS:
            yield group
            group = []
    if group:
        yield group


def new_offset(place: Partition, old: int, chunks: Sequence[Placed], end: int, offsets: Callable[[File], Sequence[int]]) -> int:
    """Where the record is now that a group that stood at ``old`` would have read next; ``end`` behind all of them. ``chunks``
    are those of the partition by old offset; ``offsets`` reads the old offsets in one of them, asked for only where there are
    gaps."""
    for placed in chunks:
        file = placed.file
        if (file.topic, file.partition) != place:
            raise ValueError(f"{file.name} is not of {place}")
        if old > file.last:
            continue
        if old <= file.first:
            return placed.first
        if file.last - file.first + 1 == file.records:
            return placed.first + old - file.first
        return placed.first + sum(offset < old for offset in offsets(file))
    return end
