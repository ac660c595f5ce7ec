"""Rows read again from Cassandra, where an event cannot tell what its column holds.

What comes back is an image: the whole row as it was when it was read. An event cannot be untellable without being one, so that
each is followed by a read that began after it, and the last image is the row's last state, whatever the clocks say.
"""

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

import structlog
import tenacity

from sink_worker.cassandra.cql import CqlType, parse_cql
from sink_worker.cassandra.event_values import event_value
from sink_worker.cassandra.settings import RereadSettings
from sink_worker.errors import FatalError
from sink_worker.settings import read_secret

_log = structlog.get_logger("sink_worker.cassandra.reread")

Key = Mapping[str, Any]
T = TypeVar("T")
ATTEMPTS: Final = 4
CONCURRENCY: Final = 16
"""Reads of one node that wait for their answers at a time."""


class CassandraUnavailableError(ConnectionError):
    """Cassandra gave no answer in time, after all tries. An environment failure: it is waited for."""


@dataclass(frozen=True, slots=True)
class RowImage:
    """A row at ``read_at`` (µs since the epoch, this worker's clock before the read). ``values`` has every column that is no
    part of the key, in the form of the connector's events (:mod:`sink_worker.cassandra.event_values`); it is None where there
    was no such row.

    ``writetimes`` (µs) and ``expiries`` (µs, when a time to live ends) are there for columns of one cell that hold something.
    """

    key: Key
    read_at: int
    values: Mapping[str, Any] | None
    writetimes: Mapping[str, int]
    expiries: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TableShape:
    """The columns of a table with their types: those of its key in their order, and the others."""

    key: Mapping[str, CqlType]
    columns: Mapping[str, CqlType]

    @property
    def cells(self) -> list[str]:
        """Columns whose value is one cell: of these the write time and the time to live can be asked for."""
        return [name for name, cql in self.columns.items() if not _in_many_cells(cql)]


class Reader(Protocol):
    """What asks Cassandra; every method may raise :class:`CassandraUnavailableError`."""

    def shape(self, keyspace: str, table: str) -> TableShape:
        """The table as it is now."""

    def rows(self, statement: str, shape: TableShape, keys: Sequence[Key]) -> list[Sequence[Any] | None]:
        """For each key the row of the statement, or None."""

    def close(self) -> None:
        """End the connections."""


class Pace:
    """At most ``per_second`` of something, with one second's worth at once."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_second = per_second
        self._clock, self._wait = clock, wait
        self._free_at = clock()
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Return when ``count`` more are allowed. Threads share one pace."""
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - 1.0) + count / self._per_second
            delay = self._free_at - now
        if delay > 0:
            self._wait(delay)


