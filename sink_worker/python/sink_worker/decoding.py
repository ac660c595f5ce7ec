"""From messages of a topic to a part of a unit of work: schemas, the table's hint, the native decoder, rejections."""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from sink_worker._native import Batch, Decoder, SchemaError, TableHint, UnknownSchema
from sink_worker.cassandra.settings import CassandraSettings
from sink_worker.cassandra.source import CellDecoding, CellSource, Masks
from sink_worker.dlq import Rejection, rejection_of_reject
from sink_worker.errors import TableError
from sink_worker.hints import LeaveOut
from sink_worker.registry import Missing, Registry
from sink_worker.routing import Route, Router
from sink_worker.settings import DecodeSettings, TableSettings
from sink_worker.truncates import may_truncate, without_truncates

_NO_TYPES: Final = "NoColumnTypes"
_log = structlog.get_logger("sink_worker.decoding")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One topic's messages, decoded. ``messages`` are those that ``batch`` was made of."""

    route: Route
    batch: Batch
    messages: Sequence[Any]
    rejections: list[Rejection]
    decode: Callable[[Sequence[Any]], Batch]
    positions: dict[int, tuple[int, int]]
    cells: CellSource | None = None


class Decoding:
    """One process's decoder and what it knows of its topics. Used by the loop's thread; decoders by any."""

    def __init__(self, decode: DecodeSettings, tables: TableSettings, router: Router, registry: Registry,
                 look_up: Callable[..., TableHint], partitions_of: Callable[[str], int],
                 natural: Callable[[Route], frozenset[str]] = lambda _: frozenset()) -> None:  # fmt: skip
        """``look_up`` takes a route and the columns to leave out; ``natural`` are those whose type is the source's own."""
        self._decoder = Decoder(json.dumps(decode.model_dump()))
        self._tables = tables
        self._router = router
        self._registry = registry
        self._look_up = look_up
        self._partitions_of = partitions_of
        self._leave_out = LeaveOut(natural, never=decode.unknown_fields == "ignore")
        self._routes: dict[str, Route] = {}
        self._hints: dict[str, TableHint] = {}
        self.cells: CellDecoding | None = None

    def route(self, topic: str) -> Route:
        """Where a topic goes. :class:`TableError` when nowhere."""
        if (route := self._routes.get(topic)) is None:
            try:
                route = self._routes[topic] = self._router.route(topic)
            except ValueError as error:
                raise TableError(topic, "no_route", str(error)) from error
        return route

    def slim(self, messages: Sequence[Any]) -> Sequence[Any]:
        """The same messages, which keep no schema that is known."""
        self._decoder.slim(messages)
        return messages

    def read_cells(self, settings: CassandraSettings, masks: Masks) -> None:
        """Topics of Cassandra's are read as its events are, where the settings name any."""
        if settings.topics:
            self.cells = CellDecoding(settings, self._decoder, self._look_up, masks)

    def forget(self, topic: str) -> None:
        """Look at the topic's table again."""
        self._hints.pop(topic, None)
        if self.cells is not None:
            self.cells.forget(topic)

    def decode(self, topic: str, messages: Sequence[Any]) -> Decoded:
        """Decode messages of one topic, in order.

        RegistryUnavailableError, psycopg.Error or KafkaException when the environment does not let it; TableError when the
        topic has no table to go to.
        """
        route = self.route(topic)
        decode = self._decoder_of(topic, route)
        self._ask_again()
        batch = self._decoded(decode, messages)
        if topic in self._hints and self._leave_out.learns(topic, self._hints[topic], batch.rejects):
            del self._hints[topic]
            return self.decode(topic, messages)
        positions = batch.positions
        rejections: list[Rejection] = []
        if "t" in batch.ops and not may_truncate(self._tables, self._partitions_of(topic)):
            messages, rejections = without_truncates(self._tables, topic, messages, decode)
            batch = decode(messages)
        cells = self.cells if self.cells is not None and self.cells.takes(topic) else None
        if cells is not None:
            cells.check(topic, batch)
        elif any(reject.error_class == _NO_TYPES for reject in batch.rejects) and not self._hints[topic].columns:
            raise TableError(
                topic, "no_table", f"table {route.label} does not exist, and the records have no schema to make it from"
            )
        rejections += [rejection_of_reject(topic, reject, messages[reject.index]) for reject in batch.rejects]
        source = None if cells is None else cells.source(topic, route)
        return Decoded(route, batch, messages, rejections, decode, positions, source)

    def _decoder_of(self, topic: str, route: Route) -> Callable[[Sequence[Any]], Batch]:
        if self.cells is not None and self.cells.takes(topic):
            return self.cells.decoder_of(topic, route)
        if (hint := self._hints.get(topic)) is None:
            hint = self._hints[topic] = self._look_up(route, self._leave_out.of(topic, route))
        return functools.partial(self._decoder.decode, hint)

    def _decoded(self, decode: Callable[[Sequence[Any]], Batch], messages: Sequence[Any]) -> Batch:
        while True:
            try:
                return decode(messages)
            except UnknownSchema as unknown:
                for schema_id in unknown.ids:
                    self._learn(schema_id)

    def _learn(self, schema_id: int) -> None:
        found = self._registry.fetch(schema_id)
        if isinstance(found, str):
            try:
                self._decoder.register_schema(schema_id, found)
            except SchemaError as error:
                found = Missing(f"schema {schema_id} is no usable Avro schema: {error}")
            else:
                _log.info("schema_registered", schema_id=schema_id)
                return
        _log.error("schema_missing", schema_id=schema_id, reason=found.reason)
        self._decoder.register_missing(schema_id, found.reason)

    def _ask_again(self) -> None:
        for schema_id in self._registry.stale_missing():
            self._learn(schema_id)
