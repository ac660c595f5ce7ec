"""A source database with every column type that Debezium's MySQL family streams, and a random workload on it."""

import json
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pymysql

from tests.harness.mariadb_server import USER, MariadbServer
from tests.harness.processes import LOOPBACK

DATABASE = "shop"
Value = Any


def _same(value: Value) -> Value:
    return value


def _wide(value: Value) -> Value:
    """A four-byte float, whatever precision it was shown with."""
    return None if value is None else struct.pack(">f", float(value))


def _bits(value: Value) -> Value:
    return None if value is None else int.from_bytes(value, "big") if isinstance(value, bytes) else int(value, 2)


def _json(value: Value) -> Value:
    return json.loads(value) if isinstance(value, str) else value


def _utc(value: Value) -> Value:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def _number(value: Value) -> Value:
    return None if value is None else Decimal(value)


def _text(value: Value) -> Value:
    return None if value is None else str(value)


def _truth(value: Value) -> Value:
    if isinstance(value, bytes):
        return bool(value[-1])
    return value if value is None else value in {True, "1", "t"}


@dataclass(frozen=True)
class Kind:
    """A column type: how random values of it are made, and what makes the values of both databases comparable."""

    declared: str
    draw: Callable[[random.Random], Value]
    plain: Callable[[Value], Value] = _same
    read: str = "{0}"
    """How the source is asked for it, where its plain value would lose digits."""
    write: str = "%s"


def _moment(source: random.Random, digits: int) -> str:
    moment = datetime(1971, 1, 1) + timedelta(seconds=source.randrange(2_000_000_000), microseconds=source.randrange(1_000_000))
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{moment.microsecond:06d}"[: digits + 1] if digits else "")


def _duration(source: random.Random, digits: int) -> str:
    seconds = source.randrange(838 * 3600)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    fraction = f".{source.randrange(10**digits):0{digits}d}" if digits else ""
    return f"{source.choice(('', '-'))}{text}{fraction}"


def _words(source: random.Random) -> str:
    return "".join(source.choice("añ日🙂 \\\t\n'\"b") for _ in range(source.randrange(20)))


