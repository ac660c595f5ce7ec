"""The sink worker, as its users run it."""

import itertools
from typing import Any

from bench.sink.accounting import cpu_seconds, peak_bytes
from bench.sink.data import Topic, table_checksum
from bench.sink.run import Run, watch
from bench.sink.stage import Stage, Target, ask
from tests.harness.postgres_server import SUPERUSER
from tests.harness.processes import LOOPBACK
from tests.harness.sink_worker import SinkWorker, merged

SHAPES: dict[str, dict[str, Any]] = {
    "one writer": {},
    "two writers": {"writers": 2},
    "two processes": {"processes": 2},
}
OFFSETS = "cdc_sink.offsets"
BEHIND = f"SELECT coalesce(sum(next_offset), 0)::bigint FROM {OFFSETS}"
_numbers = itertools.count()


def run(stage: Stage, topic: Topic, checksum: str, shape: str) -> Run:
    """Let it write a whole topic. Its start is in its processor time, as it is for every program that starts."""
    target = stage.target()
    worker = prepare(stage, topic.name, target, shape)
    meter = stage.meter()
    worker.start()
    with worker:
        progress = watch(ask(target, OFFSETS, BEHIND), topic.records)
        spent = {**meter.read(), "worker": cpu_seconds(worker.process.pid)}
        peak = peak_bytes(worker.process.pid)
        worker.stop()
    share = topic.changes / topic.records
    whole = progress.last == topic.records and table_checksum(target) == checksum
    return Run(int((progress.last - progress.first) * share), progress.seconds, topic.changes, spent, peak, whole)


def prepare(stage: Stage, topic: str, target: Target, shape: str) -> SinkWorker:
    """A worker that is not started yet."""
    settings = {
        "kafka": {"bootstrap_servers": stage.broker.bootstrap, "group_id": target.name, "topics": [topic]},
        "registry": {"urls": [stage.registry.url]},
        "postgres": {
            "host": LOOPBACK,
            "port": str(stage.postgres.port),
            "database": target.name,
            "user": SUPERUSER,
            "sslmode": "disable",
        },
    }
    return SinkWorker(stage.folder, merged(settings, SHAPES[shape]), name=f"worker-{next(_numbers)}")
