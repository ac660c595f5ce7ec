"""The compiled half: Debezium records in, PostgreSQL binary COPY streams out, one topic's batch at a time.

Nothing here does I/O, and a decoder keeps no state between batches but its caches (schemas and compiled plans), so a
batch can be decoded again with the same outcome. `Decoder.decode` holds the GIL only while it takes the bytes out of
the messages. Bad records never raise: each is a `Reject`. Programming errors (wrong argument types) raise TypeError or
ValueError.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, final

RowKind: TypeAlias = Literal["upsert", "delete"]
Stage: TypeAlias = Literal["decode_key", "decode_value", "convert"]
Record: TypeAlias = tuple[int, int, bytes | None, bytes | None]  # partition, offset, key, value: what tests and replays use

class UnknownSchema(Exception):
    """The batch names schema ids that were neither registered nor declared missing; nothing of it was decoded."""

    ids: list[int]

class SchemaError(ValueError):
    """The text is no usable Avro schema. Declare its id with `register_missing`, and its records become rejects."""

@final
class ColumnHint:
    """What is known of a column of the target table.

    `pg_type` is `format_type()`'s spelling ("numeric(10,2)", "timestamp(3) without time zone", …) or a common alias.
    It gives schemaless JSON its types. With a schema it chooses the staging type wherever the value converts to it
    exactly (boolean ↔ smallint, string → uuid, int → bigint …); elsewhere the column keeps its natural type and the
    INSERT has to cast. `source` is the Debezium semantic name ("io.debezium.time.Timestamp"), which tells schemaless
    numbers apart: without it an integer for a timestamp is milliseconds where the column has precision <= 3 and
    microseconds elsewhere.
    """

    def __init__(self, name: str, pg_type: str, *, nullable: bool = True, source: str | None = None) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def pg_type(self) -> str: ...
    @property
    def nullable(self) -> bool: ...
    @property
    def source(self) -> str | None: ...

@final
class TableHint:
    """The target of one topic. Immutable; equal hints share their compiled plans.

    key     the key columns in order. None: the fields of the record's key. Where the record's key lacks one of them,
            the key is taken from the value (`after`; `before` for deletes and for an update that changes it).
    append  a table without key: every c, r (and u, d → reject) is an INSERT, nothing is compacted or sorted.
    """

    def __init__(
        self, columns: Sequence[ColumnHint] = (), *, key: Sequence[str] | None = None, append: bool = False
    ) -> None: ...
    @property
    def columns(self) -> list[ColumnHint]: ...
    @property
    def key(self) -> list[str] | None: ...
    @property
    def append(self) -> bool: ...
    def masked(self, masks: Mapping[str, Mask]) -> TableHint:
        """The same, with masks of columns: such a column's values are changed before they are written anywhere. It is text
        then, but for a redacted one, which keeps its type."""

@final
class Mask:
    """One column's mask: `MaskKey.mask` makes it."""

@final
class MaskKey:
    """The secret of all masks, at least 32 bytes; ValueError for less."""

    def __init__(self, secret: bytes) -> None: ...
    def mask(self, rule: Literal["hash", "tokenize", "redact", "partial"], keep: int = 4) -> Mask: ...
    def seal(self, bytes: bytes) -> bytes:  # noqa: A002
        """Encrypted; equal bytes alike, and what is sealed already as it is."""

    def unseal(self, bytes: bytes) -> bytes:  # noqa: A002
        """What was sealed; other bytes as they are. ValueError when it was sealed with another key."""

    def reveal(self, token: str) -> str:
        """The text that a token stands for. ValueError when it is none of this key's."""

@final
class Slim:
    """A JSON record's payload, of which the schema is known. `bytes()` is the whole record again, `len()` the payload's."""

    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...

