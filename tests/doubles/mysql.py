"""A fake of pymysql and of a MySQL server behind it, which keeps two passwords of one account as MySQL's manual says. No real
MySQL can be had where the tests run."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


class Error(Exception):
    """As pymysql's: a number and the server's words."""


class OperationalError(Error):
    """As pymysql's."""


@dataclass
class FakeMysql:
    """One account ``debezium``@``%``. ``rights`` are the user's own; ``fails`` what every ALTER USER is answered."""

    passwords: list[str]
    version: str = "8.4.3"
    rights: set[str] = field(default_factory=lambda: {"APPLICATION_PASSWORD_ADMIN"})
    hosts: tuple[str, ...] = ("%",)
    fails: Error | None = None
    administrators: dict[str, str] = field(default_factory=dict)
    followers: "list[FakeMysql]" = field(default_factory=list)
    before: Callable[[str], None] = lambda _statement: None
    ran: list[str] = field(default_factory=list)

    def alter(self, following: str, present: str | None, own: bool) -> None:
        """``ALTER USER … IDENTIFIED BY following [REPLACE present] RETAIN CURRENT PASSWORD``."""
        if self.fails is not None:
            raise self.fails
        needed = "APPLICATION_PASSWORD_ADMIN" if own else "CREATE USER"
        if own and needed not in self.rights:
            raise OperationalError(1227, f"Access denied; you need (at least one of) the {needed} privilege(s)")
        if present is not None and present != self.passwords[0]:
            raise OperationalError(3891, "Incorrect current password.")
        self.passwords = [following, self.passwords[0]]
        for follower in self.followers:
            follower.passwords = list(self.passwords)


@dataclass
class FakeDriver:
    """Servers by host; a connection is made to one of them."""

    servers: dict[str, FakeMysql]
    Error: type[Error] = Error
    OperationalError: type[OperationalError] = OperationalError

    def connect(self, host: str, user: str, password: str, **_: Any) -> "_Connection":
        server = self.servers.get(host)
        if server is None:
            raise OperationalError(2003, f"Can't connect to MySQL server on '{host}' (refused)")
        known = server.passwords if user == "debezium" else [server.administrators.get(user, "\0")]
        if password not in known:
            raise OperationalError(1045, f"Access denied for user '{user}'@'here' (using password: YES)")
        return _Connection(server, user)


@dataclass
class _Connection:
    server: FakeMysql
    user: str
    _answer: list[tuple[str, ...]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    @contextmanager
    def cursor(self) -> Iterator["_Connection"]:
        yield self

    def execute(self, text: str, values: tuple[str, ...] = ()) -> None:
        self.server.before(text)
        self.server.ran.append(text)
        if text.startswith("ALTER USER USER()"):
            self.server.alter(values[0], values[1] if "REPLACE" in text else None, own=True)
        elif text.startswith("ALTER USER"):
            self.server.alter(values[-1], None, own=False)
        elif "mysql.user" in text and self.user == "debezium":
            raise OperationalError(1142, "SELECT command denied to user 'debezium'")
        else:
            self._answer = self._answers(text)

    def _answers(self, text: str) -> list[tuple[str, ...]]:
        if re.search(r"CURRENT_USER\(\)", text):
            return [(f"{self.user}@%",)]
        return [(self.server.version,)] if "VERSION()" in text else [(host,) for host in self.server.hosts]

    def fetchone(self) -> tuple[str, ...]:
        return self._answer[0]

    def fetchall(self) -> list[tuple[str, ...]]:
        return self._answer
