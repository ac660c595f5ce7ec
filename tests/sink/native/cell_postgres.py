"""A pipeline's merging without Kafka: one connection as a writer has it, to a real PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sink_worker._native import CellWrites, Decoder
from sink_worker.cassandra.cells import CellMetrics
from sink_worker.cassandra.merging import CellMerger
from sink_worker.cassandra.settings import CassandraSettings
from sink_worker.cassandra.source import cell_hint
from sink_worker.cassandra.sweeper import Sweeper
from sink_worker.cassandra.tables import CellPlan, CellTables
from sink_worker.control import Connection, Control, connect
from sink_worker.evolution.fitting import make_evolution
from sink_worker.evolution.metrics import EvolutionMetrics
from sink_worker.masking import Masking
from sink_worker.metrics import Metrics
from sink_worker.redis_hints import RedisHints
from sink_worker.routing import Router
from sink_worker.rows import prepare_session
from sink_worker.settings import KafkaSettings, PostgresSettings, Settings

from tests.sink.workload.cassandra_events import Table

Record = tuple[bytes, bytes]


def make_settings(dsn: str, cassandra: CassandraSettings, **sections: Any) -> Settings:
    """A pipeline's settings on the server of a DSN; ``sections`` are further ones."""
    parts: dict[str, Any] = conninfo_to_dict(dsn)
    postgres = PostgresSettings(
        host=parts["host"], port=str(parts.get("port", "5432")), database=parts["dbname"], user=parts["user"]
    )
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:1", group_id="cells", topics=["c.inv.t"])
    return Settings.model_validate({"kafka": kafka, "postgres": postgres, "cassandra": cassandra, **sections})


class Merging:
    """Merges records into ``public.NAME``. Its types are declared, or come with the records' schemas."""

    def __init__(self, dsn: str, name: str, types: dict[str, str], sections: Any = None, **settings: Any) -> None:
        """``sections`` are settings beside those of Cassandra."""
        tables = {f"inv.{name}": {"columns": types}}
        cassandra = CassandraSettings.model_validate({"topics": ["^c"], "tables": tables, **settings})
        self.settings = make_settings(dsn, cassandra, **(sections or {}))
        self.control = Control(self.settings.postgres.control_schema)
        self.route = Router(self.settings.routing).route(f"c.inv.{name}")
        registry = Metrics("test")
        self.evolution = make_evolution(self.settings, self.control, "test", EvolutionMetrics(registry.registry),
                                        RedisHints(self.settings.redis, registry, "test"))  # fmt: skip
        self.tables = CellTables(self.settings.tables, self.settings.postgres, cassandra, self.control, self.evolution)
        self.merger = CellMerger(self.control, cassandra.horizon_hours)
        self.connection = self.open()
        self.control.install(self.connection)
        self.decoder = Decoder()
        self.masks = Masking(self.settings.masking).of(self.route)
        self.hint = cell_hint(cassandra, self.route.topic, {}, self.masks)

    def open(self) -> Connection:
        """A session as a writer's."""
        connection = connect(self.settings.postgres, "test", "cells")
        prepare_session(connection)
        return connection

    def close(self) -> None:
        """End the session."""
        self.connection.close()

    def decode(self, records: Sequence[Record]) -> list[CellWrites]:
        """None of them refused."""
        messages = [(0, number, key, value) for number, (key, value) in enumerate(records)]
        batch = self.decoder.decode_cells(self.hint, messages, time.time_ns() // 1000)
        assert batch.rejects == [], batch.rejects
        return batch.cells

    def plan(self, writes: CellWrites) -> CellPlan:
        """The plan of some writes; makes the table."""
        return self.tables.plan(self.connection, self.route, writes)

    def apply(self, records: Sequence[Record], *, abort: bool = False) -> None:
        """One batch in one transaction, as the writer does it; ``abort``: rolled back at its end, as when a worker dies."""
        planned = [(self.plan(writes), writes) for writes in self.decode(records)]
        with self.connection.transaction(force_rollback=abort):
            self.merger.lock(self.connection, planned)
            for plan, writes in planned:
                self.merger.merge(self.connection, plan, writes)

    def sweeper(self) -> Sweeper:
        """A sweeper that is not started."""
        return Sweeper(self.settings, self.control, CellMetrics(Metrics("test").registry))

    def rows(self, table: Table) -> dict[tuple[int, ...], dict[str, Any]]:
        """The table's rows; columns that are NULL are left out."""
        names = [*table.key, *(name for name, _ in table.cells)]
        with psycopg.ClientCursor(self.connection) as cursor:
            columns = ", ".join(f'"{name}"' for name in names)
            found = cursor.execute(f'SELECT {columns} FROM public."{self.route.table}"'.encode()).fetchall()
        width = len(table.key)
        cells = [name for name, _ in table.cells]
        return {
            row[:width]: {name: value for name, value in zip(cells, row[width:], strict=True) if value is not None}
            for row in found
        }

    def count(self, what: str) -> int:
        """Rows of a table of the control schema."""
        row = self.connection.execute(f"SELECT count(*) FROM cdc_sink.{what}".encode()).fetchone()
        assert row is not None
        return int(row[0])

    def clear(self) -> None:
        """Empty the table and all that is remembered of it."""
        if self.connection.execute("SELECT to_regclass(%s)", [f'public."{self.route.table}"']).fetchone() == (None,):
            return
        self.connection.execute(f'TRUNCATE public."{self.route.table}"'.encode())
        self.connection.execute("DELETE FROM cdc_sink.cell_graves")
        self.connection.execute("DELETE FROM cdc_sink.cell_tombstones")
