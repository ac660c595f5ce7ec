"""Rows that were read again for events that do not tell them: as events of their own, which tell those columns for certain.

A row that was read can be refused like any other, by the decoder (text with a NUL) or by PostgreSQL (a constraint). Then the
events that asked for it are the dead letters.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sink_worker._native import Batch, Reject
from sink_worker.cassandra.settings import CassandraSettings
from sink_worker.cassandra.source import source_of
from sink_worker.dlq import Rejection, rejection_of_reject, rejection_of_row
from sink_worker.errors import FatalError, TableError
from sink_worker.work import Part

Record = tuple[int, int, bytes | None, bytes | None]


class RowImage(Protocol):
    """A row as it was in Cassandra when it was read: see :mod:`sink_worker.cassandra.reread`."""

    key: Mapping[str, Any]
    read_at: int
    values: Mapping[str, Any] | None


class Rereader(Protocol):
    """Reads rows from Cassandra again, by their whole keys in the events' own form. An environment failure is raised."""

    def read(self, keyspace: str, table: str, keys: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """A :class:`RowImage` for each key, in their order."""


def make_rereader(settings: CassandraSettings) -> Rereader | None:
    """What reads rows from Cassandra again; None where no table wants it. Nothing is connected yet."""
    modes = {settings.on_ambiguous, *(table.on_ambiguous for table in settings.tables.values())}
    if "reread" not in modes:
        return None
    from sink_worker.cassandra import reread

    return reread.Rereader(settings.reread)


@dataclass(frozen=True, slots=True)
class Images:
    """The rows of one part. ``asked`` has the places of the messages that asked for each record."""

    records: list[Record]
    asked: list[list[int]]
    batch: Batch

    def unreadable(self, part: Part) -> list[Rejection]:
        """Dead letters of the rows that cannot be decoded."""
        return [
            rejection for reject in self.batch.rejects for rejection in self._of_reject(part, reject)
        ]  # fmt: skip

    def refused(self, part: Part, number: int, error: Exception, attempts: int) -> list[Rejection]:
        """Dead letters of a record that PostgreSQL refuses."""
        messages = [part.messages[index] for index in self.asked[number]]
        return [rejection_of_row(part.topic, message, None, error, superseded=False, attempts=attempts) for message in messages]

    def _of_reject(self, part: Part, reject: Reject) -> Iterator[Rejection]:
        for index in self.asked[reject.index]:
            message = part.messages[index]
            found = rejection_of_reject(part.topic, reject, message)
            yield replace(found, partition=message.partition(), offset=message.offset(), key=None,
                          message=f"its row, read again from Cassandra: {found.message}")  # fmt: skip


def read_again(settings: CassandraSettings, rereader: Rereader | None, part: Part) -> Images | None:
    """The rows of a part's events that do not tell them, each once. :class:`TableError` when Cassandra has no such row to read:
    its topic waits, and no other."""
    keyspace, table = source_of(settings, part.topic)
    source = part.cells
    if source is None or rereader is None or not part.batch.listed or settings.mode_of(f"{keyspace}.{table}") != "reread":
        return None
    wanted: dict[str, tuple[dict[str, Any], set[str], list[int]]] = {}
    for index, columns in part.batch.listed:
        text = source.key_json(part.messages[index].key()) or "{}"
        _, names, asked = wanted.setdefault(text, (json.loads(text), set(), []))
        names.update(columns)
        asked.append(index)
    try:
        images = rereader.read(keyspace, table, [key for key, *_ in wanted.values()])
    except FatalError as error:
        raise TableError(part.topic, "not_readable", f"{part.topic}: {error}") from error
    records = [
        _record(number, image, key, names)
        for number, (image, (key, names, _)) in enumerate(zip(images, wanted.values(), strict=True))
    ]
    return Images(records, [asked for *_, asked in wanted.values()], source.decode_images(records))


def _record(number: int, image: RowImage, key: Mapping[str, Any], columns: set[str]) -> Record:
    """A row that was read, as an event that tells its columns for certain, at the time of the reading."""
    values = image.values or {}
    after: dict[str, Any] = {name: {"value": value, "deletion_ts": None, "set": True} for name, value in key.items()}
    after |= {name: {"value": values.get(name), "deletion_ts": None, "set": True} for name in sorted(columns)}
    source = {"ts_us": image.read_at, "ts_ms": image.read_at // 1000, "snapshot": "true"}
    return 0, number, _json(key), _json({"op": "u", "source": source, "after": after})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
