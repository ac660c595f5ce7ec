"""The development stack from its rendered ``compose.yaml``: it comes up, rows flow, and killing any part of it loses none.

``CDC_CHAOS_SECONDS`` is how long parts are killed (15 when not set), ``CDC_CHAOS_SEED`` repeats what a run drew.
"""

import os
import random
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from components.development.names import APPLY
from tests.harness.dev_stack import DevStack, Row, dev_stack
from tests.harness.processes import wait_until
from tests.harness.shop import Shop

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

WAIT_SECONDS = 240
CHAOS_SECONDS = float(os.environ.get("CDC_CHAOS_SECONDS", "15"))
SEED = int(os.environ.get("CDC_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
TOPICS, DLQ, GROUP = ["shop_orders_orders", "shop_orders_order_lines"], "shop_orders_dlq", "shop_orders_sink"
TABLES = {
    "orders": "SELECT id, customer, status, total, changed FROM {} ORDER BY id",
    "order_lines": "SELECT order_id, line, article, quantity, price FROM {} ORDER BY order_id, line",
}


@pytest.fixture(name="dev", scope="module")
def _dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevStack]:
    """All services; among them the one that makes the connector."""
    with dev_stack(tmp_path_factory.mktemp("dev")) as dev:
        dev.project.up()
        yield dev


def in_source(dev: DevStack) -> dict[str, list[Row]]:
    with closing(dev.source()) as connection, connection.cursor() as cursor:
        found = {}
        for table, query in TABLES.items():
            cursor.execute(query.format(table))
            found[table] = list(cursor.fetchall())
        return found


def in_target(dev: DevStack) -> dict[str, list[Row]]:
    """Moments in UTC without a zone, as MariaDB gives them. No rows while a table is not there."""
    found = {}
    for table, query in TABLES.items():
        there = dev.ask_target(f"SELECT to_regclass('shop.{table}') IS NOT NULL") == [(True,)]
        rows = dev.ask_target(query.format(f"shop.{table}")) if there else []
        found[table] = [tuple(plain(value) for value in row) for row in rows]
    return found


def plain(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def test_every_service_is_up_and_the_demo_rows_flow_into_the_warehouse(dev: DevStack) -> None:
    wait_until("the demo rows are there", lambda: bool(ended(dev)) or in_target(dev) == in_source(dev), WAIT_SECONDS, 0.2)
    assert not ended(dev)
    assert {table: len(rows) for table, rows in in_target(dev).items()} == {"orders": 3, "order_lines": 3}


def test_killed_at_random_under_load_the_warehouse_ends_equal_to_the_shop(dev: DevStack) -> None:
    print(f"repeat with CDC_CHAOS_SEED={SEED}")
    with Shop(dev.source(), random.Random(SEED)) as shop:
        killed = kill_at_random(dev, random.Random(SEED + 1), CHAOS_SECONDS)
    print(f"{shop.done} transactions; killed: {killed}")
    quiet = time.monotonic()
    assert shop.failure is None
    assert shop.done > CHAOS_SECONDS
    assert set(killed) == set(victims(dev))
    dev.project.containers[APPLY].kill()  # it begins again, and so looks at the connector at once
    wait_until("all are healthy", lambda: {healthy(dev, name) for name in dev.project.containers} == {True}, WAIT_SECONDS, 0.2)
    recovered = time.monotonic()
    wanted = in_source(dev)
    wait_until("source and target are equal", lambda: in_target(dev) == wanted, WAIT_SECONDS, 0.2)
    print(f"healthy after {recovered - quiet:.1f} s, equal {time.monotonic() - recovered:.1f} s later")
    assert in_source(dev) == wanted
    assert sum(dev.ends([DLQ]).values()) == 0
    assert_offsets_are_consistent(dev)


def test_no_made_up_password_is_in_a_log(dev: DevStack) -> None:
    secrets = {file.read_text() for file in (dev.stack.work / "secrets").rglob("*") if file.is_file()}
    logs = {log.name: log.read_text() for log in (dev.stack.work / "logs").iterdir()}
    assert len(logs) == len(dev.project.containers)
    assert [name for name, text in logs.items() if any(secret in text for secret in secrets)] == []


def ended(dev: DevStack) -> list[str]:
    """Services that do not run."""
    return [name for name, container in dev.project.containers.items() if not container.is_running]


def victims(dev: DevStack) -> tuple[str, ...]:
    return ("cdc-brokers-0", dev.connect, dev.worker, "redis-0", "postgres")


def kill_at_random(dev: DevStack, source: random.Random, seconds: float) -> dict[str, int]:
    """One or two of them at a time, each at least once; how often each was. What ended is started again, as docker would."""
    killed: dict[str, int] = {}
    deadline = time.monotonic() + seconds
    first = source.sample(victims(dev), len(victims(dev)))
    while first or time.monotonic() < deadline:
        chosen = {first.pop()} if first else set(source.sample(victims(dev), source.choice((1, 1, 2))))
        for name in sorted(chosen):
            dev.project.containers[name].kill()
            killed[name] = killed.get(name, 0) + 1
        time.sleep(source.uniform(0, 1.5))
        for name in ended(dev):
            dev.project.containers[name].start()
        time.sleep(source.uniform(0.5, 4))
    return killed


def healthy(dev: DevStack, name: str) -> bool:
    """Whether it is; what does not run is started, as its restart policy says."""
    container = dev.project.containers[name]
    if not container.is_running:
        container.start()
        return False
    return container.passes_health_check()


def assert_offsets_are_consistent(dev: DevStack) -> None:
    """PostgreSQL's are behind the last record that can be read, and Kafka's hints are not ahead of them."""
    schema = "cdc_shop-orders-sink"
    rows = dev.ask_target(f'SELECT topic, "partition", next_offset FROM "{schema}".offsets')
    found = {(topic, partition): offset for topic, partition, offset in rows}
    ends = dev.ends(TOPICS)
    assert {place for place, end in ends.items() if end > 0} <= set(found)
    for place, end in ends.items():
        assert found.get(place, 0) <= end
        assert dev.readable_from(place, found.get(place, 0), end) == 0
    for place, offset in dev.committed(GROUP, list(found)).items():
        assert offset <= found[place]
    assert dev.ask_target(f'SELECT count(*) FROM "{schema}".rejected') == [(0,)]
    assert dev.ask_target(f'SELECT count(*) FROM "{schema}".outbox') == [(0,)]
