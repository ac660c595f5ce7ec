"""Debezium's JDBC sink on a stack's Connect, writing a PostgreSQL of its own, and what a row of every kind becomes there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.connect.connectors import Connector
from tests.harness.connect_stack import DATABASE_PASSWORD, ConnectStack
from tests.harness.postgres_server import PostgresServer
from tests.harness.processes import wait_until

PORT = 5432
DATABASE = "w"
ARRIVAL_SECONDS = 120

_KINDS = (
    ("big BIGINT UNSIGNED", "18446744073709551615", "1", "18446744073709551615", "1"),
    ("price DECIMAL(12,4)", "12345678.9012", "-0.0001", "12345678.9012", "-0.0001"),
    ("half DOUBLE", "0.1", "-1e300", "0.1", "-1e+300"),
    ("day DATE", "'2026-02-28'", "'1969-12-31'", "2026-02-28", "1969-12-31"),
    ("made DATETIME(6)", "'2026-02-28 01:02:03.123456'", "NULL", "2026-02-28 01:02:03.123456", ""),
    ("seen TIMESTAMP(6) NULL", "'2026-02-28 01:02:03.5'", "NULL", "2026-02-28 01:02:03.5+00", ""),
    ("raw VARBINARY(9)", "x'00ff7f'", "x''", "\\x00ff7f", "\\x"),
    ("note TEXT", "'na\u00efve | \u2713'", "''", "na\u00efve | \u2713", ""),
)
"""A column, its value in MariaDB's words at first and then, and what PostgreSQL prints for either."""

COLUMNS = tuple(column for column, *_ in _KINDS)


def row_in_mariadb(table: str, key: int, *, first: bool) -> str:
    """The statement that makes the row, or then changes it."""
    values = [one[1] if first else one[2] for one in _KINDS]
    named = ", ".join(f"{_name(column)} = {value}" for column, value in zip(COLUMNS, values, strict=True))
    if first:
        return f"INSERT INTO {table} SET id = {key}, v = 'one', {named}"
    return f"UPDATE {table} SET v = 'two', {named} WHERE id = {key}"


def _name(column: str) -> str:
    return column.split(maxsplit=1)[0]


@dataclass(frozen=True)
class JdbcTarget:
    """Where the rows go."""

    server: PostgresServer

    def psql(self, statement: str) -> str:
        return self.server.psql(f"SET TIME ZONE UTC; {statement}", DATABASE)

    def row(self, key: int) -> str:
        """The statement that shows a row as :meth:`expected` says it."""
        named = ", ".join(("v", *map(_name, COLUMNS)))
        return f"SELECT {named} FROM s.order_lines WHERE id = {key}"

    def expected(self, *, first: bool) -> str:
        return "|".join(["one" if first else "two", *(one[3] if first else one[4] for one in _KINDS)])

    def wait_for(self, what: str, statement: str, answer: str) -> None:
        """Until ``statement`` gives ``answer``; the last other answer is told where it never does."""
        last = ""

        def there() -> bool:
            nonlocal last
            last = self.psql(statement) if self.psql("SELECT to_regclass('s.order_lines') IS NOT NULL") == "t" else "no table"
            return last == answer

        try:
            wait_until(what, there, ARRIVAL_SECONDS, 0.1)
        except Exception as error:
            raise AssertionError(f"{what}: {last!r} is not {answer!r}") from error


@contextmanager
def jdbc_sink(stack: ConnectStack, sink: Connector, folder: Path) -> Iterator[JdbcTarget]:
    """While the context lasts, ``sink`` runs on the active colour, with the secrets that it names."""
    active = stack.active
    stack.secret(active, f"{sink.name}.database-password").write_text(DATABASE_PASSWORD)
    user = "shop-orders-sink"
    stack.secret(active, f"{user}.password").write_text(stack.kafka.stack.passwords[user])
    with PostgresServer(folder, {"fsync": "off"}, namespace=stack.kafka.project.namespace, port=PORT) as server:
        server.psql(f"CREATE ROLE {sink.config['connection.username']} SUPERUSER LOGIN")
        server.psql(f"CREATE DATABASE {DATABASE}")
        server.psql("CREATE SCHEMA s", DATABASE)
        cluster = stack.cluster(active)
        cluster.ask(lambda rest: rest.put(sink.name, sink.config))
        try:
            yield JdbcTarget(server)
        finally:
            cluster.ask(lambda rest: rest.delete(sink.name))
