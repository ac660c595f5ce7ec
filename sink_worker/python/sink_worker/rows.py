"""Writes one segment's rows: COPY into the staging table, deletes by arrays of keys, one upsert."""

from typing import Any, Final

from psycopg.adapt import Buffer, Dumper, PyFormat
from psycopg.pq import Format

from sink_worker import faults
from sink_worker._native import Segment
from sink_worker.control import Connection
from sink_worker.statements import Statements

# The client library buffers what it is given at once: pieces keep its buffer small, and the server parsing meanwhile.
COPY_PIECE_BYTES: Final = 256 * 1024


class BinaryArray:
    """A parameter that is encoded already."""

    __slots__ = ("data", "oid")

    def __init__(self, oid: int, data: bytes) -> None:
        self.oid = oid
        self.data = data


class _BinaryArrayDumper(Dumper):
    """Hands the bytes over, with the type that each object names."""

    format = Format.BINARY

    def get_key(self, obj: Any, format: PyFormat) -> Any:  # noqa: A002 (psycopg's name)
        return (self.cls, obj.oid)

    def upgrade(self, obj: Any, format: PyFormat) -> "_BinaryArrayDumper":  # noqa: A002
        dumper = _BinaryArrayDumper(self.cls)
        dumper.oid = obj.oid
        return dumper

    def dump(self, obj: Any) -> Buffer | None:
        data: bytes = obj.data
        return data


def prepare_session(connection: Connection) -> None:
    """Teach a connection to take :class:`BinaryArray` parameters."""
    connection.adapters.register_dumper(BinaryArray, _BinaryArrayDumper)


def write_deletes(connection: Connection, statements: Statements, segment: Segment, low: int, high: int) -> None:
    """Delete the rows of the segment's delete keys [low, high)."""
    if statements.delete is None or low == high:
        return
    arrays = [BinaryArray(oid, data) for oid, data in segment.delete_arrays(low, high)]
    connection.execute(statements.delete, arrays, prepare=True)
    faults.reach(faults.DELETED)


def write_upserts(connection: Connection, statements: Statements, segment: Segment, low: int, high: int) -> None:
    """Upsert the rows [low, high). The staging table has to be empty, and is full afterwards until the commit."""
    if low == high:
        return
    payload = segment.copy_payload(low, high)
    with connection.cursor() as cursor:
        with cursor.copy(statements.copy) as copy:
            view = memoryview(payload)
            for at in range(0, len(payload), COPY_PIECE_BYTES):
                copy.write(view[at : at + COPY_PIECE_BYTES])
        faults.reach(faults.STAGED)
        cursor.execute(statements.upsert, prepare=True)
    faults.reach(faults.UPSERTED)
