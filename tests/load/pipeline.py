"""Locust: changes of orders into a pipeline's topic, each timed until its row is in PostgreSQL.

    locust -f tests/load/pipeline.py --users 10 --spawn-rate 5 --run-time 5m --headless

``CDC_LOAD_BOOTSTRAP``, ``CDC_LOAD_TOPIC`` (one that the worker reads; JSON without schema), ``CDC_LOAD_DSN`` and
``CDC_LOAD_TABLE`` (with columns id bigint primary key, note text) say where. Each user has its own ids.
"""

import itertools
import json
import os
import time
import uuid
from typing import Any

import psycopg
from confluent_kafka import Producer
from locust import User, between, events, task

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.02


class Changing(User):
    """Writes a change as Debezium would, and waits for its row."""

    wait_time = between(0.05, 0.2)

    def on_start(self) -> None:
        """Connect to both ends."""
        self._topic, self._table = os.environ["CDC_LOAD_TOPIC"], os.environ["CDC_LOAD_TABLE"]
        self._producer = Producer({"bootstrap.servers": os.environ["CDC_LOAD_BOOTSTRAP"], "enable.idempotence": True})
        self._connection = psycopg.connect(os.environ["CDC_LOAD_DSN"], autocommit=True)
        self._look = psycopg.sql.SQL("SELECT note FROM {} WHERE id = %s").format(
            psycopg.sql.Identifier(*self._table.split("."))
        )
        self._ids = itertools.count((uuid.uuid4().int % 2**31) << 31)
        self._id = next(self._ids)

    def on_stop(self) -> None:
        """Let both go."""
        self._producer.flush(10)
        self._connection.close()

    @task(3)
    def create(self) -> None:
        """A new row."""
        self._id = next(self._ids)
        self._change("c", f"new {uuid.uuid4().hex}")

    @task(2)
    def update(self) -> None:
        """The last row again, with another value."""
        self._change("u", f"changed {uuid.uuid4().hex}")

    @task(1)
    def delete(self) -> None:
        """The last row goes."""
        self._change("d", None)

    def _change(self, op: str, note: str | None) -> None:
        began = time.perf_counter()
        row = {"id": self._id, "note": note}
        value = {"op": op, "ts_ms": int(time.time() * 1000), "source": {"ts_ms": int(time.time() * 1000)},
                 "before": row if op == "d" else None, "after": None if op == "d" else row}  # fmt: skip
        self._producer.produce(self._topic, json.dumps(value).encode(), json.dumps({"id": self._id}).encode())
        self._producer.flush(PATIENCE_SECONDS)
        problem = None if self._arrived(note, began + PATIENCE_SECONDS) else TimeoutError(f"row {self._id} did not come")
        _tell(op, time.perf_counter() - began, problem)

    def _arrived(self, note: str | None, deadline: float) -> bool:
        while time.perf_counter() < deadline:
            found = self._connection.execute(self._look, [self._id]).fetchone()
            if (found[0] if found else None) == note:
                return True
            time.sleep(POLL_SECONDS)
        return False


def _tell(op: str, seconds: float, problem: Exception | None) -> None:
    told: dict[str, Any] = {"request_type": "pipeline", "name": {"c": "create", "u": "update", "d": "delete"}[op]}
    told |= {"response_time": seconds * 1000, "response_length": 0, "exception": problem, "context": {}}
    events.request.fire(**told)  # type: ignore[no-untyped-call]
