"""Random histories of a table, in every format, against the one-event-at-a-time model."""

import pytest

from tests.sink.integration.stand import Pipeline
from tests.sink.workload.changes import Mix, history
from tests.sink.workload.envelopes import Format

pytestmark = pytest.mark.integration

HISTORY = Mix(events=30_000, keys=2_000, reuse_keys=True)


@pytest.mark.parametrize("kind", ["avro", "json"])
def test_the_table_becomes_what_the_model_says(pipeline: Pipeline, kind: Format) -> None:
    """Keys come, change, go and come again; the worker makes the table by itself."""
    feed = pipeline.feed(kind)
    feed.send(history(1, HISTORY))
    with pipeline.worker() as worker:
        pipeline.wait_caught_up()
        feed.send(history(2, HISTORY))
        pipeline.wait_caught_up()
        pipeline.assert_table_is_the_model(feed)
        assert worker.stop() == 0
    assert pipeline.dead_letters() == []
