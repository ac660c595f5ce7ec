"""A real Cassandra whose changes a real agent, as the platform renders it, brings to the stand's Kafka."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cassandra.cluster import Session
from cassandra.util import Date, SortedSet
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from components.platform import render
from operations.mock_data.tables import Source
from operations.mock_data.tables import schema as mock_schema
from tests.harness.cassandra_server import HOST, PASSWORD, USER, CassandraAgent, CassandraServer
from tests.harness.certificates import truststore
from tests.harness.processes import wait_until
from tests.sink.integration.stand import Stand
from tests.sink.workload.feed import create_topic
from tests.strategies.examples import build

Rows = dict[tuple[Any, ...], dict[str, Any]]
KEYSPACE = "shop"
PARTITIONS = 3
READ_SECONDS = 120
STORE_PASSWORD = "opens-stores"
POLL = {"cdc.dir.poll.interval.ms": 100}


@dataclass(frozen=True)
class Kind:
    """A column type: one value of it in CQL, and what the agent's event has for it."""

    declared: str
    literal: str
    event: Any


ADDRESS = f"{KEYSPACE}.address"
KINDS: Mapping[str, Kind] = {
    "t_ascii": Kind("ascii", "'plain'", "plain"),
    "t_bigint": Kind("bigint", "-9223372036854775808", -(2**63)),
    "t_blob": Kind("blob", "0x00ff10", "AP8Q"),
    "t_boolean": Kind("boolean", "true", True),
    "t_date": Kind("date", "'2026-02-28'", 20_512),
    "t_early_date": Kind("date", "'-0100-01-01'", -756_052),
    "t_decimal": Kind("decimal", "-12345678901234567890.1234567890", "-12345678901234567890.1234567890"),
    "t_large_decimal": Kind("decimal", "1E+40", "1" + "0" * 40),
    "t_double": Kind("double", "1.5e300", 1.5e300),
    "t_nan": Kind("double", "NaN", "NaN"),
    "t_duration": Kind("duration", "1mo2d3h4m5s6ms", ((30 + 2) * 86_400 + 3 * 3_600 + 4 * 60 + 5) * 10**9 + 6 * 10**6),
    "t_float": Kind("float", "1.25", 1.25),
    "t_inet": Kind("inet", "'10.0.0.1'", "/10.0.0.1"),
    "t_inet6": Kind("inet", "'2001:db8::1'", "/2001:db8:0:0:0:0:0:1"),
    "t_int": Kind("int", "-2147483648", -(2**31)),
    "t_smallint": Kind("smallint", "-32768", -(2**15)),
    "t_text": Kind("text", "'añ日🙂'", "añ日🙂"),
    "t_time": Kind("time", "'13:14:15.123456789'", 47_655_123_456_789),
    "t_timestamp": Kind("timestamp", "'2026-11-22 01:02:03.456+0000'", 1_795_309_323_456),
    "t_timeuuid": Kind("timeuuid", "50554d6e-29bb-11e5-b345-feff819cdc9f", "50554d6e-29bb-11e5-b345-feff819cdc9f"),
    "t_tinyint": Kind("tinyint", "-128", -128),
    "t_uuid": Kind("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
    "t_varchar": Kind("varchar", "'any'", "any"),
    "t_varint": Kind("varint", "123456789012345678901234567890", "123456789012345678901234567890"),
    "f_list": Kind("frozen<list<int>>", "[1, 2, 3]", [1, 2, 3]),
    "f_empty": Kind("frozen<list<int>>", "[]", []),
    "f_set": Kind("frozen<set<text>>", "{'b', 'a'}", ["a", "b"]),
    "f_map": Kind("frozen<map<text, int>>", "{'k': 1, 'j': 2}", {"j": 2, "k": 1}),
    "f_map_of_uuids": Kind(
        "frozen<map<uuid, int>>", "{123e4567-e89b-12d3-a456-426614174000: 1}", {"123e4567-e89b-12d3-a456-426614174000": 1}
    ),
    "f_map_of_decimals": Kind("frozen<map<decimal, int>>", "{1.50: 1}", {"1.50": 1}),
    "f_map_of_numbers": Kind("frozen<map<int, decimal>>", "{1: 1.10}", [[1, "1.10"]]),
    "f_nested": Kind("frozen<map<text, frozen<list<frozen<list<int>>>>>>", "{'x': [[1, 2], [3]]}", {"x": [[1, 2], [3]]}),
    "f_type": Kind(f"frozen<{ADDRESS}>", "{street: 'Main', zip: 5}", {"street": "Main", "zip": 5}),
    "f_types": Kind(f"frozen<list<frozen<{ADDRESS}>>>", "[{street: 'A', zip: null}]", [{"street": "A", "zip": None}]),
    "f_tuple": Kind(
        "tuple<int, text, timestamp>",
        "(1, null, '2026-01-01 00:00:00+0000')",
        {"field1": 1, "field2": None, "field3": 1_767_225_600_000},
    ),
    "f_decimals": Kind("frozen<list<decimal>>", "[1.10, -2.200]", ["1.10", "-2.200"]),
    "f_varints": Kind("frozen<list<varint>>", "[123456789012345678901]", ["123456789012345678901"]),
    "f_inets": Kind("frozen<list<inet>>", "['10.0.0.1']", ["/10.0.0.1"]),
    "f_moments": Kind("frozen<list<timestamp>>", "['2026-01-01 00:00:00.123+0000']", [1_767_225_600_123]),
    "n_list": Kind("list<int>", "[7, 8]", [7, 8]),
    "n_set": Kind("set<text>", "{'p', 'q'}", ["p", "q"]),
    "n_map": Kind("map<text, int>", "{'k': 1}", {"k": 1}),
}
"""Every type of the mapping, and what else Cassandra has."""

SCHEMA = (
    f"CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}",
    f"CREATE TYPE {ADDRESS} (street text, zip int)",
    f"CREATE TABLE {KEYSPACE}.kinds (id int PRIMARY KEY, "
    + ", ".join(f"{name} {kind.declared}" for name, kind in KINDS.items())
    + ") WITH cdc = true",
    f"CREATE TABLE {KEYSPACE}.lines (id int, line int, v text, n int, s text static, PRIMARY KEY (id, line)) WITH cdc = true",
    f"CREATE TABLE {KEYSPACE}.prices (shop text, price decimal, at timestamp, v text, PRIMARY KEY (shop, price, at))"
    " WITH CLUSTERING ORDER BY (price DESC, at ASC) AND cdc = true",
    f"CREATE TABLE {KEYSPACE}.ledger (account int, entry int, amount decimal, note text, day date, tags frozen<set<text>>, "
    "detail frozen<map<text, int>>, at timestamp, PRIMARY KEY (account, entry)) WITH cdc = true",
    f"CREATE TABLE {KEYSPACE}.baskets (id int PRIMARY KEY, owner text, items list<text>, marks set<int>, "
    "prices map<text, int>) WITH cdc = true",
    f"CREATE TABLE {KEYSPACE}.visits (id int PRIMARY KEY, seen counter) WITH cdc = true",
    f"CREATE TABLE {KEYSPACE}.quiet (id int PRIMARY KEY, v text)",
)
TRADE = "trade"
"""Made-up data have a keyspace of their own."""
TABLES: Mapping[str, str] = {
    **dict.fromkeys(("kinds", "lines", "prices", "ledger", "baskets", "visits", "quiet"), KEYSPACE),
    **dict.fromkeys(("users", "orders"), TRADE),
}
"""Their keyspaces."""


def _values() -> dict[str, Any]:
    pipeline = {
        "name": "events",
        "tenant": "shop",
        "source": {
            "cassandra": {
                "host": HOST,
                "user": USER,
                "password": "vault:shop-events#password",
                "tls": {"truststore": "vault:shop-events#trust.p12", "password": "vault:shop-events#stores"},
                "tables": [f"{keyspace}.{table}" for table, keyspace in TABLES.items()],
            }
        },
        "sink": {"postgres": {"database": "warehouse"}},
        "connector": {"snapshot": "no_data"},
    }
    return {
        "tier": "development",
        "target": "docker",
        "kafka": {"brokers": 1, "listeners": [{"name": "clients", "port": 9092, "tls": False, "authentication": "none"}]},
        "tenants": [{"name": "shop", "owner": "team-shop"}],
        "naming": {"topic": "cassandra.{database}.{table}"},
        "pipelines": [pipeline],
        "cassandraAgent": {
            "image": "acme/debezium-cassandra:1",
            "jvm": "256Mi",
            "resources": {"memory": "1Gi"},
            "config": POLL,
        },
    }


def plain(value: Any) -> Any:
    """A value of either database in one form: numbers, texts, days, moments in UTC, lists and dictionaries."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, Date):
        return value.date()
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | SortedSet):
        return [plain(one) for one in value]
    return value


class CassandraSource:
    """The node with its tables, and the agent. Statements go in by ``execute``, events come out by :meth:`events`."""

    def __init__(self, stand: Stand, folder: Path) -> None:
        self.stand = stand
        self.server = CassandraServer(folder)
        self.session: Session
        self.agent: CassandraAgent

    def execute(self, statement: str, *values: Any) -> list[Any]:
        """The rows of a CQL statement."""
        return list(self.session.execute(statement, values or None))

    @staticmethod
    def topic(table: str) -> str:
        """Where a table's events are."""
        return f"cassandra.{TABLES[table]}.{table}"

    def events(self, table: str, until: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The table's events since the beginning, each with its Kafka key under ``key``, once they are enough."""
        found: list[dict[str, Any]] = []
        with Reading(self.stand.broker.bootstrap, self.topic(table)) as records:
            wait_until(f"events of {table}", lambda: _more(found, records) and until(found), READ_SECONDS, interval=0)
        return found

    def rows(self, table: str) -> Rows:
        """The table's rows by their keys, in values that PostgreSQL's rows have too."""
        keyspace = TABLES[table]
        width = len(self.session.cluster.metadata.keyspaces[keyspace].tables[table].primary_key)
        found: Rows = {}
        for row in self.execute(f"SELECT * FROM {keyspace}.{table}"):
            values = {name: plain(value) for name, value in row._asdict().items()}
            found[tuple(list(values.values())[:width])] = values
        return found

    def __enter__(self) -> Self:
        self.server.__enter__()
        try:
            self._begin()
        except BaseException:
            self.server.__exit__(None, None, None)
            raise
        return self

    def _begin(self) -> None:
        self.session = self.server.session()
        for statement in (*SCHEMA, *mock_schema(Source.cassandra, TRADE)):
            self.execute(statement)
        for table in TABLES:
            create_topic(self.stand.broker.bootstrap, self.topic(table), PARTITIONS)
        [workload] = [one for one in render(build(_values())).workloads if one.component == "cassandra-agent"]
        kafka = self.stand.broker.port
        stores = truststore(self.server.ca.certificate, STORE_PASSWORD)
        secrets = {"database-password": PASSWORD.encode(), "truststore": stores, "store-password": STORE_PASSWORD.encode()}
        secrets = {f"/run/secrets/cassandra-agent/events-source.{name}": content for name, content in secrets.items()}
        self.agent = self.server.start_agent(workload.files, secrets, {9092: kafka, kafka: kafka})
        self.agent.wait_streaming()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.session.cluster.shutdown()
        self.server.__exit__(kind, error, trace)


class Reading:
    """Gives the records of a topic since its beginning, some at each call."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "events", "enable.auto.commit": False})
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])

    def __enter__(self) -> Callable[[], Iterator[dict[str, Any]]]:
        return self._some

    def _some(self) -> Iterator[dict[str, Any]]:
        for message in self._consumer.consume(500, 0.1):
            if message.error() is None:
                yield {**json.loads(message.value() or b"")["payload"], "key": json.loads(message.key() or b"")["payload"]}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()


def _more(found: list[dict[str, Any]], records: Callable[[], Iterable[dict[str, Any]]]) -> bool:
    found.extend(records())
    return True