def _integer(bits: int, signed: bool = True) -> Callable[[random.Random], int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return lambda source: source.choice((low, high, 0, source.randint(low, high)))


def _short_float(source: random.Random) -> float:
    """Six digits at most: Debezium's snapshot reads FLOAT as the source shows it, and more are not shown."""
    return source.randrange(-9_999, 10_000) / 4


def _identifier(source: random.Random) -> str:
    """Its last byte is not zero: the binary log leaves trailing zeros out, and Debezium 3.5 then reads another identifier."""
    return f"{source.getrandbits(120):030x}{source.randrange(1, 256):02x}"


def _decimal(digits: int, scale: int) -> Callable[[random.Random], Decimal]:
    most = 10**digits - 1
    return lambda source: Decimal(source.choice((0, most, -most, source.randint(-most, most)))).scaleb(-scale)


def _document(source: random.Random) -> str:
    return json.dumps(
        {"number": source.randrange(10**12), "list": [1, None, True, 1.5], "text": _words(source), "deep": {"a": {}}}
    )


KINDS: Mapping[str, Kind] = {
    "t_tiny": Kind("TINYINT", _integer(8)),
    "t_tiny_unsigned": Kind("TINYINT UNSIGNED", _integer(8, False)),
    "t_boolean": Kind("BOOLEAN", lambda source: source.randrange(2), _truth),
    "t_small": Kind("SMALLINT", _integer(16)),
    "t_small_unsigned": Kind("SMALLINT UNSIGNED", _integer(16, False)),
    "t_medium": Kind("MEDIUMINT", _integer(24)),
    "t_int": Kind("INT", _integer(32)),
    "t_int_unsigned": Kind("INT UNSIGNED", _integer(32, False)),
    "t_big": Kind("BIGINT", _integer(64)),
    "t_big_unsigned": Kind("BIGINT UNSIGNED", _integer(64, False), _number),
    "t_float": Kind("FLOAT", _short_float, _wide, "CAST({0} AS DOUBLE)"),
    "t_double": Kind("DOUBLE", lambda source: source.uniform(-1e300, 1e300)),
    "t_decimal": Kind("DECIMAL(38,10)", _decimal(38, 10), _number),
    "t_money": Kind("DECIMAL(12,2)", _decimal(12, 2), _number),
    "t_whole": Kind("DECIMAL(20,0)", _decimal(20, 0), _number),
    "t_bit": Kind("BIT(1)", lambda source: source.randrange(2), _truth),
    "t_bits": Kind("BIT(11)", lambda source: source.randrange(2**11), _bits),
    "t_many_bits": Kind("BIT(64)", lambda source: source.randrange(2**64), _bits),
    "t_char": Kind("CHAR(12)", lambda source: source.choice(("", "señor", "日本語")), _same),
    "t_varchar": Kind("VARCHAR(40)", _words),
    "t_text": Kind("TEXT", lambda source: _words(source) * 40),
    "t_binary": Kind("BINARY(5)", lambda source: source.randbytes(5)),
    "t_varbinary": Kind("VARBINARY(40)", lambda source: source.randbytes(source.randrange(40))),
    "t_blob": Kind("BLOB", lambda source: source.randbytes(300)),
    "t_date": Kind("DATE", lambda source: str(date(1000, 1, 1) + timedelta(days=source.randrange(3_000_000)))),
    "t_datetime": Kind("DATETIME", lambda source: _moment(source, 0)),
    "t_datetime3": Kind("DATETIME(3)", lambda source: _moment(source, 3)),
    "t_datetime6": Kind("DATETIME(6)", lambda source: _moment(source, 6)),
    "t_timestamp": Kind("TIMESTAMP NULL", lambda source: _moment(source, 0), _utc),
    "t_timestamp6": Kind("TIMESTAMP(6) NULL", lambda source: _moment(source, 6), _utc),
    "t_time": Kind("TIME", lambda source: _duration(source, 0)),
    "t_time6": Kind("TIME(6)", lambda source: _duration(source, 6)),
    "t_year": Kind("YEAR", lambda source: source.choice((1901, 2155, 2026))),
    "t_enum": Kind("ENUM('small','it''s big','größer')", lambda source: source.choice(("small", "it's big", "größer"))),
    "t_set": Kind("SET('a','b','c')", lambda source: source.choice(("", "a", "a,c", "a,b,c"))),
    "t_json": Kind("JSON", _document, _json),
    "t_point": Kind(
        "POINT",
        lambda source: f"POINT({source.randrange(-180, 180)} {source.random() * 90})",
        _same,
        "ST_AsWKB({0})",
        "ST_GeomFromText(%s)",
    ),
    "t_uuid": Kind("UUID", _identifier, _text),
}


class Source:
    """A connection to the source's database, and the statements of the workload."""

    def __init__(self, server: MariadbServer, kinds: Mapping[str, Kind] = KINDS) -> None:
        """``kinds`` are the columns of the tables that it makes, beside the key."""
        self.kinds = kinds
        self._connection = pymysql.connect(host=LOOPBACK, port=server.port, user=USER, charset="utf8mb4")
        self.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        self.execute(f"USE {DATABASE}")

    def execute(self, statement: str, values: tuple[Value, ...] | None = None) -> list[tuple[Value, ...]]:
        """The rows of a statement. Nothing is committed by it."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def commit(self) -> None:
        """End the transaction."""
        self._connection.commit()

    def roll_back(self) -> None:
        """Undo the transaction: nothing of it may ever be seen."""
        self._connection.rollback()

    def create_all_types(self, table: str) -> None:
        """A table with every type, and a key of one number."""
        columns = ", ".join(f"{name} {kind.declared}" for name, kind in self.kinds.items())
        self.execute(f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, {columns})")

    def insert(self, table: str, key: int, random_source: random.Random) -> None:
        """A row with random values, one in five of them NULL."""
        names = ", ".join(self.kinds)
        places = ", ".join(kind.write for kind in self.kinds.values())
        values = tuple(_draw(kind, random_source) for kind in self.kinds.values())
        self.execute(f"INSERT INTO {table} (id, {names}) VALUES (%s, {places})", (key, *values))

    def update(self, table: str, key: int, random_source: random.Random) -> None:
        """New values for some columns of a row."""
        chosen = random_source.sample(list(self.kinds), 5)
        assignments = ", ".join(f"{name} = {self.kinds[name].write}" for name in chosen)
        values = tuple(_draw(self.kinds[name], random_source) for name in chosen)
        self.execute(f"UPDATE {table} SET {assignments} WHERE id = %s", (*values, key))

    def rows(self, table: str) -> dict[int, tuple[Value, ...]]:
        """The table's rows by key, in values that both databases have."""
        columns = ", ".join(kind.read.format(name) for name, kind in self.kinds.items())
        return plain_rows(self.execute(f"SELECT id, {columns} FROM {table}"), self.kinds)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def target_rows(dsn: str, table: str, kinds: Mapping[str, Kind]) -> dict[int, tuple[Value, ...]]:
    """The same of the target."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET timezone = 'UTC'")
        return plain_rows(connection.execute(f"SELECT id, {', '.join(kinds)} FROM {table}".encode()).fetchall(), kinds)


def plain_rows(rows: list[tuple[Value, ...]], kinds: Mapping[str, Kind]) -> dict[int, tuple[Value, ...]]:
    """Rows by key, each value made plain by its type."""
    plain = [kind.plain for kind in kinds.values()]
    return {row[0]: tuple(make(value) for make, value in zip(plain, row[1:], strict=True)) for row in rows}


def _draw(kind: Kind, source: random.Random) -> Value:
    return None if source.random() < 0.2 else kind.draw(source)
