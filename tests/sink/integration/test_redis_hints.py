"""Redis holds hints: lost, stale or lying it loses and doubles nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.processes import LOOPBACK, wait_until
from tests.harness.redis_server import RedisSentinel, RedisServer, ask
from tests.sink.integration.stand import Pipeline
from tests.sink.integration.streams import EVENTS, Streams

pytestmark = pytest.mark.integration

PART = EVENTS // 4
WAIT_SECONDS = 30
KEY = "checkpoint:public.orders:0"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own."""
    with RedisServer(tmp_path) as server:
        yield server


def checkpoint(server: RedisServer) -> dict[str, object]:
    """What Redis says of the first partition of the orders; empty where it says nothing."""
    answer = ask(server.port, "GET", KEY).split("\r\n")
    return dict(json.loads(answer[1])) if len(answer) > 2 else {}


def wait_checkpoint(server: RedisServer, next_offset: int) -> None:
    """Return once the checkpoint is at PostgreSQL's offset."""
    wait_until(f"the checkpoint {next_offset}", lambda: checkpoint(server).get("offset") == next_offset, WAIT_SECONDS)


def test_the_checkpoint_names_offset_time_and_worker(pipeline: Pipeline, redis: RedisServer) -> None:
    """Under the key and in the form that other programs read."""
    streams = Streams(pipeline)
    with streams.worker(redis={"url": redis.url}):
        streams.send(PART)
        streams.assert_exact()
        wait_checkpoint(redis, pipeline.next_offsets(streams.orders.topic)[0])
        assert {"offset", "timestamp", "worker_id"} <= checkpoint(redis).keys()


@pytest.mark.parametrize("lie", [0, 10**9, -1, "nonsense"])
def test_a_lying_redis_changes_nothing(pipeline: Pipeline, redis: RedisServer, lie: object) -> None:
    """The next worker goes on where PostgreSQL says."""
    streams = Streams(pipeline)
    settings: dict[str, Any] = {"redis": {"url": redis.url}}
    with streams.worker(**settings):
        streams.send(PART)
        pipeline.wait_caught_up()
    for table in ("orders", "journal"):
        for number in range(3):
            value = json.dumps({"offset": lie, "timestamp": "2026-01-01T00:00:00Z", "worker_id": "a liar"})
            ask(redis.port, "SET", f"checkpoint:public.{table}:{number}", value)
            ask(redis.port, "SET", f"lock:public.{table}", "a liar")
            ask(redis.port, "SET", f"schema:public:{table}", "no JSON at all")
    with streams.worker("successor", **settings):
        streams.send(PART)
        streams.assert_exact()


def test_a_lost_redis_stops_nothing(pipeline: Pipeline, redis: RedisServer) -> None:
    """Killed, frozen and empty again in the middle of the load."""
    streams = Streams(pipeline)
    with streams.worker(redis={"url": redis.url, "timeout_seconds": 0.5}) as worker:
        streams.send(PART)
        redis.kill()
        streams.send(PART)
        pipeline.wait_caught_up()
        redis.start()
        redis.process.pause()
        streams.send(PART)
        pipeline.wait_caught_up()
        redis.process.resume()
        streams.send(PART)
        streams.assert_exact()
        assert worker.is_ready()


def test_a_sentinels_failover_stops_nothing(pipeline: Pipeline, redis: RedisServer, tmp_path: Path) -> None:
    """The primary dies; the sentinel names the replica, and the hints go there."""
    streams = Streams(pipeline)
    with (
        RedisServer(tmp_path, "--replicaof", f"{LOOPBACK} {redis.port}", name="replica") as replica,
        RedisSentinel(tmp_path, redis) as sentinel,
        streams.worker(redis={"sentinels": [f"{LOOPBACK}:{sentinel.port}"], "master_name": "primary"}),
    ):
        streams.send(PART)
        wait_until("the replica to have the hint", lambda: bool(checkpoint(replica)), WAIT_SECONDS)
        redis.kill()
        wait_until("the failover", lambda: "role:master" in ask(replica.port, "INFO", "replication"), WAIT_SECONDS)
        streams.send(PART)
        streams.assert_exact()
        wait_checkpoint(replica, pipeline.next_offsets(streams.orders.topic)[0])
