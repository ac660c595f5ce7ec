"""Whether MirrorMaker keeps a stream: ``python -m bench.mirror`` prints lags and processor time as JSON.

Two real brokers and the rendered MirrorMaker on one machine, a producer at a constant rate, and the lag as ``cdc dr status``
measures it, once a second: the age of the oldest record that is not mirrored yet.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench import machine
from bench.sink.accounting import Meter
from components.environment import EnvironmentSpec
from operations.live.kafka import Cluster
from operations.live.mirror import observe_status
from tests.harness.kafka_broker import KafkaBroker
from tests.harness.mirror_process import MirrorProcess, open_standby
from tests.harness.processes import wait_until

TOPIC, PARTITIONS = "shop_bench_rows", 6
RATE_BYTES, RECORD_BYTES = 20_000_000, 1_000
NOISE_BYTES = 16 << 20
"""More than compression can look back."""

WARM_UP_SECONDS, SECONDS = 15, 40
GOAL_MS = 10_000


def main() -> int:
    """0, or 1 where the stream was not kept."""
    results = {
        name: _measure({"exactlyOnce": exactly_once, "connectOffsets": False})
        for name, exactly_once in (("exactly once", True), ("at least once", False))
    }
    met = all(result["lag_seconds"]["max"] * 1000 < GOAL_MS for result in results.values())
    document = {
        "what": f"{RATE_BYTES / 1e6:g} MB/s in records of {RECORD_BYTES} bytes, {SECONDS} s, {PARTITIONS} partitions",
        "machine": machine.facts(),
        "results": results,
        "goal": f"a lag of less than {GOAL_MS / 1000:g} s",
        "met": met,
    }
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
    return 0 if met else 1


def _measure(mirror: dict[str, Any]) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        spec = open_standby(mirror=mirror)
        source = stack.enter_context(KafkaBroker(folder / "source"))
        standby = stack.enter_context(KafkaBroker(folder / "standby"))
        admin = AdminClient({"bootstrap.servers": source.bootstrap})
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(30)
        process = stack.enter_context(MirrorProcess(folder, spec, source.bootstrap, standby.bootstrap))
        assert process.process is not None
        clusters = [stack.enter_context(Cluster(b.bootstrap, {"bootstrap.servers": b.bootstrap})) for b in (source, standby)]
        produced = stack.enter_context(_producing(source.bootstrap))
        wait_until(
            "the mirror has begun", lambda: _lag(spec, clusters) is not None and TOPIC in clusters[1].partitions(), 60, 1
        )
        time.sleep(WARM_UP_SECONDS)
        roots = {"source broker": source.process("broker").pid, "standby broker": standby.process("broker").pid}
        meter = Meter({**roots, "MirrorMaker": process.process.pid, "producer and observer": os.getpid()})
        before, began = produced[0], time.monotonic()
        lags = [lag for _ in range(SECONDS) if (lag := _after_a_second(spec, clusters)) is not None]
        elapsed = time.monotonic() - began
        spent = meter.read()
        spent["producer and observer"] -= sum(value for name, value in spent.items() if name != "producer and observer")
        return _figures(lags, spent, (produced[0] - before) / elapsed, elapsed)


def _figures(lags: list[int], spent: dict[str, float], rate: float, elapsed: float) -> dict[str, Any]:
    seconds = [lag / 1000 for lag in lags]
    busiest = max(spent, key=lambda name: spent[name])
    return {
        "produced_mb_per_second": round(rate / 1e6, 2),
        "lag_seconds": {"median": round(statistics.median(seconds), 3), "max": round(max(seconds), 3)},
        "cores": {name: round(value / elapsed, 2) for name, value in spent.items()},
        "busiest": f"{busiest}: {spent[busiest] / elapsed:.2f} of {os.cpu_count()} cores",
    }


def _after_a_second(spec: EnvironmentSpec, clusters: list[Cluster]) -> int | None:
    time.sleep(1)
    return _lag(spec, clusters)


def _lag(spec: EnvironmentSpec, clusters: list[Cluster]) -> int | None:
    assert spec.mirror_maker is not None
    return observe_status(spec, spec.mirror_maker, *clusters).behind


@contextmanager
def _producing(bootstrap: str) -> Iterator[list[int]]:
    """Writes at the rate, spread evenly over time and partitions; the one number is how many bytes were handed over."""
    handed, ended, noise = [0], Event(), os.urandom(NOISE_BYTES)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all", "queue.buffering.max.kbytes": 262_144})

    def run() -> None:
        began, done = time.monotonic(), 0
        while not ended.is_set():
            due = int((time.monotonic() - began) * RATE_BYTES / RECORD_BYTES)
            for number in range(done, due):
                begin = number * RECORD_BYTES % (NOISE_BYTES - RECORD_BYTES)
                producer.produce(TOPIC, noise[begin : begin + RECORD_BYTES], partition=number % PARTITIONS)
            done = due
            handed[0] = done * RECORD_BYTES
            producer.poll(0)
            time.sleep(0.005)

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield handed
    finally:
        ended.set()
        thread.join()
        producer.flush(30)


if __name__ == "__main__":
    sys.exit(main())
