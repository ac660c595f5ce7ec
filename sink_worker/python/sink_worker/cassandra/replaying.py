"""Refused events of Cassandra's, applied again: a merge takes them in any order, so that none of them comes too late."""

from collections.abc import Sequence
from typing import Any

from sink_worker._native import Batch, Decoder, TableHint
from sink_worker.cassandra.cells import Pairs
from sink_worker.cassandra.merging import CellMerger
from sink_worker.cassandra.settings import CassandraSettings
from sink_worker.cassandra.source import Masks, cell_hint, decode_cells
from sink_worker.cassandra.tables import CellTables
from sink_worker.cassandra.topics import is_taken
from sink_worker.control import Connection, Control
from sink_worker.evolution.fitting import Evolution
from sink_worker.routing import Route
from sink_worker.settings import Settings


class CellReplay:
    """One connection's."""

    def __init__(self, settings: Settings, control: Control, decoder: Decoder, masks: Masks, evolution: Evolution) -> None:
        self._settings: CassandraSettings = settings.cassandra
        self._tables = CellTables(settings.tables, settings.postgres, settings.cassandra, control, evolution)
        self._merger = CellMerger(control, settings.cassandra.horizon_hours)
        self._decoder = decoder
        self._masks = masks

    def takes(self, topic: str) -> bool:
        """Whether the topic's events are Cassandra's."""
        return is_taken(self._settings.topics, topic)

    def forget(self) -> None:
        """Look at the tables again."""
        self._tables.forget()

    def decode(self, route: Route, known: TableHint, records: Sequence[Any]) -> Batch:
        """The events as the worker reads them."""
        target = {column.name: column.pg_type for column in known.columns}
        return decode_cells(self._decoder, cell_hint(self._settings, route.topic, target, self._masks(route)), records)

    @staticmethod
    def check(topic: str, batch: Batch) -> None:
        """ValueError for an event that would be applied in part only, or not at all."""
        if not batch.cells:
            raise ValueError(f"{topic}: the stored event says nothing any more: its bytes are damaged; take them from the dead "
                             "letter's topic, or discard it")  # fmt: skip
        columns = sorted({column for _, found in batch.listed for column in found})
        if columns:
            raise ValueError(f"{topic}: the event does not tell {', '.join(columns)}; read its row again (a snapshot, or its "
                             "next event), and discard this one")  # fmt: skip

    def plans(self, connection: Connection, route: Route, batch: Batch) -> Pairs:
        """How the event is merged. :class:`TableError` when its table does not take its columns."""
        self._tables.begin()
        return [self._tables.taken(connection, route, writes) for writes in batch.cells]

    def merge(self, connection: Connection, plans: Pairs) -> None:
        """Merge it, inside the open transaction."""
        self._merger.lock(connection, plans)
        for plan, writes in plans:
            self._merger.merge(connection, plan, writes)
