"""``cdc status`` on a real broker: lag and dead letters are those that Kafka's own offsets tell, at little cost."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from operations.live.kafka import Cluster, UnreachableError
from operations.live.kafka_admin import KafkaAdmin
from operations.live.reach import kafka_settings
from operations.live.wire import UnsupportedError
from operations.project import load
from operations.status import _plan
from operations.watching.offsets import Offsets
from operations.watching.sources import KafkaWatch
from tests.harness.cdc_command import Project, installed_cdc, project
from tests.harness.kafka_broker import KafkaBroker
from tests.harness.processes import wait_until

pytestmark = pytest.mark.integration

SPEC = """
config:
  cdc-platform:environment:
    tier: development
    target: docker
    kafka: {brokers: 1}
    connect: {}
    tenants: [{name: shop, owner: team-shop}]
    pipelines:
      - name: orders
        tenant: shop
        source: {mariadb: {host: db, password: "secret:db#password", tables: [shop.orders, shop.lines]}}
        sink: {postgres: {database: warehouse, password: "secret:db#sink"}}
"""
FRAMES = 12
"""Of the live view, one each second."""


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A broker with 30 changes, 10 of which the sink has written, 2 dead letters, and a project that is told where it is."""
    folder = tmp_path_factory.mktemp("status")
    with KafkaBroker(folder / "kafka") as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        topics = ("shop_orders_orders", "shop_orders_lines", "shop_orders_dlq", "shop_orders_heartbeat")
        for future in admin.create_topics([NewTopic(name, 2, 1) for name in topics]).values():
            future.result()
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for number in range(30):
            producer.produce("shop_orders_orders", b"x", partition=number % 2)
        for _ in range(2):
            producer.produce("shop_orders_dlq", b"x", partition=0)
        assert producer.flush(60) == 0
        wait_until("the group's coordinator is there", lambda: commits(broker.bootstrap), 120, 0.05)
        made = project(folder, live=SPEC)
        (folder / "client.properties").write_text(f"bootstrap.servers={broker.bootstrap}\n")
        yield made


def commits(bootstrap: str) -> bool:
    """Puts the sink where it stands, once the group's new coordinator has loaded."""
    try:
        KafkaAdmin("live", {"bootstrap.servers": bootstrap}).commit("shop_orders_sink", {("shop_orders_orders", 0): 10})
    except UnreachableError:
        return False
    return True


def words(made: Project, *more: str) -> list[str]:
    return ["status", "live", "--kafka-config", str(made.root / "client.properties"), "--connect", "http://127.0.0.1:1", *more]


def test_lag_and_dead_letters_are_kafkas_own_and_a_silent_source_is_said(made: Project) -> None:
    outcome = made.cdc(*words(made, "--once", "--json"))

    assert outcome.code == 0, outcome.text
    told = json.loads(outcome.out)
    [row] = told["pipelines"]
    assert (row["lag"], row["deadLetters"], row["source"], row["rateIn"]) == (20, 2, "unknown", 0.0)
    assert 0 <= row["sourceAge"] < 600
    assert told["sources"]["kafka"]["answers"]
    assert "no worker answers" in told["sources"]["connect"]["why"]
    assert "✗ connect: blue: no worker answers" in made.cdc(*words(made, "--once")).out


def test_who_enters_in_a_way_that_only_librdkafka_knows_is_told_the_same(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by OAuth: our own connections cannot be had then."""
    spec = load(made.root, "live")
    plans = [_plan(spec, 0)]

    def seen() -> dict[str, object]:
        with Cluster("live", kafka_settings(made.root / "client.properties", None)) as kafka:
            found = asdict(KafkaWatch(kafka, plans)())
        return {key: value for key, value in found.items() if key not in {"at", "clock"}}

    def refused(*_: object) -> None:
        raise UnsupportedError("OAUTHBEARER is not spoken")

    directly = seen()
    assert directly["lag"] == {"shop_orders_sink": 20}
    assert directly["committed"] == {"shop_orders_sink": 10}
    assert set(directly["newest"]) == {"shop_orders_orders", "shop_orders_dlq"}  # type: ignore[call-overload]
    monkeypatch.setattr(Offsets, "at", refused)
    monkeypatch.setattr(Offsets, "committed", refused)
    assert seen() == directly


def test_the_live_view_costs_less_than_a_twentieth_of_a_core_and_ends_with_ctrl_c(made: Project) -> None:
    """CPU time, not the clock: what the start costs is taken off by the process's own time after the first frame."""
    process = subprocess.Popen(
        [*installed_cdc(), *words(made)], cwd=made.root, stdout=subprocess.PIPE, env={**os.environ, "COLUMNS": "150"}
    )
    try:
        assert process.stdout is not None
        moments = [
            (cpu_seconds(process.pid), time.monotonic())
            for _ in zip(range(FRAMES), (line for line in process.stdout if b"1 pipeline" in line), strict=False)
        ]
        spent, passed = (last - first for first, last in zip(moments[2], moments[-1], strict=True))
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)

    assert spent / passed < 0.05, f"{spent:.2f} s of CPU in {passed:.1f} s"
    assert code == 0


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