class Rereader:
    """Reads rows by their whole keys. One for a process: its threads share the pace."""

    def __init__(
        self,
        settings: RereadSettings,
        reader: Reader | None = None,
        *,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is connected before the first read. ``reader`` is the driver's unless another is given."""
        self._settings = settings
        self._given = reader
        self._clock, self._wait = clock, wait
        self._pace = Pace(settings.rows_per_second, wait=wait)
        self._lock = threading.Lock()

    def read(self, keyspace: str, table: str, keys: Sequence[Key]) -> list[RowImage]:
        """An image for each key, in order; equal keys are read once. Keys have the form of the connector's events.

        :class:`CassandraUnavailableError` when it does not answer, :class:`FatalError` when the table is not there, or a key
        is not the table's.
        """
        if not keys:
            return []
        shape = self._tried(lambda reader: reader.shape(keyspace, table))
        unknown = next((key for key in keys if set(key) != set(shape.key)), None)
        if unknown is not None:
            named, found = ", ".join(shape.key), ", ".join(unknown)
            raise FatalError(f"a row of {keyspace}.{table} is read by its whole key ({named}), and the event has ({found})")
        statement = select_statement(keyspace, table, shape)
        places = {_identity(key): key for key in keys}
        images: dict[str, RowImage] = {}
        wanted, most = list(places), self._settings.batch_keys
        for start in range(0, len(wanted), most):
            images |= self._batch(statement, shape, {place: places[place] for place in wanted[start : start + most]})
        return [images[_identity(key)] for key in keys]

    def close(self) -> None:
        """End the connections."""
        if self._given is not None:
            self._given.close()

    def _batch(self, statement: str, shape: TableShape, keys: Mapping[str, Key]) -> dict[str, RowImage]:
        self._pace.take(len(keys))
        read_at = int(self._clock() * 1_000_000)
        rows = self._tried(lambda reader: reader.rows(statement, shape, list(keys.values())))
        found = zip(keys.items(), rows, strict=True)
        return {place: row_image(key, row, shape, read_at) for (place, key), row in found}

    def _tried(self, ask: Callable[[Reader], T]) -> T:
        """What ``ask`` gives, tried again while Cassandra is not well."""
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential_jitter(multiplier=0.1, max=2.0, jitter=0.1),
            retry=tenacity.retry_if_exception_type(CassandraUnavailableError),
            before_sleep=lambda state: _log.warning("cassandra_not_read", attempt=state.attempt_number),
            sleep=self._wait,
            reraise=True,
        ):
            with attempt:
                return ask(self._reader())
        raise AssertionError("tenacity gives up by raising")

    def _reader(self) -> Reader:
        with self._lock:
            if self._given is None:
                from sink_worker.cassandra.reading import DriverReader

                self._given = DriverReader(self._settings)
            return self._given


def select_statement(keyspace: str, table: str, shape: TableShape) -> str:
    """All columns of one row; behind them when those of one cell were written, and how many seconds they still live."""
    chosen = [quoted(name) for name in shape.columns]
    for name in shape.cells:
        chosen += [f"writetime({quoted(name)})", f"ttl({quoted(name)})"]
    wanted = " AND ".join(f"{quoted(name)} = ?" for name in shape.key)
    columns = ", ".join(chosen or [quoted(next(iter(shape.key)))])
    return f"SELECT {columns} FROM {quoted(keyspace)}.{quoted(table)} WHERE {wanted}"  # noqa: S608 - quoted names, bound values


def row_image(key: Key, row: Sequence[Any] | None, shape: TableShape, read_at: int) -> RowImage:
    """``row`` is one of :func:`select_statement`'s."""
    if row is None:
        return RowImage(key, read_at, None, {}, {})
    count = len(shape.columns)
    values = {name: event_value(cql, one) for (name, cql), one in zip(shape.columns.items(), row, strict=False)}
    written = dict(zip(shape.cells, row[count::2], strict=False))
    lives = dict(zip(shape.cells, row[count + 1 :: 2], strict=False))
    return RowImage(
        key,
        read_at,
        values,
        {name: moment for name, moment in written.items() if moment is not None},
        {name: read_at + seconds * 1_000_000 for name, seconds in lives.items() if seconds is not None},
    )


def quoted(name: str) -> str:
    """A name as CQL takes it whatever its letters."""
    return '"' + name.replace('"', '""') + '"'


def column_type(cql: str, *, static: bool) -> CqlType:
    """A column's type as the driver tells it. What later releases add (``vector``) is a value that is not looked into."""
    try:
        found = parse_cql(cql)
    except ValueError:
        found = CqlType("udt", frozen=True)
    return replace(found, static=static)


def tls_context(settings: RereadSettings) -> ssl.SSLContext | None:
    """None without a CA: the connection is not encrypted then."""
    if settings.ca_file is None:
        return None
    context = ssl.create_default_context(cafile=str(settings.ca_file))
    if settings.certificate_file is not None:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
    return context


def login(settings: RereadSettings) -> tuple[str, str] | None:
    """User and password, when there is one."""
    password = read_secret(settings.password_file)
    return None if settings.username is None else (settings.username, password or "")


def _identity(key: Key) -> str:
    return json.dumps(key, sort_keys=True, default=repr)


def _in_many_cells(cql: CqlType) -> bool:
    return cql.name == "counter" or (not cql.frozen and cql.name in {"list", "set", "map", "udt"})
