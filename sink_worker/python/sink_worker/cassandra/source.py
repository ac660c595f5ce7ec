"""Reading a topic of Cassandra's: which topics are, what the decoder is told of their tables, and what makes a topic halt."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from sink_worker._native import Batch, CellHint, Decoder, Mask, TableHint
from sink_worker.cassandra.settings import CassandraSettings
from sink_worker.cassandra.topics import is_taken
from sink_worker.errors import TableError
from sink_worker.routing import Route, topic_parts

_log = structlog.get_logger("sink_worker.cassandra.source")
HALTING: Final = {"LossyMode": "lossy", "NoColumnTypes": "no_types"}
"""Refusals that are the configuration's, so every event's: the topic waits for the repair, and none is a dead letter."""
LookUp = Callable[[Route], TableHint]
Masks = Callable[[Route], Mapping[str, Mask]]


def source_of(settings: CassandraSettings, topic: str) -> tuple[str, str]:
    """Keyspace and table of a topic; where nothing else is said, its name is ``prefix.keyspace.table``."""
    if (said := settings.sources.get(topic)) is not None:
        keyspace, _, table = said.partition(".")
        return keyspace, table
    parts = topic_parts(topic)
    return parts["database"], parts["table"]


@dataclass(frozen=True, slots=True)
class CellSource:
    """What a part of a unit of work needs beside its batch."""

    decoder: Decoder
    hint: Callable[[], CellHint]

    def key_json(self, key: bytes | None) -> str | None:
        """A record's key as JSON text."""
        return None if key is None else self.decoder.key_json(key)

    def decode_images(self, records: Sequence[Any]) -> Batch:
        """Rows that were read from Cassandra, as JSON events, with what the table has by now."""
        return self.decoder.decode_cells(self.hint(), records, time.time_ns() // 1000, json=True)


class CellDecoding:
    """One process's; used by the loop's thread, and by writers for what they read again."""

    def __init__(self, settings: CassandraSettings, decoder: Decoder, look_up: LookUp, masks: Masks) -> None:
        self._settings = settings
        self._decoder = decoder
        self._look_up = look_up
        self._masks = masks
        self._taken: dict[str, bool] = {}
        self._hints: dict[str, CellHint] = {}

    def takes(self, topic: str) -> bool:
        """Whether the topic's events are Cassandra's."""
        if (known := self._taken.get(topic)) is None:
            known = self._taken[topic] = is_taken(self._settings.topics, topic)
        return known

    def forget(self, topic: str) -> None:
        """Look at the topic's table again."""
        self._hints.pop(topic, None)

    def decoder_of(self, topic: str, route: Route) -> Callable[[Sequence[Any]], Batch]:
        """What decodes the topic's messages."""
        if (hint := self._hints.get(topic)) is None:
            hint = self._hints[topic] = self._hint(topic, route)
            self._warn(topic)
        return functools.partial(decode_cells, self._decoder, hint)

    def source(self, topic: str, route: Route) -> CellSource:
        """For a part of the topic."""
        return CellSource(self._decoder, lambda: self._hint(topic, route))

    def check(self, topic: str, batch: Batch) -> None:
        """:class:`TableError` where the configuration is what refuses events."""
        for reject in batch.rejects:
            if reason := HALTING.get(reject.error_class):
                column = f"column {reject.column}: " if reject.column else ""
                raise TableError(topic, reason, f"{topic}, {column}{reject.message}")

    def _warn(self, topic: str) -> None:
        table = self._settings.tables.get(".".join(source_of(self._settings, topic)))
        unstreamed = sorted(name for name, cql in table.types().items() if cql.unstreamed) if table else []
        if unstreamed:
            _log.warning("columns_not_streamed", topic=topic, columns=unstreamed, why="changes of counters and static columns "
                         "make no events: their values are as old as the snapshot or the event that brought them")  # fmt: skip

    def _hint(self, topic: str, route: Route) -> CellHint:
        found = self._look_up(route).columns
        return cell_hint(self._settings, topic, {column.name: column.pg_type for column in found}, self._masks(route))


def cell_hint(settings: CassandraSettings, topic: str, target: Mapping[str, str], masks: Mapping[str, Mask]) -> CellHint:
    """What the decoder is told of a topic's table; ``target``: types of the columns that the table has in PostgreSQL."""
    name = ".".join(source_of(settings, topic))
    table = settings.tables.get(name)
    types = table.types() if table else {}
    return CellHint(
        {column: cql.as_text() for column, cql in types.items()},
        dict(target),
        ambiguous=[column for column, cql in types.items() if cql.ambiguous],
        refuse=settings.mode_of(name) == "refuse",
        precise=settings.varint_handling_mode == "precise",
        report_us=int(settings.future_report_seconds * 1e6),
        refuse_us=int(settings.future_refuse_seconds * 1e6),
        masks=dict(masks),
    )


def decode_cells(decoder: Decoder, hint: CellHint, messages: Sequence[Any]) -> Batch:
    """Decode against this worker's clock."""
    return decoder.decode_cells(hint, messages, time.time_ns() // 1000)
