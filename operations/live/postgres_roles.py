"""PostgreSQL servers whose roles are given new passwords."""

import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from components.core.errors import CdcError
from components.vault.rotation import Login

CONNECT_SECONDS = 15


class PostgresServers:
    """One session for each server of ``logins`` that is PostgreSQL's, as a role that may change others' passwords. ``settings``
    are libpq's, and say what the spec does not, or says otherwise: user, password, sslmode, host. May be used from several
    threads."""

    def __init__(self, logins: Iterable[object], settings: dict[str, str]) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, int], psycopg.Connection] = {}
        try:
            roles = [login for login in logins if isinstance(login, Login)]
            for host, port, database in sorted({(login.host, login.port, login.database) for login in roles}):
                if (host, port) not in self._sessions:
                    given = {"host": host, "port": str(port), "dbname": database, **settings}
                    session = psycopg.connect(**given, autocommit=True, connect_timeout=CONNECT_SECONDS)  # type: ignore[arg-type]
                    self._sessions[host, port] = session
        except psycopg.Error as error:
            self._close()
            remedy = "say in --postgres-config how this machine reaches it, as a role that may change passwords"
            raise CdcError(f"PostgreSQL {host}:{port}: {_line(error)}; nothing was changed\n      → {remedy}") from None

    def set_password(self, login: Login, password: str) -> None:
        """From now on ``login`` enters with ``password``. The server is told its hash only; sessions that are open stay."""
        session = self._sessions[login.host, login.port]
        try:
            with self._lock:
                verifier = session.pgconn.encrypt_password(password.encode(), login.role.encode(), b"scram-sha-256").decode()
                words = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login.role), sql.Literal(verifier))
                session.execute(words)
        except psycopg.Error as error:
            remedy = "let the role of --postgres-config change it; clients go on with the password that they have"
            raise CdcError(
                f"PostgreSQL {login.host}:{login.port}: role {login.role}: {_line(error)}\n      → {remedy}"
            ) from None

    def tell(self, login: Login, _: str, following: str) -> None:
        """A role has one password; its clients try another where they are refused."""
        self.set_password(login, following)

    def _close(self) -> None:
        for session in self._sessions.values():
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()


def read_settings(file: Path | None) -> dict[str, str]:
    """A file of libpq's keywords, ``user=cdc_admin`` and so on, as in a connection string; lines may begin with ``#``."""
    if file is None:
        return {}
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
        return {key: str(value) for key, value in conninfo_to_dict(" ".join(lines)).items()}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CdcError(f"{file}: cannot be read: {why}\n      → name a readable file") from None
    except psycopg.Error:
        remedy = "write libpq's keywords, such as host=127.0.0.1 user=cdc_admin password=… sslmode=verify-full"
        raise CdcError(f"{file}: is no connection string\n      → {remedy}") from None


def _line(error: psycopg.Error) -> str:
    """The server's own first line; it repeats neither statement nor password."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
