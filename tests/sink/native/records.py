"""Records as Debezium produces them, of tables made of `kinds`, in every format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from sink_worker._native import Batch, ColumnHint, Decoder, TableHint

from tests.sink.native import copy_format, reference
from tests.sink.native.kinds import Kind
from tests.sink.native.reference import Key, Model, Row

Record = tuple[int, int, bytes | None, bytes | None]
Format = Literal["avro", "json", "bare"]
Form = Literal["envelope", "flat"]
SOURCE_TYPES = [("version", "string"), ("ts_ms", "long"), ("db", "string"), ("sequence", ["null", "string"]), ("pos", "long")]


@dataclass(frozen=True)
class Field:
    name: str
    kind: Kind
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """A version of a table: `key` are names among its fields. `number` tells its schema ids from other versions'."""

    fields: tuple[Field, ...]
    key: tuple[str, ...]
    number: int = 1
    form: Form = "envelope"

    @property
    def key_fields(self) -> list[Field]:
        by_name = {field.name: field for field in self.fields}
        return [by_name[name] for name in self.key]

    @property
    def ids(self) -> tuple[int, int]:
        return 2 * self.number, 2 * self.number + 1

    @cached_property
    def avro(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The key's and the value's schema, with each named type defined where it first comes."""
        key = avro_record("Key", self.key_fields)
        row = avro_record("Value", [*self.fields])
        if self.form == "flat":
            row["fields"].append({"name": "__deleted", "type": ["null", "string"], "default": None})
            return key, row
        source = {"type": "record", "name": "Source", "fields": [{"name": name, "type": kind} for name, kind in SOURCE_TYPES]}
        fields = [
            {"name": "before", "type": ["null", row], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": source},
            {"name": "transaction", "type": ["null", {"type": "map", "values": "string"}], "default": None},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"], "default": None},
        ]
        return key, {"type": "record", "name": "Envelope", "namespace": "shop.inventory.t", "fields": fields}

    @cached_property
    def connect(self) -> tuple[dict[str, Any], dict[str, Any]]:
        key = {"type": "struct", "optional": False, "name": "shop.Key", "fields": connect_fields(self.key_fields)}
        row = connect_fields(self.fields)
        if self.form == "flat":
            row.append({"type": "string", "optional": True, "field": "__deleted"})
            return key, {"type": "struct", "optional": False, "name": "shop.Value", "fields": row}
        types = {"string": "string", "long": "int64"}
        source = [
            {"type": types[kind if isinstance(kind, str) else kind[1]], "optional": True, "field": name}
            for name, kind in SOURCE_TYPES
        ]
        fields = [
            {"type": "struct", "fields": row, "optional": True, "name": "shop.Value", "field": "before"},
            {"type": "struct", "fields": row, "optional": True, "name": "shop.Value", "field": "after"},
            {"type": "struct", "fields": source, "optional": False, "name": "Source", "field": "source"},
            {"type": "string", "optional": False, "field": "op"},
            {"type": "int64", "optional": True, "field": "ts_ms"},
        ]
        return key, {"type": "struct", "fields": fields, "optional": False, "name": "shop.Envelope"}

    def hint(self) -> TableHint:
        """What a worker knows of the table once it exists: schemaless records need it."""
        columns = [
            ColumnHint(field.name, field.kind.pg_type, nullable=field.optional, source=field.kind.name) for field in self.fields
        ]
        return TableHint(columns, key=list(self.key))

    def converted(self, row: Row) -> Row:
        """The row's values as the reference sees them."""
        kinds = {field.name: field.kind for field in self.fields}
        return {
            name: reference.convert(kinds[name].name, kinds[name].parameters, raw) for name, raw in row.items() if name in kinds
        }

    def key_of(self, row: Row) -> Key:
        converted = self.converted(row)
        return tuple(converted[name] for name in self.key)


def avro_record(name: str, fields: Sequence[Field]) -> dict[str, Any]:
    """A record whose second field of a named type refers to the first one's definition."""
    seen: set[str] = set()

    def kind_of(field: Field) -> Any:
        kind = field.kind.avro_type(optional=field.optional)
        inner = kind[1] if field.optional else kind
        if inner["type"] == "record":
            full = f"{inner['namespace']}.{inner['name']}"
            if full in seen:
                return ["null", full] if field.optional else full
            seen.add(full)
        return kind

    return {"type": "record", "name": name, "fields": [{"name": field.name, "type": kind_of(field)} for field in fields]}


def connect_fields(fields: Iterable[Field]) -> list[dict[str, Any]]:
    return [field.kind.connect_type(field.name, optional=field.optional) for field in fields]


def source(ts_ms: int) -> dict[str, Any]:
    return {"version": "3.5.0", "ts_ms": ts_ms, "db": "inventory", "sequence": None, "pos": 4}


def value_of(table: Table, op: str, row: Row | None, ts_ms: int) -> dict[str, Any]:
    """The value's record; `row` is what was there before for a delete."""
    if table.form == "flat":
        assert row is not None
        return {**row, "__deleted": "true" if op == "d" else "false"}
    before = row if op in {"u", "d"} else None
    after = row if op in {"c", "r", "u"} else None
    return {"before": before, "after": after, "source": source(ts_ms), "transaction": None, "op": op, "ts_ms": ts_ms + 1}


def in_json(table: Table, record: Any, *, top: bool = True) -> Any:
    """A value's record in JSON's forms."""
    kinds = {field.name: field.kind for field in table.fields}

    def row(values: Row | None) -> Row | None:
        if values is None:
            return None
        return {name: raw if raw is None or name not in kinds else kinds[name].to_json(raw) for name, raw in values.items()}

    if not top or table.form == "flat":
        return row(record)
    return {**record, "before": row(record["before"]), "after": row(record["after"])} | {"transaction": None}


def encode(table: Table, form: Format, *, key: Row | None, value: dict[str, Any] | None) -> tuple[bytes | None, bytes | None]:
    """A record's key and value."""
    if form == "avro":
        ids, schemas = table.ids, table.avro
        return (
            None if key is None else reference.write_avro(ids[0], schemas[0], key),
            None if value is None else reference.write_avro(ids[1], schemas[1], value),
        )
    documents = [None if key is None else in_json(table, key, top=False), None if value is None else in_json(table, value)]
    if table.form == "envelope" and documents[1] is not None:
        del documents[1]["transaction"]
    encoded: list[bytes | None] = []
    for schema, document in zip(table.connect, documents, strict=True):
        whole = {"schema": schema, "payload": document} if form == "json" else document
        encoded.append(None if document is None else json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode())
    return encoded[0], encoded[1]


def change(table: Table, form: Format, op: str, row: Row, *, at: tuple[int, int], ts_ms: int = 1_700_000_000_000) -> Record:
    """A record of one operation; "tombstone" has no value, "t" no key."""
    key = None if op == "t" else {name: row[name] for name in table.key}
    value = None if op == "tombstone" else value_of(table, op, row if op != "t" else None, ts_ms)
    encoded_key, encoded_value = encode(table, form, key=key, value=value)
    return at[0], at[1], encoded_key, encoded_value


def decoder(*tables: Table, config: str = "{}") -> Decoder:
    """One that knows the tables' Avro schemas."""
    made = Decoder(config)
    for table in tables:
        for schema_id, schema in zip(table.ids, table.avro, strict=True):
            made.register_schema(schema_id, json.dumps(schema))
    return made


def rows_of(segment: Any) -> list[Row]:
    """A segment's upserts, parsed back from the COPY stream."""
    columns = segment.columns
    tuples = copy_format.read_copy(segment.copy_payload())
    assert len(tuples) == segment.upserts
    return [
        {column.name: copy_format.value(column.pg_type, field) for column, field in zip(columns, fields, strict=True)}
        for fields in tuples
    ]


def deleted_keys(segment: Any) -> list[Key]:
    """A segment's deletes, parsed back from the arrays."""
    types = {column.name: column for column in segment.columns}
    arrays = []
    for name, (oid, array) in zip(segment.key, segment.delete_arrays(), strict=True):
        element, values = copy_format.read_array(array)
        assert (oid, element) == (types[name].array_oid, types[name].oid)
        arrays.append([copy_format.value(types[name].pg_type, value) for value in values])
    return list(zip(*arrays, strict=True))


def apply(model: Model, batch: Batch) -> None:
    """Does what a worker does with a batch: per segment truncate, deletes, upserts."""
    for segment in batch.segments:
        if segment.truncate:
            model.truncate()
        for key in deleted_keys(segment):
            model.delete(key)
        upserts = rows_of(segment)
        keys = [tuple(row[name] for name in segment.key) for row in upserts]
        assert len(set(keys)) == len(keys), "one row per key"
        for key, row in zip(keys, upserts, strict=True):
            model.upsert(key, row)


def accounted(batch: Batch, records: Sequence[Record]) -> None:
    """Every message is an event, a tombstone, skipped or a reject, and every offset is covered."""
    assert batch.messages == len(records)
    assert batch.messages == batch.events + batch.tombstones + batch.skipped + len(batch.rejects)
    assert sum(batch.ops.values()) == batch.events
    expected: dict[int, tuple[int, int]] = {}
    for partition, offset, _, _ in records:
        first = expected.get(partition, (offset, 0))[0]
        expected[partition] = (first, offset + 1)
    assert batch.positions == expected
    for reject in batch.rejects:
        assert (reject.partition, reject.offset) == records[reject.index][:2]
