"""A PostgreSQL server as it is: which steps hold already, and running those that do not."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors

from components.core.errors import CdcError
from components.postgres.sql import identifier, literal
from components.postgres.steps import Step

MAINTENANCE = "postgres"
"""The database that every server has."""

CONNECT_SECONDS = 10
Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresError(CdcError):
    """A server that cannot be reached, or that refuses what it was asked."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a server is and how its administrator enters; the files are read when it is opened."""

    host: str
    port: int
    user: str
    password_file: Path | None = None
    ca_file: Path | None = None
    encrypted: bool = True


class Server:
    """A server. Every method raises :class:`PostgresError` with what to do."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._password = None if access.password_file is None else read_password(access.password_file)

    def holding(self, wanted: Sequence[Step]) -> frozenset[Step]:
        """Those of ``wanted`` that hold already; in a database that is not there, none does."""
        found: set[Step] = set()
        there = self._databases()
        for database, group in _by_database(wanted):
            if database is not None and database not in there:
                continue
            asked = list(group)
            with self._connected(database or MAINTENANCE) as connection:
                answers = self._ask(connection, asked)
            found.update(step for step, holds in zip(asked, answers, strict=True) if holds)
        return frozenset(found)

    def run(self, missing: Sequence[Step]) -> None:
        """Run ``missing`` in its order: what belongs together in one transaction, so that none of it is done by half."""
        for (database, alone), group in groupby(missing, key=lambda step: (step.database, step.alone)):
            with self._connected(database or MAINTENANCE) as connection:
                if alone:
                    for step in group:
                        self._execute(connection, step)
                else:
                    with connection.transaction():
                        for step in group:
                            self._execute(connection, step)

    def enters(self, role: str, password: str, database: str) -> bool:
        """Whether a role can log in with its password."""
        try:
            self._connect(role, password, database).close()
        except psycopg.OperationalError:
            return False
        return True

    def set_password(self, role: str, password: str) -> None:
        """Hashed here: neither the server nor its log ever sees it."""
        with self._connected(MAINTENANCE) as connection:
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            statement = f"ALTER ROLE {identifier(role)} PASSWORD {literal(verifier)}"
            self._execute(connection, Step(f"the password of {role}", "", statement))

    def _databases(self) -> frozenset[str]:
        with self._connected(MAINTENANCE) as connection:
            return frozenset(name for (name,) in connection.execute("SELECT datname::text FROM pg_database"))

    def _ask(self, connection: Connection, asked: Sequence[Step]) -> list[bool]:
        """All in one query. The conditions are the platform's own, with every name in them quoted."""
        try:
            row = connection.execute(f"SELECT ARRAY[{', '.join(f'({step.holds})' for step in asked)}]".encode()).fetchone()
        except psycopg.Error as error:
            raise PostgresError(
                f"{self._place}: cannot be looked at: {_said(error)}\n      → connect as an administrator"
            ) from None
        return [] if row is None else list(row[0])

    def _execute(self, connection: Connection, step: Step) -> None:
        try:
            connection.execute(step.statement.encode())
        except errors.InsufficientPrivilege as error:
            raise PostgresError(
                f"{self._place}: {step.what}: {_said(error)}\n"
                f"      → connect as who may (--user), or have its owner run: {_shown(step)}"
            ) from None
        except psycopg.Error as error:
            raise PostgresError(f"{self._place}: {step.what}: {_said(error)}\n      → mend that and run it again") from None

    @contextmanager
    def _connected(self, database: str) -> Iterator[Connection]:
        try:
            connection = self._connect(self._access.user, self._password, database)
        except psycopg.OperationalError as error:
            raise PostgresError(
                f"{self._place}, database {database}: {_said(error)}\n"
                "      → check --host, --port, --user, --password-file and --ca-file, and the server's pg_hba.conf"
            ) from None
        with connection:
            yield connection

    def _connect(self, user: str, password: str | None, database: str) -> Connection:
        access = self._access
        tls: dict[str, Any] = {"sslmode": "disable"}
        if access.encrypted:
            tls = {"sslmode": "verify-full", "sslrootcert": "system" if access.ca_file is None else str(access.ca_file)}
        return psycopg.connect(
            host=access.host,
            port=access.port,
            user=user,
            password=password,
            dbname=database,
            connect_timeout=CONNECT_SECONDS,
            application_name="cdc postgres",
            options="-c statement_timeout=60s -c lock_timeout=10s -c client_min_messages=error",
            autocommit=True,
            **tls,
        )

    @property
    def _place(self) -> str:
        return f"{self._access.host}:{self._access.port}"


def read_password(file: Path) -> str:
    """The text of a file without its last line break."""
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PostgresError(f"{file}: cannot be read: {error}\n      → name a file that holds a password") from None
    if not text:
        raise PostgresError(f"{file}: is empty\n      → name a file that holds a password")
    return text


def _by_database(wanted: Iterable[Step]) -> Iterator[tuple[str | None, list[Step]]]:
    found: dict[str | None, list[Step]] = {}
    for step in wanted:
        found.setdefault(step.database, []).append(step)
    yield from found.items()


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or " ".join(str(error).split())


def _shown(step: Step) -> str:
    return "(its password)" if "PASSWORD" in step.statement else step.statement
