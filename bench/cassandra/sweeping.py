"""A backlog of cells that have ended and of deletions beyond the horizon: how long the sweeper's transactions have locks.

Every transaction is timed from its BEGIN until its COMMIT is answered, which is longer than any lock of it is held. Meanwhile
another session writes the same rows, one at a time, and knows how long it waited.
"""

import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sink_worker.cassandra.sweeper import Sweeper

from tests.harness.postgres_server import PostgresServer
from tests.sink.native.cell_postgres import Merging
from tests.sink.workload.cassandra_events import Table
from tests.sink.workload.cassandra_model import Cell, Put

LONGEST_MS = 100.0
TABLE = Table(cells=tuple((f"c{number}", "text" if number % 2 else "int") for number in range(8)))
BACKLOG = """
INSERT INTO backlog SELECT 1, n, {cells}, _cdc_ts, _cdc_cells, _cdc_expires FROM backlog, generate_series(1, {rows}) AS n;
INSERT INTO cdc_sink.cell_graves SELECT id, int4send(n), n, '' FROM cdc_sink.cell_tables, generate_series(1, {rows}) AS n
"""


@dataclass(frozen=True)
class Swept:
    """Milliseconds; ``rows`` and as many forgotten deletions in ``transactions``."""

    rows: int
    seconds: float
    transactions: int
    median_ms: float
    p99_ms: float
    longest_ms: float
    writes_beside: int
    longest_write_ms: float


def measure(folder: Path, rows: int) -> Swept:
    """On a server of its own, as durable as it comes, with nothing analyzed: as after a night without a worker."""
    folder.mkdir(parents=True, exist_ok=True)
    with PostgresServer(folder, {"autovacuum": "off", "max_wal_size": "8GB"}) as server:
        merging = Merging(server.dsn(), "backlog", TABLE.types, horizon_hours=1.0)
        try:
            return _measured(merging, server.dsn(), rows)
        finally:
            merging.close()


def _measured(merging: Merging, dsn: str, rows: int) -> Swept:
    soon = int(time.time()) + 2
    cells = tuple((name, Cell(7 if kind == "int" else "some text of a cell", soon if number < 4 else None))
                  for number, (name, kind) in enumerate(TABLE.cells))  # fmt: skip
    ts = (int(time.time()) - 60) * 1_000_000
    merging.apply([TABLE.event(Put((1, 0), ts, cells, marks=True))])
    names = ", ".join(name for name, _ in TABLE.cells)
    merging.connection.execute(BACKLOG.format(cells=names, rows=rows).encode())
    time.sleep(max(0.0, soon + 1 - time.time()))
    sweeper = merging.sweeper()
    taken = _timed(sweeper)
    beside = _Beside(dsn, rows)
    began = time.monotonic()
    with merging.open() as connection, beside:
        done = sweeper.sweep(connection)
        seconds = time.monotonic() - began
    if done < 2 * rows:
        raise RuntimeError(f"{done} of {2 * rows} were swept")
    ordered = sorted(taken)
    return Swept(rows, seconds, len(ordered), statistics.median(ordered), ordered[len(ordered) * 99 // 100], ordered[-1],
                 beside.writes, beside.longest_ms)  # fmt: skip


def _timed(sweeper: Sweeper) -> list[float]:
    """Where the length of each of its transactions will be, in milliseconds."""
    taken: list[float] = []
    observe = sweeper.metrics.sweep_seconds.observe

    def note(amount: float, exemplar: dict[str, str] | None = None) -> None:
        taken.append(amount * 1000)
        observe(amount, exemplar)

    sweeper.metrics.sweep_seconds.observe = note  # type: ignore[method-assign]
    return taken


class _Beside:
    """Another session that writes rows of the backlog."""

    def __init__(self, dsn: str, rows: int) -> None:
        self._dsn, self._rows = dsn, rows
        self.writes, self.longest_ms = 0, 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._ending.is_set():
                row = self.writes * 7919 % self._rows
                began = time.monotonic()
                connection.execute("UPDATE backlog SET c1 = c1 WHERE id = 1 AND ck = %s", [row])
                self.longest_ms = max(self.longest_ms, (time.monotonic() - began) * 1000)
                self.writes += 1
                self._ending.wait(0.001)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
