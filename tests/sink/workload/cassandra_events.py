"""Writes as Debezium's connector for Cassandra makes events of them: raw and transformed, JSON without and with schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from tests.sink.workload.cassandra_model import Bound, Erase, Put, Write

Envelope = Literal["raw", "transformed"]
OPS: dict[Envelope, dict[str, str]] = {
    "raw": {"insert": "i", "update": "u", "delete": "d", "range": "r"},
    "transformed": {"insert": "c", "update": "u", "delete": "d", "range": "t"},
}
MARSHAL = "org.apache.cassandra.db.marshal"


@dataclass(frozen=True)
class Table:
    """A table of ints and texts: key columns (the partition's one first), others with their types in CQL."""

    key: tuple[str, ...] = ("id", "ck")
    cells: tuple[tuple[str, str], ...] = (("a", "int"), ("b", "text"), ("c", "int"))
    descending: tuple[bool, ...] = (False,)

    @property
    def types(self) -> dict[str, str]:
        """CQL types by column."""
        return {**dict.fromkeys(self.key, "int"), **dict(self.cells)}

    def event(self, write: Write, envelope: Envelope = "raw", *, schema: bool = False) -> tuple[bytes, bytes]:
        """Key and value of the record that a write becomes."""
        key: dict[str, Any] = dict.fromkeys(self.key) | dict(zip(self.key, write.row, strict=False))
        after = self._after(write, key)
        kind = "insert" if isinstance(write, Put) and write.marks else "update"
        if isinstance(write, Erase):
            kind = "range" if write.start is not None else "delete"
        source = {"ts_ms": write.ts // 1000, "snapshot": "false", "ts_us": write.ts, "cluster": "test", "keyspace": "inv",
                  "table": "t", "connector": "cassandra"}  # fmt: skip
        value = {"ts_ms": write.ts // 1000 + 5, "op": OPS[envelope][kind], "source": source, "after": after}
        if not schema:
            return _json(key), _json(value)
        return _json({"schema": self._key_schema(), "payload": key}), _json({"schema": self._schema(), "payload": value})

    def _after(self, write: Write, key: dict[str, Any]) -> dict[str, Any]:
        cells: dict[str, Any] = {name: None if value is None else _cell(value) for name, value in key.items()}
        for name, _ in self.cells:
            cells[name] = None
        bounds: tuple[Any, Any] = (None, None)
        if isinstance(write, Put):
            for name, cell in write.cells:
                cells[name] = _cell(cell.value, None if cell.expires is None else cell.expires * 1_000_000)
        elif write.start is None or write.end is None:
            cells |= {name: _cell(None, write.ts) for name in cells if key.get(name) is None}
        else:
            bounds = (self._bound(write.start, "START"), self._bound(write.end, "END"))
        return {**cells, "_range_start": bounds[0], "_range_end": bounds[1]}

    def _bound(self, bound: Bound, side: str) -> dict[str, Any]:
        clustering = self.key[1:]
        kinds = [f"{MARSHAL}.ReversedType({MARSHAL}.Int32Type)" if down else f"{MARSHAL}.Int32Type" for down in self.descending]
        values = [{"name": name, "value": str(value), "type": kind}
                  for name, value, kind in zip(clustering, bound.values, kinds, strict=False)]  # fmt: skip
        # The connector keeps them in a hash map: in no order.
        return {"method": f"{'INCL' if bound.inclusive else 'EXCL'}_{side}_BOUND", "values": values[::-1]}

    def _key_schema(self) -> dict[str, Any]:
        fields = [{"field": name, "type": "int32", "optional": True} for name in self.key]
        return {"type": "struct", "fields": fields, "name": "cassandra.inv.t.Key"}

    def _schema(self) -> dict[str, Any]:
        kinds = {"int": "int32", "text": "string"}

        def cell(name: str, kind: str) -> dict[str, Any]:
            inner = [{"field": "value", "type": kinds[kind], "optional": True}, {"field": "deletion_ts", "type": "int64",
                     "optional": True}, {"field": "set", "type": "boolean", "optional": False}]  # fmt: skip
            return {"field": name, "type": "struct", "fields": inner, "optional": True, "name": "cell_value"}

        fields = [cell(name, kind) for name, kind in self.types.items()]
        fields += [{"field": name, "type": "struct", "optional": True, "name": name, "fields": []}
                   for name in ("_range_start", "_range_end")]  # fmt: skip
        after = {"field": "after", "type": "struct", "name": "after", "optional": False, "fields": fields}
        return {"type": "struct", "name": "cassandra.inv.t.Envelope", "optional": False, "fields": [
            {"field": "ts_ms", "type": "int64"}, {"field": "op", "type": "string"},
            {"field": "source", "type": "struct", "fields": []}, after]}  # fmt: skip


def _cell(value: object, deletion_ts: int | None = None) -> dict[str, Any]:
    return {"value": value, "deletion_ts": deletion_ts, "set": True}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
