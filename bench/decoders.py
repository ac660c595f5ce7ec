"""Decoding, per core: the native decoder against fastavro and orjson, on Debezium updates of a table of ten columns.

Run: `python bench/decoders.py [--events N] [--rounds N] [--json]`. Each contender gets the same records in batches of
--batch; the best of the rounds counts. fastavro and orjson only decode to Python values; the native decoder also
compacts, sorts and writes the binary COPY stream, so its figure is the whole way from a record to PostgreSQL.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import fastavro
import orjson
from sink_worker._native import Decoder, TableHint

Record = tuple[int, int, bytes | None, bytes | None]
KEY_ID, VALUE_ID = 1, 2
MICROSECOND = 1_700_000_000_000_000

COLUMNS: list[tuple[str, Any, dict[str, Any]]] = [
    ("id", "long", {"type": "int64", "optional": False}),
    ("customer", "int", {"type": "int32", "optional": False}),
    ("name", "string", {"type": "string", "optional": False}),
    ("email", ["null", "string"], {"type": "string", "optional": True}),
    (
        "amount",
        {
            "type": "bytes",
            "scale": 2,
            "precision": 12,
            "connect.version": 1,
            "connect.parameters": {"scale": "2", "connect.decimal.precision": "12"},
            "connect.name": "org.apache.kafka.connect.data.Decimal",
            "logicalType": "decimal",
        },
        {
            "type": "bytes",
            "optional": False,
            "name": "org.apache.kafka.connect.data.Decimal",
            "version": 1,
            "parameters": {"scale": "2", "connect.decimal.precision": "12"},
        },
    ),
    ("score", ["null", "double"], {"type": "double", "optional": True}),
    ("active", {"type": "int", "connect.type": "int16"}, {"type": "int16", "optional": False}),
    (
        "created",
        {"type": "long", "connect.version": 1, "connect.name": "io.debezium.time.MicroTimestamp"},
        {"type": "int64", "optional": False, "name": "io.debezium.time.MicroTimestamp", "version": 1},
    ),
    (
        "updated",
        ["null", {"type": "string", "connect.version": 1, "connect.name": "io.debezium.time.ZonedTimestamp"}],
        {"type": "string", "optional": True, "name": "io.debezium.time.ZonedTimestamp", "version": 1},
    ),
    ("note", ["null", "string"], {"type": "string", "optional": True}),
]
SOURCE: list[tuple[str, Any, str, Any]] = [
    ("version", "string", "string", "3.5.0.Final"),
    ("connector", "string", "string", "mysql"),
    ("name", "string", "string", "shop"),
    ("ts_ms", "long", "int64", 1_700_000_000_000),
    ("snapshot", ["null", "string"], "string", "false"),
    ("db", "string", "string", "inventory"),
    ("sequence", ["null", "string"], "string", None),
    ("ts_us", ["null", "long"], "int64", MICROSECOND),
    ("ts_ns", ["null", "long"], "int64", MICROSECOND * 1000),
    ("table", ["null", "string"], "string", "orders"),
    ("server_id", "long", "int64", 223344),
    ("gtid", ["null", "string"], "string", None),
    ("file", "string", "string", "mysql-bin.000003"),
    ("pos", "long", "int64", 154_000),
    ("row", "int", "int32", 0),
    ("thread", ["null", "long"], "int64", 7),
    ("query", ["null", "string"], "string", None),
]


def avro_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """The key's and the value's schema, as Confluent's converter registers them."""
    row = {"type": "record", "name": "Value", "fields": [{"name": name, "type": kind} for name, kind, _ in COLUMNS]}
    source = {"type": "record", "name": "Source", "fields": [{"name": name, "type": kind} for name, kind, _, _ in SOURCE]}
    fields = [
        {"name": "before", "type": ["null", row], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {"name": "source", "type": source},
        {"name": "transaction", "type": ["null", "string"], "default": None},
        {"name": "op", "type": "string"},
        *({"name": f"ts_{unit}", "type": ["null", "long"], "default": None} for unit in ("ms", "us", "ns")),
    ]
    value = {"type": "record", "name": "Envelope", "namespace": "shop.inventory.orders", "fields": fields}
    key = {"type": "record", "name": "Key", "namespace": "shop.inventory.orders", "fields": [{"name": "id", "type": "long"}]}
    return key, value


def json_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """The same as JsonConverter embeds them."""
    row = [{**kind, "field": name} for name, _, kind in COLUMNS]
    source = [{"type": kind, "optional": True, "field": name} for name, _, kind, _ in SOURCE]
    times = [{"type": "int64", "optional": True, "field": f"ts_{unit}"} for unit in ("ms", "us", "ns")]
    name = "shop.inventory.orders"
    fields: list[dict[str, Any]] = [
        {"type": "struct", "fields": row, "optional": True, "name": f"{name}.Value", "field": "before"},
        {"type": "struct", "fields": row, "optional": True, "name": f"{name}.Value", "field": "after"},
        {
            "type": "struct",
            "fields": source,
            "optional": False,
            "name": "io.debezium.connector.mysql.Source",
            "field": "source",
        },
        {"type": "string", "optional": True, "field": "transaction"},
        {"type": "string", "optional": False, "field": "op"},
        *times,
    ]
    value = {"type": "struct", "fields": fields, "optional": False, "name": f"{name}.Envelope", "version": 2}
    key_fields = [{"type": "int64", "optional": False, "field": "id"}]
    return {"type": "struct", "fields": key_fields, "optional": False, "name": f"{name}.Key"}, value


def row(key: int, rng: random.Random) -> dict[str, Any]:
    """A row whose decimal is its unscaled bytes."""
    cents = rng.randrange(-(10**9), 10**9)
    return {
        "id": key,
        "customer": rng.randrange(1_000_000),
        "name": f"customer number {key}",
        "email": f"user{key}@example.com" if rng.random() < 0.9 else None,
        "amount": cents.to_bytes(5, "big", signed=True),
        "score": rng.random() * 100,
        "active": rng.randrange(2),
        "created": MICROSECOND + rng.randrange(10**12),
        "updated": "2026-11-20T13:37:03.123456Z",
        "note": "a line of text that somebody wrote about this order",
    }


def updates(count: int, keys: int) -> list[tuple[int, dict[str, Any]]]:
    """Full update envelopes over `keys` keys, reproducible."""
    rng = random.Random(4)
    source = {name: value for name, _, _, value in SOURCE}
    times = {"ts_ms": 1_700_000_000_123, "ts_us": MICROSECOND, "ts_ns": MICROSECOND * 1000}
    events = []
    for _ in range(count):
        key = rng.randrange(keys)
        event = {"before": row(key, rng), "after": row(key, rng), "source": source, "transaction": None, "op": "u", **times}
        events.append((key, event))
    return events


def avro_records(events: Sequence[tuple[int, dict[str, Any]]]) -> list[Record]:
    key_schema, value_schema = (fastavro.parse_schema(plain(schema)) for schema in avro_schemas())
    records: list[Record] = []
    for offset, (key, event) in enumerate(events):
        parts = []
        for schema_id, schema, value in ((KEY_ID, key_schema, {"id": key}), (VALUE_ID, value_schema, event)):
            out = io.BytesIO()
            out.write(struct.pack(">bI", 0, schema_id))
            fastavro.schemaless_writer(out, schema, value)
            parts.append(out.getvalue())
        records.append((key % 6, offset, parts[0], parts[1]))
    return records


def plain(schema: Any) -> Any:
    """The schema without logical types: fastavro then takes and gives a decimal's bytes, as a fast reader would."""
    if isinstance(schema, dict):
        return {name: plain(value) for name, value in schema.items() if name != "logicalType"}
    return [plain(item) for item in schema] if isinstance(schema, list) else schema


def json_records(events: Sequence[tuple[int, dict[str, Any]]], *, embedded: bool) -> list[Record]:
    import base64

    def encode(schema: dict[str, Any], payload: Any) -> bytes:
        document = {"schema": schema, "payload": payload} if embedded else payload
        return json.dumps(document, separators=(",", ":")).encode()

    def textual(values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "amount": base64.b64encode(values["amount"]).decode()}

    key_schema, value_schema = json_schemas()
    records: list[Record] = []
    for offset, (key, event) in enumerate(events):
        value = {**event, "before": textual(event["before"]), "after": textual(event["after"])}
        records.append((key % 6, offset, encode(key_schema, {"id": key}), encode(value_schema, value)))
    return records


HINTS = {
    "id": "bigint",
    "customer": "integer",
    "name": "text",
    "email": "text",
    "amount": "numeric(12,2)",
    "score": "double precision",
    "active": "smallint",
    "created": "timestamp(6)",
    "updated": "timestamptz",
    "note": "text",
}


def native(records: Sequence[Record], hint: TableHint, config: str = "{}") -> Callable[[], int]:
    """Decodes, compacts, sorts and encodes; counts the bytes of COPY."""
    decoder = Decoder(config)
    key_schema, value_schema = avro_schemas()
    decoder.register_schema(KEY_ID, json.dumps(key_schema))
    decoder.register_schema(VALUE_ID, json.dumps(value_schema))

    def run() -> int:
        batch = decoder.decode(hint, records)
        if batch.rejects:
            raise SystemExit(f"the decoder refused its own benchmark: {batch.rejects[0]}")
        return sum(len(segment.copy_payload()) for segment in batch.segments)

    return run


def with_fastavro(records: Sequence[Record]) -> Callable[[], int]:
    key_schema, value_schema = (fastavro.parse_schema(plain(schema)) for schema in avro_schemas())

    def run() -> int:
        for _, _, key, value in records:
            fastavro.schemaless_reader(io.BytesIO((key or b"")[5:]), key_schema, None)
            fastavro.schemaless_reader(io.BytesIO((value or b"")[5:]), value_schema, None)
        return len(records)

    return run


def with_orjson(records: Sequence[Record]) -> Callable[[], int]:
    def run() -> int:
        for _, _, key, value in records:
            orjson.loads(key or b"null")
            orjson.loads(value or b"null")
        return len(records)

    return run


def rate(make: Callable[[Sequence[Record]], Callable[[], int]], records: Sequence[Record], batch: int, rounds: int) -> float:
    """Events per second of CPU, the best round; every batch has been seen once before."""
    runs = [make(records[start : start + batch]) for start in range(0, len(records), batch)]
    best = 0.0
    for _ in range(rounds + 1):
        start = time.process_time()
        for run in runs:
            run()
        best = max(best, len(records) / (time.process_time() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--keys", type=int, default=300_000)
    parser.add_argument("--batch", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    events = updates(arguments.events, arguments.keys)
    hint = TableHint()
    from sink_worker._native import ColumnHint

    typed = TableHint([ColumnHint(name, kind, nullable=name != "id") for name, kind in HINTS.items()], key=["id"])
    base64 = '{"schemaless_decimal": "base64"}'
    avro, embedded, bare = avro_records(events), json_records(events, embedded=True), json_records(events, embedded=False)
    contenders: list[tuple[str, Callable[[Sequence[Record]], Callable[[], int]], list[Record]]] = [
        ("avro: native, to COPY", lambda records: native(records, hint), avro),
        ("avro: fastavro, to values", with_fastavro, avro),
        ("json with schema: native, to COPY", lambda records: native(records, hint), embedded),
        ("json with schema: orjson, to values", with_orjson, embedded),
        ("json without schema: native, to COPY", lambda records: native(records, typed, base64), bare),
        ("json without schema: orjson, to values", with_orjson, bare),
    ]
    results = {name: rate(make, records, arguments.batch, arguments.rounds) for name, make, records in contenders}
    if arguments.json:
        print(json.dumps({name: round(value) for name, value in results.items()}))
        return
    for name, value in results.items():
        print(f"{name:<42}{value:>12,.0f} events/s per core")


if __name__ == "__main__":
    main()
