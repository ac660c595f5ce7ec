"""What a failure means decides whether a row is refused: the environment's failures never may."""

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException
from psycopg import errors as pg
from sink_worker.errors import Kind, RegistryUnavailableError, TableError, classify


@pytest.mark.parametrize(
    "error",
    [
        pg.ConnectionFailure,
        pg.AdminShutdown,
        pg.CrashShutdown,
        pg.CannotConnectNow,
        pg.SerializationFailure,
        pg.DeadlockDetected,
        pg.LockNotAvailable,
        pg.QueryCanceled,
        pg.DiskFull,
        pg.OutOfMemory,
        pg.TooManyConnections,
        pg.ReadOnlySqlTransaction,
        pg.IdleInTransactionSessionTimeout,
        pg.IoError,
        pg.InternalError_,
        pg.DataCorrupted,
        pg.InvalidPassword,
        pg.InvalidCatalogName,
        pg.InvalidSqlStatementName,
    ],
)
def test_a_failure_of_the_environment_never_refuses_a_row(error: type[psycopg.Error]) -> None:
    assert classify(error()).kind is Kind.RETRYABLE


@pytest.mark.parametrize(
    "error",
    [
        pg.NotNullViolation,
        pg.UniqueViolation,
        pg.CheckViolation,
        pg.ForeignKeyViolation,
        pg.NumericValueOutOfRange,
        pg.StringDataRightTruncation,
        pg.UntranslatableCharacter,
        pg.InvalidTextRepresentation,
        pg.CardinalityViolation,
        pg.RaiseException,
        pg.ProgramLimitExceeded,
        pg.WithCheckOptionViolation,
    ],
)
def test_what_is_wrong_with_a_row_refuses_the_row(error: type[psycopg.Error]) -> None:
    assert classify(error()).kind is Kind.POISON


@pytest.mark.parametrize(
    "error",
    [
        pg.UndefinedTable,
        pg.UndefinedColumn,
        pg.InvalidColumnReference,
        pg.DatatypeMismatch,
        pg.InsufficientPrivilege,
        pg.InvalidSchemaName,
    ],
)
def test_what_is_wrong_with_a_table_halts_its_topic(error: type[psycopg.Error]) -> None:
    assert classify(error()).kind is Kind.TABLE


@pytest.mark.parametrize("error", [psycopg.OperationalError("server closed the connection"), psycopg.InterfaceError("closed")])
def test_a_lost_connection_is_dialled_again_and_counted(error: psycopg.Error) -> None:
    verdict = classify(error)
    assert (verdict.kind, verdict.counts, verdict.reconnect) == (Kind.RETRYABLE, True, True)


@pytest.mark.parametrize("error", [pg.DeadlockDetected(), pg.SerializationFailure(), pg.LockNotAvailable()])
def test_contention_is_retried_but_opens_no_breaker(error: psycopg.Error) -> None:
    assert (classify(error).kind, classify(error).counts) == (Kind.RETRYABLE, False)


def test_a_misuse_of_the_client_library_is_a_defect_and_not_waited_for() -> None:
    assert classify(psycopg.ProgrammingError("the query has 3 placeholders but 2 parameters were passed")).kind is Kind.FATAL


def test_other_services_being_away_is_waited_for() -> None:
    for error in (
        RegistryUnavailableError("away"),
        KafkaException(KafkaError(KafkaError._TRANSPORT)),
        ConnectionRefusedError(),
    ):
        assert classify(error).kind is Kind.RETRYABLE


def test_a_table_error_keeps_its_reason() -> None:
    verdict = classify(TableError("topic", "dropped", "table t was dropped"))
    assert (verdict.kind, verdict.error_type) == (Kind.TABLE, "dropped")
