"""A steady flow of events whose columns change, and what is seen of it in PostgreSQL."""

import random
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from confluent_kafka import Producer

from bench.evolution.events import Columns, Row, Source
from bench.sink.stage import Stage
from tests.sink.workload.feed import PRODUCER, create_topic

PARTITIONS, KEYS = 6, 60_000
CATCH_UP_SECONDS = 120
OFFSETS = 'SELECT "partition", next_offset FROM cdc_sink.offsets'


class Flow:
    """A steady flow of events into one topic; ``made`` has the moment of each by partition and offset."""

    def __init__(self, stage: Stage, source: Source, rate: int, seconds: float) -> None:
        self.topic = f"{source.name.lower()}.shop.events"
        self.made: list[list[float]] = [[] for _ in range(PARTITIONS)]
        self.model: dict[int, Row] = {}
        self.changed: list[tuple[str, float]] = []
        self.source, self._rate, self._seconds = source, rate, seconds
        create_topic(stage.broker.bootstrap, self.topic, PARTITIONS)
        self._producer = Producer({"bootstrap.servers": stage.broker.bootstrap, **PRODUCER, "linger.ms": 5})

    @property
    def count(self) -> int:
        """Events so far."""
        return sum(map(len, self.made))

    def begin(self) -> None:
        """One event for each partition, so that the worker has its table and its partitions before the flow."""
        columns = self.source.changes[0].columns
        for key in range(PARTITIONS):
            self._send(columns, {"id": key, **{name: None for name in columns if name != "id"}})
        self._flush()

    def run(self) -> float:
        """The flow; its events a second."""
        began, number = time.monotonic(), 0
        for columns, row in self._rows():
            self._send(columns, row)
            number += 1
            if number % 50 == 0:
                self._producer.poll(0)
                time.sleep(max(0.0, began + number / self._rate - time.monotonic()))
        took = time.monotonic() - began
        self._flush()
        return number / took

    def _send(self, columns: Columns, row: Row) -> None:
        key, value = self.source.record(columns, row, time.time_ns() // 1000)
        partition = row["id"] % PARTITIONS
        self._producer.produce(self.topic, value, key, partition)
        self.made[partition].append(time.monotonic())
        self.model[row["id"]] = row

    def _flush(self) -> None:
        if self._producer.flush(CATCH_UP_SECONDS):
            raise RuntimeError("not every event reached Kafka")

    def _rows(self) -> Iterator[tuple[Columns, Row]]:
        chance = random.Random(7)
        changes = self.source.changes
        each = int(self._rate * self._seconds / len(changes))
        for number, change in enumerate(changes):
            # A new column is in one partition's events at first.
            before = changes[max(0, number - 1)].columns
            for event in range(each):
                if event == 0 and number:
                    self.changed.append((change.what, time.monotonic()))
                key = chance.randrange(KEYS)
                columns = before if event < self._rate // 2 and key % PARTITIONS else change.columns
                yield columns, {"id": key, **{name: _value(chance, column) for name, column in columns.items() if name != "id"}}


def _value(chance: random.Random, column: Mapping[str, str]) -> Any:
    kind = column["type"]
    if kind == "string":
        return f"text {chance.randrange(10**6)}"
    return chance.random() if kind == "double" else chance.randrange(2**40 if kind == "int64" else 2**30)


class Watch:
    """Sees every few milliseconds how far PostgreSQL's offsets are."""

    def __init__(self, dsn: str) -> None:
        self.seen: list[list[tuple[int, float]]] = [[] for _ in range(PARTITIONS)]
        self._dsn = dsn
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def behind(self) -> int:
        """Events that are stored."""
        return sum(seen[-1][0] for seen in self.seen if seen)

    def lateness(self, made: list[list[float]]) -> list[tuple[float, float]]:
        """Of each event: when it was made, and the milliseconds until it was stored."""
        found = []
        for partition, moments in enumerate(made):
            offsets = [offset for offset, _ in self.seen[partition]]
            for offset, moment in enumerate(moments):
                found.append((moment, (self.seen[partition][bisect_left(offsets, offset + 1)][1] - moment) * 1000))
        return found

    def _run(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._ending.wait(0.004):
                exists = connection.execute("SELECT to_regclass('cdc_sink.offsets') IS NOT NULL").fetchone()
                for partition, offset in connection.execute(OFFSETS) if exists and exists[0] else []:
                    seen = self.seen[partition]
                    if offset > (seen[-1][0] if seen else 0):
                        seen.append((offset, time.monotonic()))

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
