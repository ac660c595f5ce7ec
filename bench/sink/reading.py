"""What it costs to get the records at all: librdkafka with the worker's own settings, which takes them and lets them fall."""

import json
import resource
import subprocess
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from sink_worker.kafka_client import consumer_properties
from sink_worker.settings import Settings

from bench.sink.data import PARTITIONS, Topic
from bench.sink.run import Run
from bench.sink.stage import Stage

AT_ONCE = 20_000


def run(stage: Stage, topic: Topic) -> Run:
    """Read a whole topic, in a process of its own. Its start is not in its processor time."""
    meter = stage.meter()
    command = [sys.executable, "-m", "bench.sink.reading", stage.broker.bootstrap, topic.name, str(topic.records)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    spent = {**meter.read(), "reader": told["cpu"]}
    return Run(topic.changes, told["seconds"], topic.changes, spent, told["peak_bytes"], told["records"] == topic.records)


def main(bootstrap: str, topic: str, records: int) -> None:
    """Prints what it read and what that took."""
    settings = Settings.model_validate({
        "kafka": {"bootstrap_servers": bootstrap, "group_id": "reading", "topics": [topic]},
        "postgres": {"host": "nowhere", "database": "none", "user": "none"},
    })  # fmt: skip
    consumer = Consumer(consumer_properties(settings, "reading"))
    before = _cpu()
    began = time.monotonic()
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
    read = 0
    while read < records:
        read += sum(message.error() is None for message in consumer.consume(AT_ONCE, 1))
    told = {"records": read, "seconds": time.monotonic() - began, "cpu": _cpu() - before}
    consumer.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({**told, "peak_bytes": peak}))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
