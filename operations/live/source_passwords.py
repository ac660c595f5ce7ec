"""Source databases whose users are given new passwords, of which the server keeps two: connectors that run know the old one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from components.core.errors import CdcError
from components.vault.source_rotation import SourceLogin
from operations.live import source_accounts
from operations.live.source_accounts import Account, Dialect
from operations.live.source_ways import SourceWay, SourceWays

CONNECT_SECONDS, ANSWER_SECONDS = 15, 60
FOLLOW_SECONDS = 60.0
"""How long a replica may take to do what the server that takes writes was told."""

_PAUSE_SECONDS = 0.5
_REFUSED_LOGIN = {1045, 1698}
_NO_RIGHT = {1044, 1142, 1227}
_READ_ONLY = {1290, 1836}
_UNKNOWN_SYNTAX = 1064
_NOT_CURRENT = 3891
_HIDDEN = "(hidden)"


class SourceError(CdcError):
    """A source database that cannot be reached, or does not take a second password."""


class SourceServers:
    """All that ``ways`` reach. May be used from several threads: each user's password is told in sessions of its own."""

    def __init__(self, ways: SourceWays) -> None:
        self._ways = ways

    def tell(self, login: SourceLogin, present: str, following: str) -> None:
        """From now on ``login`` enters with ``following`` as well as with ``present``, where that is seen to be so; a password
        before these two opens nothing any more. May be repeated. Raises :class:`SourceError` where the server does not do so,
        and ``present`` goes on alone."""
        telling = _Telling(_driver(), login, self._ways.of(login), present, following)
        if not telling.enters(following):
            if not telling.is_told():
                telling.tell()
            telling.check()


