"""How MySQL and MariaDB are told that one account has two passwords. Pure.

MySQL keeps the present password beside a new one when it is asked to (8.0.14 on), and forgets the one before. MariaDB lets an
account be entered by any one of several methods (10.4 on), which are always told all together.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["MySQL", "MariaDB"]
NATIVE = "mysql_native_password"
_MYSQL, _MARIADB = (8, 0, 14), (10, 4, 0)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'")


@dataclass(frozen=True, slots=True)
class Account:
    """Whoever enters from a host that the pattern ``host`` covers, as ``user``."""

    user: str
    host: str

    def __str__(self) -> str:
        return f"'{self.user}'@'{self.host}'"


@dataclass(frozen=True, slots=True)
class Statement:
    """One of SQL, and the values that take the places of its ``%s``. They may be secrets: it is not shown."""

    text: str
    values: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Statement({self.text!r})"


def account(current_user: str) -> Account:
    """Of what ``CURRENT_USER()`` says; a user's name may hold an @, a host's pattern none."""
    user, _, host = current_user.rpartition("@")
    return Account(user, host)


def dialect(version: str) -> Dialect | None:
    """Of what ``VERSION()`` says: ``8.4.3``, ``5.5.5-10.11.11-MariaDB-log``. ``None`` for a server that keeps one password."""
    numbers = [tuple(map(int, match.groups())) for match in re.finditer(r"(\d+)\.(\d+)\.(\d+)", version)]
    if "mariadb" in version.lower():
        return "MariaDB" if numbers and numbers[-1] >= _MARIADB else None
    return "MySQL" if numbers and numbers[0] >= _MYSQL else None


def mysql_statement(present: str, following: str, other: Account | None = None) -> Statement:
    """The server hashes what it is told, and writes the hash to its logs. By ``REPLACE`` it refuses where ``present`` is not
    the first of two already: that would lock out whoever knows it. Only who speaks of itself may say so; ``other`` is
    somebody else's account, where an administrator speaks."""
    if other is None:
        return Statement("ALTER USER USER() IDENTIFIED BY %s REPLACE %s RETAIN CURRENT PASSWORD", (following, present))
    return Statement("ALTER USER %s@%s IDENTIFIED BY %s RETAIN CURRENT PASSWORD", (other.user, other.host, following))


def mariadb_statement(present: str, following: str, whose: Account) -> Statement:
    """The server is told hashes only. What is not said, such as ``REQUIRE``, stays as it is."""
    text = f"ALTER USER %s@%s IDENTIFIED VIA {NATIVE} USING %s OR {NATIVE} USING %s"
    return Statement(text, (whose.user, whose.host, native_hash(following), native_hash(present)))


def native_hash(password: str) -> str:
    """As MariaDB's ``PASSWORD()``."""
    inner = hashlib.sha1(password.encode()).digest()  # noqa: S324 - the server's own, which no one can choose
    return f"*{hashlib.sha1(inner).hexdigest().upper()}"  # noqa: S324


def other_methods(shown: str) -> tuple[str, ...]:
    """The methods of MariaDB's ``SHOW CREATE USER`` that are not :data:`NATIVE`. Debezium reads the binary log with none of
    them, and a password of theirs would be lost."""
    told = _QUOTED.sub("''", shown.partition(" IDENTIFIED ")[2])
    return tuple(sorted({name for name in re.findall(r"\b(?:VIA|OR) (\w+)", told) if name != NATIVE}))