@final
class Decoder:
    """Schemas and compiled plans of one process. Thread-safe.

    `config_json` is an object; unknown members are refused with ValueError:
      format             "auto" (by first byte, the default) | "avro" | "json"
      geometry           "bytea" (WKB, the default) | "postgis" (type geometry, EWKB with its SRID)
      time               "interval" (default; beyond 24 h and negative) | "time" (rejects what is outside 0..24 h)
      zero_dates         "null" (default) | "epoch": what a text 0000-00-00… becomes (a NOT NULL column rejects null)
      binary             "bytes" (default) | "base64" | "base64-url-safe" | "hex": Debezium's binary.handling.mode; a text
                         column is decoded to bytea where its source type (propagated) or its hint says it is binary
      schemaless_decimal "text" (default: a number or a decimal string) | "base64" (unscaled bytes; the hint has the scale)
      unknown_fields     "reject" (default) | "ignore": fields of schemaless JSON that no hint names
      flat_metadata      "keep" (default) | "drop": `__…` fields of flattened records; `__deleted` and `__op` never
                         become columns
    """

    def __init__(self, config_json: str = "{}") -> None: ...
    def register_schema(self, id: int, schema_json: str) -> None:  # noqa: A002
        """A writer schema, its references inlined. SchemaError if it is none. Idempotent; replaces a `missing` mark."""

    def register_missing(self, id: int, reason: str) -> None:  # noqa: A002
        """The registry has no (usable) schema of this id: its records become rejects of class UnknownSchema."""

    def known(self, id: int) -> bool:  # noqa: A002
        """Whether the id was registered or declared missing."""

    def schema_ids(self, messages: Iterable[Any]) -> set[int]:
        """Ids on keys and values that are not known yet. Cheaper: just `decode` and catch UnknownSchema."""

    def slim(self, messages: Sequence[Any]) -> None:
        """Give confluent_kafka.Messages a `Slim` for their value, where it begins with a schema met not long ago. Such a
        message takes a tenth of the memory, and reads the same."""

    def decode(self, table: TableHint, messages: Sequence[Any]) -> Batch:
        """The changes of ONE topic's messages, in the order given (any partitions).

        Messages are confluent_kafka.Message objects without error(), or `Record` tuples. Raises UnknownSchema (with
        every unknown id of the batch) before it decodes anything.
        """

    def decode_cells(self, table: CellHint, messages: Sequence[Any], now_us: int, *, json: bool = False) -> Batch:
        """The same for events of Debezium's connector for Cassandra; their order does not matter. ``now_us`` is the clock that
        their timestamps are held against. ``json``: they are JSON, whatever the decoder's format is."""

    def key_json(self, key: bytes) -> str | None:
        """The columns of a record's key as a JSON object; None where it cannot be read."""

@final
class Batch:
    """messages == events + tombstones + skipped + len(rejects)."""

    messages: int
    events: int  # changes (c, r, u, d, t) taken
    tombstones: int  # null values; each is a delete of its key, which after the d it follows is nothing new
    skipped: int  # heartbeats, transaction metadata, schema changes, logical messages (op m), null key and null value
    ops: dict[str, int]  # events by op: c r u d t
    source_ts_ms: tuple[int, int] | None  # min, max of source.ts_ms of the events
    positions: dict[int, tuple[int, int]]  # partition → (first offset, next offset = last + 1)
    rejects: list[Reject]  # in message order
    segments: list[Segment]  # apply in this order, each: truncate, evolve, deletes, upserts
    cells: list[CellWrites]  # of Cassandra's events, which have no segments; in any order
    future: list[tuple[int, int]]  # of Cassandra's: message, timestamp (µs) that is ahead of the clock by more than report_us
    listed: list[tuple[int, list[str]]]  # of Cassandra's: message, ambiguous columns that it touched

@final
class Reject:
    """A record that cannot become a row. `index` is its place in the messages given to `decode`."""

    index: int
    partition: int
    offset: int
    stage: Stage
    error_class: str  # see ERROR_CLASSES
    message: str  # what, where and why; never a value of the row
    column: str | None
    key: bytes | None  # the canonical key (as Segment.key_bytes) where the key could be decoded
    superseded: bool  # a later good event of the same key, or a later truncate, is in this batch

ERROR_CLASSES: frozenset[str]

@final
class Column:
    name: str
    pg_type: str  # for DDL: the type of the staging column and of a table that is created
    oid: int  # 0: only the server knows it (PostGIS geometry)
    array_oid: int
    nullable: bool
    key: bool
    source: str | None  # the Debezium or Connect semantic name, or None
    source_type: str | None  # __debezium.source.column.type, where the connector propagates it
    source_length: int | None
    source_scale: int | None
    allowed: str | None  # Enum/EnumSet: the allowed labels, as Debezium writes them

@final
class Segment:
    """One row per key over all operations: the last event wins. Segments between two truncates are kept apart by their
    columns. A key is in one segment only, unless a later event lacks columns of an earlier one: then it is in both, and
    their order matters.

    Inside a segment do the deletes first, then the upserts (a secondary unique value may have moved from a deleted row
    to a new one). Rows are sorted by key in an order that is the same in every worker. A segment that saw nothing but
    tombstones has only its key columns: never create or alter a table from a segment with `upserts == 0`.
    """

    truncate: bool  # TRUNCATE the table before anything of this segment (whatever came before it is dropped)
    columns: list[Column]
    key: list[str]  # names of the key columns in the order of key_bytes and delete_arrays; empty for append
    fingerprint: str  # 16 hex digits over name, pg_type, nullable, key of every column; stable across processes
    upserts: int
    deletes: int
    source_ts_ms: tuple[int, int] | None  # of the rows that are left

    def copy_payload(self, low: int = 0, high: int = -1) -> bytes:
        """A whole binary COPY stream (header, rows, trailer) of upsert rows [low, high), high < 0: to the end.

        IndexError unless 0 <= low <= high <= upserts. All `columns`, in their order.
        """

    def copy_size(self, low: int = 0, high: int = -1) -> int:
        """len(copy_payload(low, high)), without building it."""

    def delete_arrays(self, low: int = 0, high: int = -1) -> list[tuple[int, bytes]]:
        """Per key column (array oid, the binary array), for DELETE … USING unnest($1, $2, …)."""

    def origin(self, kind: RowKind, index: int) -> tuple[int, int, int]:
        """Partition, offset, and index in the messages given to `decode`, of the event that made the row."""

    def origins(self, kind: RowKind, low: int = 0, high: int = -1) -> list[tuple[int, int, int]]: ...
    def key_bytes(self, kind: RowKind, low: int = 0, high: int = -1) -> list[bytes]:
        """The canonical key of each row: the key columns' COPY fields (int32 length + binary value), one after another."""

    def find(self, keys: Iterable[bytes]) -> list[tuple[RowKind, int] | None]:
        """Where each canonical key is in this segment: to mark earlier rejects of that key superseded."""