class _Telling:
    """One user's password, on one server."""

    def __init__(self, driver: ModuleType, login: SourceLogin, way: SourceWay, present: str, following: str) -> None:
        self._driver, self._login, self._way = driver, login, way
        self._present, self._following = present, following
        self._where = f"{login.host}:{login.port}: user {login.user}"
        self._check_encrypted()

    def _check_encrypted(self) -> None:
        if not self._way.encrypted and not self._way.local:
            remedy = "name the CA of its certificate with ssl-ca in --source-config, or reach it by a tunnel to 127.0.0.1"
            raise SourceError(
                f"{self._where}: a new password would go there in plain text; nothing was changed\n      → {remedy}"
            )

    def is_told(self) -> bool:
        """Whether the primary knows already what its replica does not yet. MySQL would keep ``following`` twice then."""
        return self._way.primary is not None and self.enters(self._following, writes=True)

    def enters(self, password: str, writes: bool = False) -> bool:
        """Whether it is let in, by the server that ``writes`` or the one that clients enter."""
        try:
            with self._session(self._login.user, password, writes):
                return True
        except self._driver.OperationalError as error:
            if error.args[0] in _REFUSED_LOGIN:
                return False
            raise self._unreachable(error) from None

    def tell(self) -> None:
        """The server, or the one whose replica it is."""
        try:
            with self._session(self._login.user, self._present) as own:
                account = source_accounts.account(_one(own, "SELECT CURRENT_USER()"))
                dialect = source_accounts.dialect(_one(own, "SELECT VERSION()"))
                if dialect is None:
                    remedy = "take rotate out of the spec: MySQL keeps two from 8.0.14 on, MariaDB from 10.4"
                    raise self._error(f"{_one(own, 'SELECT VERSION()')} keeps one password for a user", remedy)
                if dialect == "MariaDB":
                    self._check_methods(_one(own, "SHOW CREATE USER"))
        except self._driver.OperationalError as error:
            if error.args[0] in _REFUSED_LOGIN:
                remedy = "write the one that it has with vault kv patch, or let this machine in"
                raise self._error("is refused with the present password in Vault, and with the next one", remedy) from None
            raise self._unreachable(error) from None
        self._alter(account, dialect)

    def _alter(self, account: Account, dialect: Dialect) -> None:
        """As the user itself, or as the administrator whom the way names."""
        admin = self._way.user is not None
        if dialect == "MySQL":
            words = source_accounts.mysql_statement(self._present, self._following, account if admin else None)
        else:
            words = source_accounts.mariadb_statement(self._present, self._following, account)
        user, password = (
            (self._way.user, self._way.password) if self._way.user is not None else (self._login.user, self._present)
        )
        try:
            with self._session(user, password, writes=True) as session:
                self._check_alone(session, account)
                session.execute(words.text, words.values)
        except self._driver.Error as error:
            raise self._refusal(error, dialect, admin) from None

    def _check_methods(self, shown: str) -> None:
        others = source_accounts.other_methods(shown)
        if others:
            remedy = f"let it enter by {source_accounts.NATIVE}, or take rotate out of the spec"
            raise self._error(f"enters by {', '.join(others)} too, of which a second password is not known", remedy)

    def _check_alone(self, session: Any, account: Account) -> None:
        """A connector may enter as another account of the same name: which one it is depends on the host that it comes from.
        Whoever may not look sees its own only."""
        try:
            session.execute("SELECT Host FROM mysql.user WHERE User = %s", (account.user,))
            hosts = sorted(str(row[0]) for row in session.fetchall())
        except self._driver.Error as error:
            if error.args[0] in _NO_RIGHT:
                return
            raise
        if len(hosts) > 1:
            said = f"has accounts for {', '.join(hosts)}: from here it is {account}, and a connector may be another"
            raise self._error(said, "keep one account of that name")

    def check(self) -> None:
        """Both let it in, where clients enter: Vault must not name a password before."""
        deadline = time.monotonic() + FOLLOW_SECONDS
        while not (self.enters(self._following) and self.enters(self._present)):
            if time.monotonic() > deadline:
                said = "was given the next password beside the present one, and one of them opens nothing"
                remedy = "where it is a replica, wait until it follows its primary; run the same again"
                raise SourceError(f"{self._where}: {said}; Vault was not changed\n      → {remedy}")
            time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def _session(self, user: str, password: str, writes: bool = False) -> Iterator[Any]:
        host, port = self._way.primary if writes and self._way.primary is not None else (self._way.host, self._way.port)
        with (
            self._driver.connect(
                host=host,
                port=port,
                user=user,
                password=password,
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                write_timeout=ANSWER_SECONDS,
                ssl=self._way.context(),
            ) as connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    def _refusal(self, error: Exception, dialect: Dialect, admin: bool) -> SourceError:
        code = error.args[0] if error.args else None
        if code in _REFUSED_LOGIN and admin:
            return self._error(f"the administrator {self._way.user} is refused", "mend user and password in --source-config")
        if code in _READ_ONLY:
            remedy = "say which server takes writes with primary= in --source-config"
            return self._error("the server takes no writes", remedy)
        if code in _NO_RIGHT:
            right, remedy = _needed(dialect, admin)
            return self._error(f"{self._way.user or 'it'} lacks the right {right}: {self._said(error)}", remedy)
        if code == _NOT_CURRENT:
            remedy = "take the first one back to what Vault has, or write that to Vault"
            return self._error("has another first password than the present one in Vault, which would be lost", remedy)
        if code == _UNKNOWN_SYNTAX:  # it repeats what it does not understand
            return self._error("the server does not know how to keep two passwords", "take rotate out of the spec")
        return self._error(self._said(error), "see what the server's log says, and run the same again")

    def _said(self, error: Exception) -> str:
        said = " ".join(str(error.args[-1] if error.args else error).split())
        for secret in (self._present, self._following, self._way.password):
            said = said.replace(secret, _HIDDEN) if secret else said
        return said

    def _error(self, said: str, remedy: str) -> SourceError:
        return SourceError(f"{self._where}: {said}; clients go on with the password that they have\n      → {remedy}")

    def _unreachable(self, error: Exception) -> SourceError:
        remedy = "say in --source-config how this machine reaches it"
        return SourceError(f"{self._where}: {self._said(error)}; nothing was changed\n      → {remedy}")


def _needed(dialect: Dialect, admin: bool) -> tuple[str, str]:
    """The right that is missing, and what to do."""
    if admin:
        return "CREATE USER", "grant it to that administrator, with SELECT on mysql.*, or name another in --source-config"
    if dialect == "MySQL":
        remedy = "grant it to the user: it lets it keep two passwords of its own, and no more; or name an administrator"
        return "APPLICATION_PASSWORD_ADMIN", f"{remedy} in --source-config"
    return "CREATE USER", "name an administrator who has it in --source-config: whoever has it may change everybody's password"


def _one(cursor: Any, question: str) -> str:
    cursor.execute(question)
    return str(cursor.fetchone()[0])


def _driver() -> ModuleType:
    try:
        import pymysql
    except ImportError:
        raise SourceError(
            "passwords of source databases are changed with the Python package pymysql, which is not installed"
            "\n      → pip install 'cdc-platform[mock]'"
        ) from None
    return pymysql
