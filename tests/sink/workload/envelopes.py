"""Changes as the records that Debezium's MySQL connector family writes, in Avro and JSON.

Avro is written by ``fastavro``, which shares no code with the worker; the shapes are those of Debezium 3.5.
"""

import base64
import functools
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import fastavro

from tests.sink.workload.changes import Change, Order

Format = Literal["avro", "json", "json-schemaless"]
Fields = dict[str, Any]

ZONED = "io.debezium.time.ZonedTimestamp"
MICRO = "io.debezium.time.MicroTimestamp"
DECIMAL = "org.apache.kafka.connect.data.Decimal"
SCALE = 2
PRECISION = 12
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# name, Connect's type, semantic name, may be null
COLUMNS: tuple[tuple[str, str, str | None, bool], ...] = (
    ("id", "int64", None, False),
    ("customer_id", "int32", None, False),
    ("status", "string", None, False),
    ("amount", "bytes", DECIMAL, False),
    ("quantity", "int32", None, False),
    ("express", "boolean", None, False),
    ("weight", "double", None, False),
    ("note", "string", None, True),
    ("created_at", "int64", MICRO, False),
    ("updated_at", "string", ZONED, False),
)
SOURCE: tuple[tuple[str, str, str | None, bool], ...] = (
    ("version", "string", None, False),
    ("connector", "string", None, False),
    ("name", "string", None, False),
    ("ts_ms", "int64", None, False),
    ("snapshot", "string", "io.debezium.data.Enum", True),
    ("db", "string", None, False),
    ("sequence", "string", None, True),
    ("ts_us", "int64", None, True),
    ("ts_ns", "int64", None, True),
    ("table", "string", None, True),
    ("server_id", "int64", None, False),
    ("gtid", "string", None, True),
    ("file", "string", None, False),
    ("pos", "int64", None, False),
    ("row", "int32", None, False),
    ("thread", "int64", None, True),
    ("query", "string", None, True),
)
TRANSACTION = (
    ("id", "string", None, False),
    ("total_order", "int64", None, False),
    ("data_collection_order", "int64", None, False),
)
AVRO_TYPES = {"int64": "long", "int32": "int", "string": "string", "bytes": "bytes", "boolean": "boolean", "double": "double"}
TIMES = ("ts_ms", "ts_us", "ts_ns")


class Names(NamedTuple):
    """Where a table's changes come from: Debezium calls its topic ``prefix.database.table``."""

    prefix: str = "load"
    database: str = "shop"
    table: str = "orders"

    @property
    def topic(self) -> str:
        """The topic, which is the schemas' namespace, too."""
        return f"{self.prefix}.{self.database}.{self.table}"


class Record(NamedTuple):
    """What goes to Kafka. ``value`` is None in a tombstone."""

    key: bytes
    value: bytes | None


Encoder = Callable[[Change, int], list[Record]]
"""Records of one change, which is the n-th: the change itself and, after a delete, its tombstone."""


