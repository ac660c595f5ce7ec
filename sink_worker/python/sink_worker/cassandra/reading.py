"""Cassandra asked by its driver, which is imported with this module only: it takes time, and most workers read no row again."""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

from cassandra import (
    ConsistencyLevel,
    InvalidRequest,
    OperationTimedOut,
    ReadFailure,
    ReadTimeout,
    Unauthorized,
    Unavailable,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.connection import ConnectionException
from cassandra.policies import DCAwareRoundRobinPolicy, RoundRobinPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory
from cassandra.util import Date, OrderedMap, Time

from sink_worker.cassandra.cql import CqlType
from sink_worker.cassandra.reread import (
    CONCURRENCY,
    CassandraUnavailableError,
    Key,
    TableShape,
    column_type,
    login,
    tls_context,
)
from sink_worker.cassandra.settings import RereadSettings
from sink_worker.errors import FatalError

_TRANSIENT = (
    NoHostAvailable,
    OperationTimedOut,
    ReadFailure,
    ReadTimeout,
    Unavailable,
    ConnectionException,
)


class DriverReader:
    """One session; the tables' columns are the driver's, which it refreshes when Cassandra tells of a change."""

    def __init__(self, settings: RereadSettings) -> None:
        """Connect. :class:`CassandraUnavailableError` when no contact point can be reached, or trusted, or takes the login."""
        self._hosts = ", ".join(settings.hosts)
        balancing = DCAwareRoundRobinPolicy(settings.datacenter) if settings.datacenter else RoundRobinPolicy()
        profile = ExecutionProfile(
            TokenAwarePolicy(balancing),
            consistency_level=ConsistencyLevel.name_to_value[settings.consistency],
            request_timeout=settings.timeout_seconds,
            row_factory=tuple_factory,
        )
        user = login(settings)
        context = tls_context(settings)
        self._cluster = Cluster(
            settings.hosts,
            port=settings.port,
            auth_provider=PlainTextAuthProvider(*user) if user else None,
            ssl_context=context,
            # The name that the certificate must have is the contact point's; other nodes are found by address.
            ssl_options={"server_hostname": settings.hosts[0]} if context else None,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            connect_timeout=settings.timeout_seconds,
            control_connection_timeout=settings.timeout_seconds,
        )
        try:
            with _told(self._hosts):
                self._session: Session = self._cluster.connect()
        except BaseException:
            self._cluster.shutdown()
            raise

    def shape(self, keyspace: str, table: str) -> TableShape:
        """The table as the driver knows it. :class:`FatalError` when there is none."""
        spaces = self._cluster.metadata.keyspaces
        found = spaces[keyspace].tables.get(table) if keyspace in spaces else None
        if found is None:
            raise FatalError(f"Cassandra has no table {keyspace}.{table} to read rows from, or its user may not see it")
        types = {name: column_type(column.cql_type, static=column.is_static) for name, column in found.columns.items()}
        key = {column.name: types.pop(column.name) for column in found.primary_key}
        return TableShape(key, types)

    def rows(self, statement: str, shape: TableShape, keys: Sequence[Key]) -> list[Sequence[Any] | None]:
        """Many reads at a time, each of one row."""
        values = [tuple(bound_value(cql, key[name]) for name, cql in shape.key.items()) for key in keys]
        with _told(self._hosts):
            prepared = self._session.prepare(statement)
            found = execute_concurrent_with_args(self._session, prepared, values, concurrency=CONCURRENCY)
            return [result.one() for _, result in found]

    def close(self) -> None:
        """End the session."""
        self._cluster.shutdown()


@contextmanager
def _told(hosts: str) -> Iterator[None]:
    """What the driver says of a cluster that is not well, in one error; of one that does not let itself be read, in another."""
    try:
        yield
    except _TRANSIENT as error:
        why = (
            "; ".join(str(one) for one in error.errors.values()) if isinstance(error, NoHostAvailable) else type(error).__name__
        )
        raise CassandraUnavailableError(f"Cassandra at {hosts} does not answer: {why}") from error
    except (InvalidRequest, Unauthorized) as error:
        raise FatalError(f"Cassandra at {hosts} refuses to be read: {error}; the user needs SELECT on the table") from error


def bound_value(cql: CqlType, value: Any) -> Any:
    """What the driver takes for a value in the form of the connector's events: the way back of ``event_value``."""
    if value is None or cql.name == "udt":
        return tuple(value.values()) if isinstance(value, dict) else value
    if cql.name in {"list", "set"}:
        return [bound_value(cql.arguments[0], one) for one in value]
    if cql.name == "map":
        of_key, of_value = cql.arguments
        pairs = value.items() if isinstance(value, dict) else value
        return OrderedMap([(bound_value(of_key, key), bound_value(of_value, one)) for key, one in pairs])
    if cql.name == "tuple":
        return tuple(bound_value(kind, one) for kind, one in zip(cql.arguments, value.values(), strict=True))
    return _BOUND.get(cql.name, _same)(value)


def _same(value: Any) -> Any:
    return value


_BOUND: dict[str, Callable[[Any], Any]] = {
    "uuid": UUID,
    "timeuuid": UUID,
    "decimal": Decimal,
    "varint": int,
    "double": float,
    "float": float,
    "date": Date,
    "time": Time,
    "inet": lambda value: value.removeprefix("/"),
    "blob": base64.b64decode,
}
