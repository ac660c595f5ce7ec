"""The tables that made-up data is for: users, and their orders. The same columns on every kind of source."""

import enum
from collections.abc import Mapping

from components.development.cassandra_demo import SCHEMA as CASSANDRA_TABLES

DATABASE = "shop"
TABLES = ("users", "orders")


class Source(enum.StrEnum):
    """A kind of source database."""

    mysql = "mysql"
    mariadb = "mariadb"
    cassandra = "cassandra"

    @property
    def place(self) -> str:
        """Where a statement has a value."""
        return "?" if self is Source.cassandra else "%s"


_RELATIONAL = (
    "CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4",
    "CREATE TABLE IF NOT EXISTS {database}.users (user_id CHAR(36) PRIMARY KEY, email VARCHAR(255), name VARCHAR(255), "
    "age INT, created_at DATETIME(3), address JSON)",
    "CREATE TABLE IF NOT EXISTS {database}.orders (user_id CHAR(36), order_id INT, product VARCHAR(255), "
    "amount DECIMAL(12,2), status VARCHAR(20), placed_at DATETIME(3), PRIMARY KEY (user_id, order_id))",
)
_CASSANDRA = (
    "CREATE KEYSPACE IF NOT EXISTS {database} WITH replication = "
    "{{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}",
    *CASSANDRA_TABLES,
)


def schema(source: Source, database: str = DATABASE, replicas: int = 1) -> tuple[str, ...]:
    """The statements that make the tables; on a source that has them they change nothing."""
    chosen = _CASSANDRA if source is Source.cassandra else _RELATIONAL
    return tuple(statement.format(database=database, keyspace=database, replicas=replicas) for statement in chosen)


def insert(source: Source, table: str, row: Mapping[str, object]) -> str:
    """One row."""
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join([source.place] * len(row))})"  # noqa: S608 - own names


def update(source: Source, table: str, key: Mapping[str, object], values: Mapping[str, object]) -> str:
    """Some columns of one row."""
    return f"UPDATE {table} SET {_equal(source, values, ', ')} WHERE {_equal(source, key, ' AND ')}"  # noqa: S608 - own names


def delete(source: Source, table: str, key: Mapping[str, object], more: str = "") -> str:
    """The rows with a key, or with its beginning; ``more`` bounds them further."""
    return f"DELETE FROM {table} WHERE {_equal(source, key, ' AND ')}{more}"  # noqa: S608 - own names


def _equal(source: Source, values: Mapping[str, object], between: str) -> str:
    return between.join(f"{name} = {source.place}" for name in values)
