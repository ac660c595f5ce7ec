"""Where made-up changes go: a connection to the source. Drivers are imported when they are needed, and need not be there."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from operations.mock_data.changes import Change, MockDataError
from operations.mock_data.tables import Source

PORTS = {Source.mysql: 3306, Source.mariadb: 3306, Source.cassandra: 9042}
_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 30


@dataclass(frozen=True)
class Place:
    """How a source is reached. With a CA the connection is encrypted, and the server's name checked."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    ca_file: Path | None = None

    def context(self) -> ssl.SSLContext | None:
        """None without a CA. :class:`MockDataError` when its file cannot be used."""
        if self.ca_file is None:
            return None
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise MockDataError(f"{self.ca_file}: is no CA certificate: {error}") from error


class Target(Protocol):
    """A connected source."""

    def execute(self, statement: str) -> None:
        """A statement without values."""

    def apply(self, change: Change) -> None:
        """All of a change's steps, or none."""


@contextmanager
def connected(source: Source, place: Place) -> Iterator[Target]:
    """:class:`MockDataError` when the driver is missing, or the source cannot be reached or refuses something."""
    opened = _cassandra if source is Source.cassandra else _relational
    with opened(place) as target:
        yield target


@contextmanager
def _relational(place: Place) -> Iterator[Target]:
    pymysql = _driver("pymysql")
    try:
        connection = pymysql.connect(
            host=place.host,
            port=place.port,
            user=place.user,
            password=place.password,
            charset="utf8mb4",
            connect_timeout=_CONNECT_SECONDS,
            ssl=place.context(),
        )
        with connection:
            yield _Relational(connection)
    except pymysql.Error as error:
        raise MockDataError(f"{place.host}:{place.port}: {error.args[-1]}") from error


@dataclass
class _Relational:
    connection: Any

    def execute(self, statement: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)

    def apply(self, change: Change) -> None:
        with self.connection.cursor() as cursor:
            for step in change.steps:
                cursor.execute(*step)
        self.connection.commit()


@contextmanager
def _cassandra(place: Place) -> Iterator[Target]:
    driver, clusters = _driver("cassandra"), _driver("cassandra.cluster")
    profile = clusters.ExecutionProfile(request_timeout=_STATEMENT_SECONDS)
    context = place.context()
    cluster = clusters.Cluster(
        [place.host],
        port=place.port,
        auth_provider=_driver("cassandra.auth").PlainTextAuthProvider(place.user, place.password),
        ssl_context=context,
        ssl_options={"server_hostname": place.host} if context else None,
        execution_profiles={clusters.EXEC_PROFILE_DEFAULT: profile},
        connect_timeout=_CONNECT_SECONDS,
    )
    try:
        yield _Cassandra(cluster.connect())
    except clusters.NoHostAvailable as error:
        why = "; ".join(str(one) for one in error.errors.values())
        raise MockDataError(f"{place.host}:{place.port}: {why}") from error
    except (driver.DriverException, driver.OperationTimedOut) as error:
        raise MockDataError(f"{place.host}:{place.port}: {error}") from error
    finally:
        cluster.shutdown()


@dataclass
class _Cassandra:
    session: Any
    prepared: dict[str, Any] = field(default_factory=dict)

    def execute(self, statement: str) -> None:
        self.session.execute(statement)

    def apply(self, change: Change) -> None:
        bound = [self._prepared(step.statement).bind(step.values) for step in change.steps]
        if len(bound) == 1:
            self.session.execute(bound[0])
            return
        batch = _driver("cassandra.query").BatchStatement()
        for one in bound:
            batch.add(one)
        self.session.execute(batch)

    def _prepared(self, statement: str) -> Any:
        if statement not in self.prepared:
            self.prepared[statement] = self.session.prepare(statement)
        return self.prepared[statement]


def _driver(name: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = "cassandra-driver" if name.startswith("cassandra") else name
        raise MockDataError(f"{package} is not installed: install cdc-platform[mock]") from error
