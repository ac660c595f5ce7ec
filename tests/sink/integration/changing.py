"""A topic whose table changes its columns: records in JSON with schemas, as Debezium writes them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Producer

from tests.harness.processes import wait_until
from tests.sink.integration.stand import Pipeline
from tests.sink.workload.feed import FLUSH_SECONDS, PRODUCER, create_topic

LIMIT_SECONDS = 120
LONG, INT, TEXT, DOUBLE = ({"type": kind} for kind in ("int64", "int32", "string", "double"))
Columns = Mapping[str, Mapping[str, Any]]
Row = Mapping[str, Any]


class ChangingTopic:
    """One partition, so that events are in one order. ``sent`` is the next offset."""

    def __init__(self, pipeline: Pipeline, table: str) -> None:
        self.table = table
        self.topic = f"{pipeline.name}.shop.{table}"
        self.sent = 0
        self._pipeline = pipeline
        self._producer = Producer({"bootstrap.servers": pipeline.stand.broker.bootstrap, **PRODUCER})
        create_topic(pipeline.stand.broker.bootstrap, self.topic, 1)
        pipeline.topics.append(self.topic)

    def send(self, columns: Columns, rows: Iterable[Row], *, op: str = "u", key: tuple[str, ...] = ("id",)) -> None:
        """Events of rows with these columns; the source's clock goes on by a second with each call."""
        for row in rows:
            known = {name: columns[name] for name in key}
            head = _record(known, {name: row[name] for name in key})
            before, after = (row, None) if op == "d" else (None, row)
            payload = {"before": before, "after": after, "source": {"ts_ms": 1_000 * (self.sent + 1)}, "op": op, "ts_ms": 0}
            self._producer.produce(self.topic, _envelope(columns, payload), head, 0)
            self.sent += 1
        if self._producer.flush(FLUSH_SECONDS):
            raise RuntimeError(f"records did not reach {self.topic}")

    def wait_stored(self) -> None:
        """Return once PostgreSQL's offset is behind all that was sent."""
        self.wait_until_stored(self.sent)

    def wait_until_stored(self, offset: int) -> None:
        """Return once PostgreSQL's offset is ``offset``."""
        wait_until(
            f"{self.topic} to be stored up to {offset}",
            lambda: self._pipeline.next_offsets(self.topic).get(0, 0) == offset, LIMIT_SECONDS, 0.05,
        )  # fmt: skip

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """The table's, by key."""
        named = ", ".join(columns)
        return self._pipeline.query(f"SELECT {named} FROM {self.table} ORDER BY {named}")

    def types(self) -> dict[str, str]:
        """The table's columns."""
        found = self._pipeline.query(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped", self.table,
        )  # fmt: skip
        return dict(found)


def _struct(name: str, columns: Columns, field: str | None = None, *, optional: bool = False) -> dict[str, Any]:
    fields = [{"optional": True, **column, "field": label} for label, column in columns.items()]
    found = {"type": "struct", "name": name, "optional": optional, "fields": fields}
    return found if field is None else {**found, "field": field}


def _record(columns: Columns, payload: Row) -> bytes:
    required = {name: {**column, "optional": False} for name, column in columns.items()}
    return json.dumps({"schema": _struct("shop.Key", required), "payload": payload}).encode()


def _envelope(columns: Columns, payload: Row) -> bytes:
    fields = [
        _struct("shop.Value", columns, "before", optional=True), _struct("shop.Value", columns, "after", optional=True),
        _struct("Source", {"ts_ms": LONG}, "source"), {"type": "string", "optional": False, "field": "op"},
        {"type": "int64", "optional": True, "field": "ts_ms"},
    ]  # fmt: skip
    schema = {"type": "struct", "name": "shop.Envelope", "optional": False, "fields": fields}
    return json.dumps({"schema": schema, "payload": payload}).encode()
