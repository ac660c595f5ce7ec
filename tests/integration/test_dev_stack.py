"""The development stack from its rendered ``compose.yaml``: it comes up, rows flow from MariaDB and from Cassandra, and killing
any part of it loses none.

``CDC_CHAOS_SECONDS`` is how long parts are killed (15 when not set), ``CDC_CHAOS_SEED`` repeats what a run drew.
"""

import json
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
from tests.sink.integration.cassandra_source import plain as of_either

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

WAIT_SECONDS = 240
CHAOS_SECONDS = float(os.environ.get("CDC_CHAOS_SECONDS", "15"))
SEED = int(os.environ.get("CDC_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
TOPICS = {
    "orders": ["shop_orders_orders", "shop_orders_order_lines"],
    "customers": ["shop_customers_users", "shop_customers_orders"],
}
"""By pipeline."""
CASSANDRA_TABLES = {
    "users": ("user_id", "email", "name", "age", "created_at", "address"),
    "orders": ("user_id", "order_id", "product", "amount", "status", "placed_at"),
}
CHANGES_A_SECOND = 20
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


def in_cassandra(dev: DevStack) -> dict[str, list[Row]]:
    found = dev.ask_cassandra(*(f"SELECT {', '.join(names)} FROM shop.{table}" for table, names in CASSANDRA_TABLES.items()))
    return {table: ordered(rows) for table, rows in zip(CASSANDRA_TABLES, found, strict=True)}


def in_customers(dev: DevStack) -> dict[str, list[Row]]:
    """The same tables of the warehouse. No rows while a table is not there."""
    found = {}
    for table, names in CASSANDRA_TABLES.items():
        there = dev.ask_target(f"SELECT to_regclass('customers.{table}') IS NOT NULL") == [(True,)]
        found[table] = ordered(dev.ask_target(f"SELECT {', '.join(names)} FROM customers.{table}") if there else [])
    return found


def ordered(rows: list[Any]) -> list[Row]:
    """By their keys, in values that both databases have."""
    return sorted((tuple(of_either(value) for value in row) for row in rows), key=lambda row: (str(row[0]), str(row[1])))


def plain(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def test_every_service_is_up_and_the_demo_rows_of_both_sources_flow_into_the_warehouse(dev: DevStack) -> None:
    wait_until("MariaDB's demo rows are there", lambda: bool(ended(dev)) or in_target(dev) == in_source(dev), WAIT_SECONDS, 0.2)
    assert not ended(dev)
    assert {table: len(rows) for table, rows in in_target(dev).items()} == {"orders": 3, "order_lines": 3}
    wanted = in_cassandra(dev)
    assert {table: len(rows) for table, rows in wanted.items()} == {"users": 2, "orders": 3}
    wait_until("Cassandra's demo rows are there", lambda: bool(ended(dev)) or in_customers(dev) == wanted, WAIT_SECONDS, 0.2)
    assert not ended(dev)


def test_a_developer_enters_the_admin_api_with_the_token_that_was_made_up(dev: DevStack) -> None:
    token = (dev.stack.work / "secrets" / "sink-admin.token").read_text()
    assert dev.ask_admin("/health")[0] == 200
    assert dev.ask_admin("/v1/tables")[0] == 401
    assert dev.ask_admin("/v1/tables", token[::-1])[0] == 401
    status, body = dev.ask_admin("/v1/tables", token)
    assert (status, "orders" in json.dumps(body)) == (200, True)


def test_both_pipelines_are_seen(dev: DevStack) -> None:
    shown = dev.cdc("status", "dev", "--once", "--json")
    assert shown.code == 0, shown.text
    assert {pipeline["pipeline"] for pipeline in json.loads(shown.out)["pipelines"]} == set(TOPICS)


def test_killed_at_random_under_load_the_warehouse_ends_equal_to_the_shop(dev: DevStack) -> None:
    print(f"repeat with CDC_CHAOS_SEED={SEED}")
    changes = int(CHAOS_SECONDS * CHANGES_A_SECOND)
    with Shop(dev.source(), random.Random(SEED)) as shop, dev.mocked_cassandra(changes, CHANGES_A_SECOND, SEED):
        killed = kill_at_random(dev, random.Random(SEED + 1), CHAOS_SECONDS)
    print(f"{shop.done} transactions; killed: {killed}")
    quiet = time.monotonic()
    assert shop.failure is None
    assert shop.done > CHAOS_SECONDS
    assert set(killed) == set(victims(dev))
    dev.project.containers[APPLY].kill()  # it begins again, and so looks at the connector at once
    wait_until("all are healthy", lambda: {healthy(dev, name) for name in dev.project.containers} == {True}, WAIT_SECONDS, 0.2)
    recovered = time.monotonic()
    wanted, of_cassandra = in_source(dev), in_cassandra(dev)
    wait_until("MariaDB and target are equal", lambda: in_target(dev) == wanted, WAIT_SECONDS, 0.2)
    wait_until("Cassandra and target are equal", lambda: in_customers(dev) == of_cassandra, WAIT_SECONDS, 0.2)
    print(f"healthy after {recovered - quiet:.1f} s, equal {time.monotonic() - recovered:.1f} s later")
    assert in_source(dev) == wanted
    assert len(of_cassandra["users"]) > 2
    assert sum(dev.ends([f"shop_{pipeline}_dlq" for pipeline in TOPICS]).values()) == 0
    for pipeline in TOPICS:
        assert_offsets_are_consistent(dev, pipeline)


def test_no_made_up_password_is_in_a_log(dev: DevStack) -> None:
    secrets = {file.read_text() for file in (dev.stack.work / "secrets").rglob("*") if file.is_file()}
    logs = {log.name: log.read_text() for log in (dev.stack.work / "logs").iterdir()}
    assert len(logs) == len(dev.project.containers)
    assert [name for name, text in logs.items() if any(secret in text for secret in secrets)] == []


def ended(dev: DevStack) -> list[str]:
    """Services that do not run."""
    return [name for name, container in dev.project.containers.items() if not container.is_running]


def victims(dev: DevStack) -> tuple[str, ...]:
    return ("cdc-brokers-0", dev.connect, dev.agent, *dev.workers, "redis-0", "postgres")


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


def assert_offsets_are_consistent(dev: DevStack, pipeline: str) -> None:
    """PostgreSQL's are behind the last record that can be read, and Kafka's hints are not ahead of them."""
    schema = f"cdc_shop-{pipeline}-sink"
    rows = dev.ask_target(f'SELECT topic, "partition", next_offset FROM "{schema}".offsets')
    found = {(topic, partition): offset for topic, partition, offset in rows}
    ends = dev.ends(TOPICS[pipeline])
    assert {place for place, end in ends.items() if end > 0} <= set(found)
    for place, end in ends.items():
        assert found.get(place, 0) <= end
        assert dev.readable_from(place, found.get(place, 0), end) == 0
    for place, offset in dev.committed(f"shop_{pipeline}_sink", list(found)).items():
        assert offset <= found[place]
    assert dev.ask_target(f'SELECT count(*) FROM "{schema}".rejected') == [(0,)]
    assert dev.ask_target(f'SELECT count(*) FROM "{schema}".outbox') == [(0,)]
