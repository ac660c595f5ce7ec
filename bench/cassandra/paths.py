"""Both paths of the sink worker, on the same changes: Cassandra's merge, and MySQL's rows."""

import json

from bench.cassandra.events import TYPES, Topic
from bench.sink import worker
from bench.sink.accounting import cpu_seconds, peak_bytes
from bench.sink.run import Run, watch
from bench.sink.stage import Stage, ask
from tests.harness.sink_worker import SinkWorker
from tests.sink.workload.changes import Order

SIZES = """
SELECT sum(pg_column_size(o.*)), sum(pg_column_size(o._cdc_ts) + coalesce(pg_column_size(o._cdc_cells), 0)
       + coalesce(pg_column_size(o._cdc_expires), 0)) FROM orders AS o
"""


def measure(stage: Stage, topic: Topic, rows: list[Order]) -> tuple[Run, float]:
    """One run of Cassandra's, and its merge state's share of the data beside it."""
    target = stage.target()
    stage.postgres.psql("DROP TABLE orders", target.name)
    prepared = worker.prepare(stage, topic.name, target, "one writer")
    settings = json.loads(prepared.configuration.read_text())
    settings["cassandra"] = {"topics": [topic.name], "tables": {"shop.orders": {"columns": TYPES}}}
    process = SinkWorker(stage.folder, settings, name=prepared.name)
    meter = stage.meter()
    process.start()
    with process:
        progress = watch(ask(target, worker.OFFSETS, worker.BEHIND), topic.events)
        spent = {**meter.read(), "worker": cpu_seconds(process.process.pid)}
        peak = peak_bytes(process.process.pid)
        process.stop()
    size, state = (int(part) for part in stage.postgres.psql(SIZES, target.name).strip().split("|"))
    events = progress.last - progress.first
    found = stage.postgres.psql("SELECT count(*), sum(quantity), sum(amount) FROM orders", target.name)
    wanted = f"{len(rows)}|{sum(row.quantity for row in rows)}|{sum(row.amount for row in rows)}"
    whole = progress.last == topic.events and found == wanted
    return Run(events, progress.seconds, topic.events, spent, peak, whole), state / (size - state)
