"""A planted value is searched for wherever the worker writes: tables, its own schema, dead letters, logs, metrics."""

import base64
import json
import subprocess

import httpx
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from sink_worker._native import MaskKey

from tests.harness.processes import LOOPBACK
from tests.harness.sink_worker import COMMAND
from tests.sink.integration.stand import Pipeline
from tests.sink.integration.test_bad_input import NARROW, created

pytestmark = pytest.mark.integration

PLANTED = "ada.lovelace@planted.example"
SECRET = b"a key of masks that has at least 32 bytes"
GOOD, BAD, TORN = 1, 2, 3


@pytest.mark.parametrize("kind", ["avro", "json"])
def test_a_masked_value_is_nowhere_in_the_clear_and_its_refused_event_can_be_replayed(pipeline: Pipeline, kind: str) -> None:
    pipeline.execute(NARROW)
    feed = pipeline.feed("avro" if kind == "avro" else "json", partitions=1)
    key = pipeline.folder / "masking.key"
    pipeline.folder.mkdir(parents=True, exist_ok=True)
    key.write_bytes(SECRET + b"\n")
    masks = {"note": {"rule": "tokenize"}, "status": {"rule": "partial", "keep": 3}}
    routing = {"rules": [{"topics": r".*\.orders", "masks": masks}]}
    row = {"note": PLANTED, "status": PLANTED[:20]}
    feed.send([created(GOOD, **row), created(BAD, quantity=-5, **row)])
    [torn, *_] = feed.encode(created(TORN, **row), 0)
    feed.send_raw(0, torn.key, (torn.value or b"")[:-3])
    with pipeline.worker(routing=routing, masking={"key_file": str(key)}, log={"level": "debug"}) as worker:
        pipeline.wait_caught_up()
        pipeline.wait_outbox_empty()
        metrics = httpx.get(f"http://{LOOPBACK}:{worker.port}/metrics").content
        pipeline.execute("ALTER TABLE orders DROP CONSTRAINT orders_quantity_check")
        command = [*COMMAND, "replay", "--config", str(worker.configuration), "--json"]
        replayed = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert json.loads(replayed.stdout) | {"replayed": 1, "failed": 1} == json.loads(replayed.stdout), replayed.stderr
        places = {
            "database": _dump(pipeline),
            "dead letters": _raw(pipeline),
            "logs": b"".join(log.read_bytes() for log in pipeline.folder.glob("*.log")),
            "metrics": metrics,
            "replay": replayed.stdout + replayed.stderr,
        }
    assert sorted(letter["source_offset"] for letter in pipeline.dead_letters()) == [1, 2]
    found = dict(pipeline.query("SELECT id, note || ' ' || status FROM orders"))
    assert {identity: text.partition(" ")[2] for identity, text in found.items()} == dict.fromkeys(
        (GOOD, BAD), "*" * 17 + "ted"
    )
    assert {MaskKey(SECRET).reveal(text.partition(" ")[0]) for text in found.values()} == {PLANTED}
    assert [
        place
        for place, content in places.items()
        if b"ada.lovelace" in content or PLANTED[:10].encode().hex().encode() in content
    ] == []


def _dump(pipeline: Pipeline) -> bytes:
    """Every row of every table, as text and, for bytes, as they are."""
    with psycopg.connect(pipeline.dsn) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'cdc_sink')"
        ).fetchall()
        assert ("cdc_sink.rejected",) in tables
        rows = [row for (table,) in tables for row in connection.execute(f"SELECT t.* FROM {table} AS t".encode())]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)


def _raw(pipeline: Pipeline) -> bytes:
    """The dead letter topic's bytes, and those that its letters hold in base64."""
    settings = {"bootstrap.servers": pipeline.stand.broker.bootstrap, "group.id": pipeline.name, "enable.partition.eof": True}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(pipeline.dlq, 0, 0)])
        found = b""
        while (message := consumer.poll(10)) is not None and not message.error():
            headers = repr(message.headers()).encode()
            event = json.loads(message.value() or b"{}")["original_event"]
            inside = b"".join(base64.b64decode(event[name]) for name in ("key_base64", "value_base64") if event[name])
            found += (message.key() or b"") + (message.value() or b"") + headers + inside
        return found
    finally:
        consumer.close()
