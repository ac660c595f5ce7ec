"""What ``cdc status`` costs while it shows many pipelines each second: 100 of 4 tables with 3 partitions each.

``python -m bench.live_status [PIPELINES]``: one real broker with all of their topics and groups, records that keep coming in
ten of their tables, and ``cdc status`` as a process on a terminal. Demand of the issue: under 5 % of a core.
"""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Producer

from bench.measure import BenchmarkFailed
from bench.workspace import CDC
from components.environment import EnvironmentSpec
from components.kafka.derive import change_topic, sink_group, source_tables
from operations.live.kafka_admin import KafkaAdmin
from operations.project import load
from tests.harness.kafka_broker import KafkaBroker
from tests.harness.processes import wait_until

PIPELINES, TABLES, PARTITIONS = 100, 4, 3
MOST_PERCENT = 5
FRAMES, SKIPPED = 25, 3
WINDOW = (50, 160)
"""Lines and columns of the terminal."""

RECORDS_A_SECOND = 50
_SECONDS = 600


def stack(pipelines: int) -> str:
    """A spec with so many."""
    body = {
        "tier": "development",
        "target": "docker",
        "kafka": {
            "controllers": 0,
            "brokers": 1,
            "listeners": [{"name": "clients", "port": 9093, "tls": False}],
            "topicDefaults": {"partitions": PARTITIONS},
        },
        "tenants": [{"name": "shop", "owner": "shop"}],
        "pipelines": [
            {
                "name": f"p{number}",
                "tenant": "shop",
                "source": {
                    "mariadb": {
                        "host": "db",
                        "password": "secret:db#password",
                        "tables": [f"d{number}.t{table}" for table in range(TABLES)],
                    }
                },
                "sink": {"postgres": {"database": "rows", "password": "secret:rows#password"}},
            }
            for number in range(pipelines)
        ],
    }
    return json.dumps({"config": {"cdc-platform:environment": body}})


def main(arguments: Sequence[str]) -> int:
    """0, or 1 where the demand was missed."""
    pipelines = int(arguments[0]) if arguments else PIPELINES
    with tempfile.TemporaryDirectory() as name, KafkaBroker(Path(name) / "broker") as broker:
        folder = Path(name)
        (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        (folder / "Pulumi.live.yaml").write_text(stack(pipelines))
        (folder / "client.properties").write_text(f"bootstrap.servers={broker.bootstrap}\n")
        spec = load(folder, "live")
        topics = _fill(spec, broker.bootstrap)
        with _writing(broker.bootstrap, topics[:: max(1, len(topics) // 10)]):
            percent, seconds, peak = _watched(folder)
    met = percent < MOST_PERCENT
    say = sys.stdout.write
    say(f"{pipelines:,} pipelines, {len(topics) * PARTITIONS:,} partitions, {RECORDS_A_SECOND} records/s\n")
    say(f"cdc status, each second for {seconds:.0f} s: {percent:.1f} % of a core, {peak / 2**20:.0f} MiB\n")
    say(f"demand: under {MOST_PERCENT} %: {'met' if met else 'missed'}\n")
    return 0 if met else 1


def _fill(spec: EnvironmentSpec, bootstrap: str) -> list[str]:
    """All topics, a record in each change topic, and a group that stands before it. Gives the change topics."""
    admin = KafkaAdmin("live", {"bootstrap.servers": bootstrap})
    for topic in spec.kafka_state.topics:
        admin.create_topic(topic.name, topic.partitions, 1, {})
    names = spec.naming
    found = {
        sink_group(one, names): [change_topic(one, names, table) for table in source_tables(one)] for one in spec.pipelines
    }
    topics = [topic for own in found.values() for topic in own]
    _write(Producer({"bootstrap.servers": bootstrap}), topics)

    def commit() -> bool:
        try:
            for group, own in found.items():
                admin.commit(group, {(topic, number): 0 for topic in own for number in range(PARTITIONS)})
        except Exception:  # the coordinators' topic is being made
            return False
        return True

    wait_until("the groups stand somewhere", commit, _SECONDS, 0.5)
    return topics


def _write(producer: Producer, topics: Sequence[str]) -> None:
    for topic in topics:
        producer.produce(topic, b"x")
    if producer.flush(_SECONDS):
        raise BenchmarkFailed("the broker takes no records")


@contextmanager
def _writing(bootstrap: str, topics: Sequence[str]) -> Iterator[None]:
    producer, ended = Producer({"bootstrap.servers": bootstrap}), threading.Event()

    def run() -> None:
        number = 0
        while not ended.wait(1 / RECORDS_A_SECOND):
            producer.produce(topics[number % len(topics)], b"x")
            producer.poll(0)
            number += 1

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        producer.flush(_SECONDS)


def _watched(folder: Path) -> tuple[float, float, int]:
    """Percent of a core, over how many seconds, and the most memory; what the start costs is left out."""
    words = (CDC, "status", "live", "--kafka-config", "client.properties")
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", *WINDOW, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES"}}
    moments: list[tuple[float, float]] = []
    with subprocess.Popen(words, cwd=folder, stdin=inside, stdout=inside, env={**environment, "TERM": "xterm"}) as process:
        os.close(inside)
        try:
            while len(moments) < FRAMES:
                if b" pipelines" in os.read(terminal, 1 << 20):
                    moments.append((_cpu_seconds(process.pid), time.monotonic()))
            peak = _peak(process.pid)
        except OSError:
            raise BenchmarkFailed("cdc status ended before it had shown enough") from None
        finally:
            process.kill()
            os.close(terminal)
    spent, passed = (last - first for first, last in zip(moments[SKIPPED], moments[-1], strict=True))
    return 100 * spent / passed, passed, peak


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> int:
    """The most that was resident at once, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
