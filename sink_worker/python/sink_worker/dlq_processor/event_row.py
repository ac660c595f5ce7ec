"""A refused event as one row of text, as far as it can be read; and the row of text written in the event's place."""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from sink_worker._native import Batch, Column, Segment
from sink_worker.control import Connection
from sink_worker.dlq_processor.cells import ABSENT, Cell
from sink_worker.rejected import OpenRejection
from sink_worker.replay import Replay, Write
from sink_worker.routing import Route
from sink_worker.rows import BinaryArray, write_deletes
from sink_worker.statements import Statements

_TEXT_OIDS: Final = frozenset({25, 1042, 1043})
_COPY_HEADER: Final = 19  # signature, flags, length of the extension: what the decoder writes
_MOST_PATCHES: Final = 64
Kind = Literal["upsert", "delete"]


@dataclass(frozen=True, slots=True)
class EventRow:
    """``cells`` by column name. ``event`` is the event to apply: without the cells that it could not be read with."""

    event: OpenRejection
    route: Route
    kind: Kind
    key: tuple[str, ...]
    cells: Mapping[str, Cell]
    text_columns: frozenset[str]
    fingerprint: str


def fingerprint_of(event: OpenRejection) -> str:
    """Ties a row of a sheet to the bytes of its event."""
    digest = hashlib.sha256(event.topic.encode())
    for part in (event.raw_key, event.raw_value):
        digest.update(b"-" if part is None else struct.pack(">q", len(part)) + part)
    return digest.hexdigest()[:16]


def masked_columns(route: Route) -> frozenset[str]:
    """Columns of personal data: shown masked, and not to be changed by hand."""
    return frozenset(column for column, _ in route.masks)


def read_event(connection: Connection, replay: Replay, event: OpenRejection) -> EventRow | str:
    """The event's row; or why it cannot be shown."""
    readable, spoilt = replay.opened(event), dict[str, str]()
    route, batch = replay.decoded(connection, readable, lenient=True)
    while batch.rejects:
        column = batch.rejects[0].column
        hidden = column is None or column in masked_columns(route) or column in spoilt or len(spoilt) >= _MOST_PATCHES
        patched = None if hidden or column is None else _without(readable, column)
        if patched is None or column is None:
            return f"it cannot be read: {batch.rejects[0].error_class}: {batch.rejects[0].message}"
        readable, spoilt[column] = patched
        route, batch = replay.decoded(connection, readable, lenient=True)
    return _row_of(connection, event, readable, route, batch, spoilt)


def _row_of(connection: Connection, event: OpenRejection, readable: OpenRejection, route: Route, batch: Batch,
            spoilt: dict[str, str]) -> EventRow | str:  # fmt: skip
    rows: list[tuple[Segment, Kind]] = []
    for segment in batch.segments:
        counts: tuple[tuple[Kind, int], ...] = (("upsert", segment.upserts), ("delete", segment.deletes))
        rows += [(segment, kind) for kind, count in counts for _ in range(count)]
    if len(rows) != 1:
        return f"it has {len(rows)} rows, and a sheet's line is one"
    segment, kind = rows[0]
    values = _delete_values(segment) if kind == "delete" else dict(zip(segment.columns, _fields(segment), strict=True))
    cells: dict[str, Cell] = {column.name: ABSENT for column in segment.columns}
    cells.update(_texts(connection, values))
    cells.update(spoilt)
    texts = {column.name for column in segment.columns if column.oid in _TEXT_OIDS}
    return EventRow(readable, route, kind, tuple(segment.key), cells, frozenset(texts | set(spoilt)), fingerprint_of(event))


def _fields(segment: Segment) -> Iterator[bytes | None]:
    """The fields of the one row of a binary COPY stream."""
    payload = segment.copy_payload(0, 1)
    (count,) = struct.unpack_from(">h", payload, _COPY_HEADER)
    at = _COPY_HEADER + 2
    for _ in range(count):
        (length,) = struct.unpack_from(">i", payload, at)
        at += 4
        yield None if length < 0 else payload[at : at + length]
        at += max(length, 0)


def _delete_values(segment: Segment) -> dict[Column, bytes | None]:
    """The key columns only: their canonical key is their fields, one after another."""
    [key] = segment.key_bytes("delete")
    named = {column.name: column for column in segment.columns}
    values: dict[Column, bytes | None] = {}
    at = 0
    for name in segment.key:
        (length,) = struct.unpack_from(">i", key, at)
        values[named[name]] = None if length < 0 else key[at + 4 : at + 4 + length]
        at += 4 + max(length, 0)
    return values


def _texts(connection: Connection, values: Mapping[Column, bytes | None]) -> dict[str, Cell]:
    """Values as PostgreSQL writes them; text itself is taken as it is, since it may hold what PostgreSQL refuses."""
    found: dict[str, Cell] = {}
    asked: list[tuple[Column, bytes]] = []
    for column, data in values.items():
        if data is None:
            found[column.name] = None
        elif column.oid in _TEXT_OIDS:
            found[column.name] = data.decode(errors="replace")
        else:
            asked.append((column, data))
    if asked:
        # Names of types, from the decoder's closed list.
        query = "SELECT " + ", ".join(f"%b::{column.pg_type}::text" for column, _ in asked)
        row = connection.execute(query.encode(), [BinaryArray(column.oid, data) for column, data in asked]).fetchone()
        found.update(zip((column.name for column, _ in asked), row or (), strict=True))
    return found


def _without(event: OpenRejection, column: str) -> tuple[OpenRejection, str] | None:
    """The event with null in the place of one value, and that value as text. JSON only: of Avro nothing can be left out."""
    try:
        document = json.loads(event.raw_value or b"")
    except (ValueError, RecursionError):
        return None
    row, field = _after(document), _field(document, column)
    if row is None or column not in row:
        return None
    value = row[column]
    row[column] = None
    if field is not None:
        field["optional"] = True
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    patched = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
    return replace(event, raw_value=patched), shown


def _after(document: Any) -> dict[str, Any] | None:
    payload = document.get("payload", document) if isinstance(document, dict) else None
    if not isinstance(payload, dict):
        return None
    after = payload.get("after", payload) if "op" in payload else payload
    return after if isinstance(after, dict) else None


def _field(document: Any, column: str) -> dict[str, Any] | None:
    """The column's entry in the schema that a record may carry."""
    try:
        fields = document["schema"]["fields"]
        after = next((field["fields"] for field in fields if field.get("field") == "after"), fields)
        return next((field for field in after if field.get("field") == column), None)
    except (AttributeError, KeyError, TypeError):
        return None


def writing(cells: Mapping[str, Cell]) -> Write:
    """Writes the cells in the place of the event's own values."""

    def write(connection: Connection, statements: Statements, segment: Segment) -> None:
        if segment.deletes:
            write_deletes(connection, statements, segment, 0, segment.deletes)
            return
        connection.execute(statements.empty_staging)
        values = [cells[column.name] for column in segment.columns]
        with connection.cursor() as cursor:
            with cursor.copy(statements.copy_text) as copy:
                copy.write_row(values)
            cursor.execute(statements.upsert)

    return write