Array: TypeAlias = tuple[int, bytes]
"""An array parameter: its type's oid, and its binary form."""

@final
class CellHint:
    """What a decoder is told of a table of Cassandra's; it remembers layouts, so a new one is made where the table changed.

    types      CQL types by column, without ``frozen`` and ``static``: they win over the schema's. A collection or user-defined
               type that is not among them counts as ambiguous.
    target     types of the columns that the table in PostgreSQL has, as ``format_type()`` spells them
    ambiguous  columns of ``types`` whose value an event does not tell
    refuse     events that touch such a column are rejects; else the cell is left out where an UPDATE brings it, and listed
    precise    a varint comes as Connect's Decimal (the connector's varint.handling.mode)
    """

    def __init__(
        self,
        types: Mapping[str, str],
        target: Mapping[str, str],
        *,
        ambiguous: Sequence[str] = (),
        refuse: bool = True,
        precise: bool = False,
        report_us: int = 5_000_000,
        refuse_us: int = 3_600_000_000,
        masks: Mapping[str, Mask] = ...,
    ) -> None: ...

@final
class CellColumn:
    """A column of some writes. ``map``: a map's, which a GIN index helps."""

    @property
    def name(self) -> str: ...
    @property
    def pg_type(self) -> str: ...
    @property
    def key(self) -> bool: ...
    @property
    def map(self) -> bool: ...

@final
class CellWrites:
    """Writes of rows that have the same columns, compacted to one for each row, and deletions of partitions and ranges.

    Keys and partitions are their columns' COPY fields in the key's order; rows are in the order of their keys.
    """

    @property
    def columns(self) -> list[CellColumn]:
        """The key's, then those that have cells."""
    @property
    def fingerprint(self) -> str: ...
    def __len__(self) -> int:
        """Rows."""
    @property
    def latest(self) -> int | None:
        """The latest timestamp, µs."""
    def without(self, names: Sequence[str]) -> CellWrites:
        """The same without the cells of some columns; with another fingerprint."""
    def key_arrays(self) -> list[Array]:
        """An array for each key column, of the rows' keys."""
    def keys(self) -> Array:
        """The rows' keys as one bytea[]."""
    def partitions(self, width: int) -> Array:
        """The partitions of rows and deletions as one bytea[]; ``width``: how many key columns a partition has."""
    @property
    def tombstones(self) -> list[tuple[int, bytes, bytes, int]]:
        """Deletions: key columns of a partition, partition, range (empty: all of it), timestamp in µs."""
    def tombstone_arrays(self, width: int) -> list[Array]:
        """An array for each key column of the partitions that were deleted from."""

@final
class Merged:
    """What a merge came to: rows to insert, update and delete, and graves (states of rows that are gone) likewise."""

    @property
    def inserts(self) -> int: ...
    @property
    def updates(self) -> int: ...
    @property
    def deletes(self) -> int: ...
    @property
    def grave_deletes(self) -> int: ...
    @property
    def grave_inserts(self) -> int: ...
    def copy_payload(self) -> bytes:
        """A COPY stream of rows: version (xid; NULL: a new row), base, state, next expiry, key, cells."""
    def delete_arrays(self) -> list[Array]:
        """Versions, then the key's columns, of the rows to delete."""
    def grave_delete_arrays(self) -> list[Array]:
        """Keys and versions of graves to delete."""
    def grave_insert_arrays(self) -> list[Array]:
        """Keys, bases and states of graves to make."""

def merge_cells(
    writes: CellWrites | None,
    *,
    columns: Sequence[int],
    width: int,
    keys: int,
    records: Sequence[bytes],
    graves: Sequence[tuple[bytes, int, int, bytes]],
    tombstones: Sequence[tuple[bytes, bytes, int]],
    partition: int,
    now: int,
    cutoff_us: int,
) -> Merged:
    """Join writes (None: stored rows are only looked at again) with what is stored of their rows.

    columns     which of the table's ``width`` columns each column of the writes is
    keys        key columns; ``partition`` of them are the partition's
    records     rows as record_send() gives them: version, base, state, expiry, key, cells
    graves      key, version, base, state
    tombstones  partition, range, timestamp
    now         seconds since 1970; deletions before ``cutoff_us`` are forgotten

    ValueError for a stored state that cannot be read.
    """
