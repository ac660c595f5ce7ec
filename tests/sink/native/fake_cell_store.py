"""A double of PostgreSQL's side of a merge: rows, graves and tombstones in dictionaries, in the forms it would give them."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sink_worker._native import CellHint, CellWrites, Decoder, Merged, merge_cells

from tests.sink.native.copy_format import read_array, read_copy
from tests.sink.workload.cassandra_events import Table
from tests.sink.workload.cassandra_model import Value

XID, BIGINT, BYTEA = 28, 20, 17
KINDS = {"int": 23, "text": 25}
Field = bytes | None


@dataclass
class FakeCellStore:
    """A table of ints and texts. Versions only ever rise, as a row's xmin does for one that rewrites it."""

    table: Table
    rows: dict[bytes, tuple[int, list[Field]]] = field(default_factory=dict)
    graves: dict[bytes, tuple[int, int, bytes]] = field(default_factory=dict)
    tombstones: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    partition: int = 0
    versions: int = 0
    written: int = 0

    def __post_init__(self) -> None:
        self.decoder = Decoder()
        self.hint = CellHint(self.table.types, {})

    def decode(self, records: Sequence[tuple[bytes, bytes]]) -> list[CellWrites]:
        """Records to writes, none of them refused."""
        messages = [(0, number, key, value) for number, (key, value) in enumerate(records)]
        batch = self.decoder.decode_cells(self.hint, messages, time.time_ns() // 1000)
        assert batch.rejects == [], batch.rejects
        return batch.cells

    def apply(self, records: Sequence[tuple[bytes, bytes]], now: int) -> None:
        """Merge a batch."""
        for writes in self.decode(records):
            self.merge(writes, now)

    def merge(self, writes: CellWrites | None, now: int, cutoff_us: int = -(2**62)) -> Merged:
        """One merge: ``writes``, or another look at every row (a sweep)."""
        for width, partition, span, ts in [] if writes is None else writes.tombstones:
            self.partition = width
            self.tombstones[partition, span] = max(ts, self.tombstones.get((partition, span), ts))
        names = [name for name, _ in self.table.cells]
        own = [] if writes is None else [names.index(column.name) for column in writes.columns if not column.key]
        merged = merge_cells(
            writes, columns=own, width=len(names), keys=len(self.table.key),
            records=[self._record(*row) for row in self.rows.values()],
            graves=[(key, *grave) for key, grave in self.graves.items()],
            tombstones=[(partition, span, ts) for (partition, span), ts in self.tombstones.items()],
            partition=self.partition, now=now, cutoff_us=cutoff_us,
        )  # fmt: skip
        self._apply(merged)
        return merged

    def shown(self) -> dict[tuple[int, ...], dict[str, Value]]:
        """The table's rows; columns that are NULL are left out."""
        found: dict[tuple[int, ...], dict[str, Value]] = {}
        for _, fields in self.rows.values():
            width = len(self.table.key)
            key = tuple(struct.unpack(">i", part)[0] for part in fields[3 : 3 + width] if part is not None)
            cells = zip(self.table.cells, fields[3 + width :], strict=True)
            found[key] = {name: _value(kind, data) for (name, kind), data in cells if data is not None}
        return found

    def _record(self, version: int, fields: list[Field]) -> bytes:
        oids = [BIGINT, BYTEA, BIGINT, *[KINDS["int"] for _ in self.table.key], *[KINDS[kind] for _, kind in self.table.cells]]
        parts = [struct.pack(">iIiI", len(fields) + 1, XID, 4, version)]
        for oid, data in zip(oids, fields, strict=True):
            parts.append(struct.pack(">Ii", oid, -1 if data is None else len(data)) + (data or b""))
        return b"".join(parts)

    def _apply(self, merged: Merged) -> None:
        (versions, *columns) = [read_array(data)[1] for _, data in merged.delete_arrays()]
        for version, *parts in zip(versions, *columns, strict=True):
            assert self.rows.pop(_key(parts))[0] == struct.unpack(">I", version or b"")[0]
        for key, version in zip(*(read_array(data)[1] for _, data in merged.grave_delete_arrays()), strict=True):
            assert self.graves.pop(key or b"")[0] == struct.unpack(">I", version or b"")[0]
        for key, base, state in zip(*(read_array(data)[1] for _, data in merged.grave_insert_arrays()), strict=True):
            assert key is not None
            assert key not in self.graves
            self.versions += 1
            self.graves[key] = (self.versions, struct.unpack(">q", base or b"")[0], state or b"")
        for seen, *fields in read_copy(merged.copy_payload()):
            own = _key(fields[3 : 3 + len(self.table.key)])
            known = self.rows.get(own)
            assert (None if known is None else struct.pack(">I", known[0])) == seen
            self.versions += 1
            self.written += 1
            self.rows[own] = (self.versions, fields)


def _key(fields: Sequence[Field]) -> bytes:
    return b"".join(struct.pack(">i", len(part or b"")) + (part or b"") for part in fields)


def _value(kind: str, data: bytes) -> Value:
    return struct.unpack(">i", data)[0] if kind == "int" else data.decode()
