"""Two streams through one worker that together show a lost, a doubled and a wrongly refused event."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from tests.harness.sink_worker import SinkWorker
from tests.sink.integration.stand import Pipeline
from tests.sink.workload.changes import Mix, history

EVENTS = 6_000
ORDERS = Mix(events=EVENTS, keys=500, poison=0.01, reuse_keys=True)
JOURNAL = Mix(events=EVENTS, keys=EVENTS, inserts=1, updates=0, deletes=0)
"""Inserts into a table without a key: one that is applied twice is seen twice."""
SMALL_BATCHES = {"batch": {"min_rows": 100, "max_rows": 1_000}}
APPEND = {"routing": {"rules": [{"topics": r".*\.journal", "append": True}]}}


class Streams:
    """A keyed table with poison in its topic, and a journal that counts."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.orders = pipeline.feed("avro", "orders")
        self.journal = pipeline.feed("json", "journal")
        self._orders, self._journal = history(1, ORDERS), history(2, JOURNAL)

    def send(self, events: int) -> None:
        """So many more events into each."""
        for feed, source in ((self.orders, self._orders), (self.journal, self._journal)):
            feed.send(islice(source, events))

    def worker(self, name: str = "worker", **more: Mapping[str, Any] | Any) -> SinkWorker:
        """A worker of both, in small batches: there are to be many steps."""
        return self.pipeline.worker(name, **{**SMALL_BATCHES, **APPEND, **more})

    def assert_exact(self) -> None:
        """Nothing lost, nothing twice, nothing refused that is good."""
        self.pipeline.wait_caught_up()
        self.pipeline.assert_table_is_the_model(self.orders)
        self.pipeline.assert_table_is_the_model(self.journal)
        assert self.pipeline.query("SELECT count(*) FROM journal") == [(sum(self.journal.records),)]
        self.pipeline.assert_dead_letters_are((self.orders.topic, *place) for place in self.orders.poison)