def avro_schemas(names: Names) -> tuple[Fields, Fields]:
    """The key's and the value's schema, as Connect's Avro converters register them."""
    space = names.topic
    key = {
        "type": "record",
        "name": "Key",
        "namespace": space,
        "fields": [{"name": "id", "type": "long"}],
        "connect.name": f"{space}.Key",
    }
    row = {
        "type": "record",
        "name": "Value",
        "fields": [_avro(*column) for column in COLUMNS],
        "connect.name": f"{space}.Value",
    }
    source = {
        "type": "record",
        "name": "Source",
        "namespace": "io.debezium.connector.mysql",
        "fields": [_avro(*column) for column in SOURCE],
        "connect.name": "io.debezium.connector.mysql.Source",
    }
    block = {
        "type": "record",
        "name": "block",
        "namespace": "event",
        "fields": [_avro(*column) for column in TRANSACTION],
        "connect.name": "event.block",
        "connect.version": 1,
    }
    value = {
        "type": "record",
        "name": "Envelope",
        "namespace": space,
        "connect.name": f"{space}.Envelope",
        "connect.version": 2,
        "fields": [
            {"name": "before", "type": ["null", row], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": source},
            {"name": "transaction", "type": ["null", block], "default": None},
            {"name": "op", "type": "string"},
            *({"name": name, "type": ["null", "long"], "default": None} for name in TIMES),
        ],
    }
    return key, value


def _avro(name: str, kind: str, semantic: str | None, nullable: bool) -> Fields:
    primitive: Any = AVRO_TYPES[kind]
    if semantic == DECIMAL:
        primitive = {
            "type": "bytes",
            "scale": SCALE,
            "precision": PRECISION,
            "connect.version": 1,
            "connect.parameters": {"scale": str(SCALE), "connect.decimal.precision": str(PRECISION)},
            "connect.name": DECIMAL,
            "logicalType": "decimal",
        }
    elif semantic:
        primitive = {"type": primitive, "connect.version": 1, "connect.name": semantic}
    return {"name": name, "type": ["null", primitive], "default": None} if nullable else {"name": name, "type": primitive}


def _connect(name: str, kind: str, semantic: str | None, nullable: bool) -> Fields:
    field: Fields = {"type": kind, "optional": nullable}
    if semantic:
        field |= {"name": semantic, "version": 1}
    if semantic == DECIMAL:
        field["parameters"] = {"scale": str(SCALE), "connect.decimal.precision": str(PRECISION)}
    return {**field, "field": name}


def _struct(name: str, columns: tuple[tuple[str, str, str | None, bool], ...], field: str, optional: bool) -> Fields:
    return {
        "type": "struct",
        "fields": [_connect(*column) for column in columns],
        "optional": optional,
        "name": name,
        "field": field,
    }


def json_schemas(names: Names) -> tuple[Fields, Fields]:
    """The key's and the value's schema as the JSON converter puts them into each record."""
    space = names.topic
    key = {"type": "struct", "fields": [_connect("id", "int64", None, False)], "optional": False, "name": f"{space}.Key"}
    times = [_connect(name, "int64", None, True) for name in TIMES]
    value = {
        "type": "struct",
        "name": f"{space}.Envelope",
        "version": 2,
        "optional": False,
        "fields": [
            _struct(f"{space}.Value", COLUMNS, "before", True),
            _struct(f"{space}.Value", COLUMNS, "after", True),
            _struct("io.debezium.connector.mysql.Source", SOURCE, "source", False),
            _struct("event.block", TRANSACTION, "transaction", True),
            _connect("op", "string", None, False),
            *times,
        ],
    }
    return key, value


def _row(order: Order | None, decimal: Callable[[bytes], Any]) -> Fields | None:
    if order is None:
        return None
    return {
        **order._asdict(),
        "amount": decimal(_unscaled(order.amount)),
        "created_at": int((order.created_at.replace(tzinfo=UTC) - UNIX_EPOCH).total_seconds() * 1_000_000 + 0.5),
        "updated_at": order.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _unscaled(value: Decimal) -> bytes:
    """Two's complement, big-endian, as short as it goes."""
    number = int(value.scaleb(SCALE))
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def _envelope(change: Change, step: int, names: Names, decimal: Callable[[bytes], Any], now_ms: int) -> Fields:
    source = {
        "version": "3.5.0.Final",
        "connector": "mysql",
        "name": names.prefix,
        "ts_ms": now_ms,
        "snapshot": "false",
        "db": names.database,
        "sequence": None,
        "ts_us": now_ms * 1_000,
        "ts_ns": now_ms * 1_000_000,
        "table": names.table,
        "server_id": 223_344,
        "gtid": None,
        "file": "binlog.000003",
        "pos": 154 + step * 311,
        "row": 0,
        "thread": 7,
        "query": None,
    }
    return {
        "before": _row(change.before, decimal),
        "after": _row(change.after, decimal),
        "source": source,
        "transaction": None,
        "op": change.op,
        "ts_ms": now_ms,
        "ts_us": now_ms * 1_000,
        "ts_ns": now_ms * 1_000_000,
    }


def encoder(kind: Format, names: Names, ids: tuple[int, int] = (0, 0), clock: Callable[[], int] = lambda: 0) -> Encoder:
    """An encoder; ``ids`` are the registry's of the Avro schemas, ``clock`` gives the events' milliseconds."""
    if kind == "avro":
        return functools.partial(_encode, names=names, clock=clock, decimal=bytes, dump=_avro_dump(names, ids))
    return functools.partial(_encode, names=names, clock=clock, decimal=_base64, dump=_json_dump(names, kind == "json"))


Dump = Callable[[Fields, bool], bytes]


def _encode(
    change: Change, step: int, *, names: Names, clock: Callable[[], int], decimal: Callable[[bytes], Any], dump: Dump
) -> list[Record]:
    key = dump({"id": change.key}, True)
    records = [Record(key, dump(_envelope(change, step, names, decimal, clock()), False))]
    return [*records, Record(key, None)] if change.tombstone else records


def _avro_dump(names: Names, ids: tuple[int, int]) -> Dump:
    schemas = [fastavro.parse_schema(json.loads(json.dumps(schema))) for schema in avro_schemas(names)]
    heads = [b"\x00" + number.to_bytes(4, "big") for number in ids]

    def dump(fields: Mapping[str, Any], is_key: bool) -> bytes:
        place = 0 if is_key else 1
        out = io.BytesIO()
        out.write(heads[place])
        fastavro.schemaless_writer(out, schemas[place], fields)
        return out.getvalue()

    return dump


def _json_dump(names: Names, with_schema: bool) -> Dump:
    heads = [
        b'{"schema":' + json.dumps(schema, separators=(",", ":")).encode() + b',"payload":' for schema in json_schemas(names)
    ]

    def dump(fields: Mapping[str, Any], is_key: bool) -> bytes:
        payload = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
        return heads[0 if is_key else 1] + payload + b"}" if with_schema else payload

    return dump


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
