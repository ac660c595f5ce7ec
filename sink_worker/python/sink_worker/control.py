"""The control schema: offsets, outbox, rejected events and known tables; and how connections are made."""

from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from sink_worker.admin.tables import ADMIN_TABLES
from sink_worker.cassandra.control_tables import CELL_TABLES
from sink_worker.dlq_processor.tables import DLQ_TABLES
from sink_worker.evolution.tables import EVOLUTION_TABLES
from sink_worker.settings import PostgresSettings, read_secret

APPLICATION: Final = "sink-worker"
VERSION: Final = 3
"""Rises when a definition below grows; every statement of them leaves alone what is there."""
_KEEPALIVE: Final[dict[str, Any]] = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
                     "tcp_user_timeout": 30_000}  # fmt: skip
Connection = psycopg.Connection[tuple[Any, ...]]

_DEFINITION: Final = """
CREATE TABLE IF NOT EXISTS {schema}.version (version integer NOT NULL);

-- One row for each partition of each pipeline. next_offset moves in the transaction that writes the rows; epoch rises
-- whenever a worker takes the partition, which fences whoever had it before.
CREATE TABLE IF NOT EXISTS {schema}.offsets (
    pipeline text NOT NULL, cluster_id text NOT NULL, topic text NOT NULL, topic_id text NOT NULL,
    "partition" integer NOT NULL, epoch bigint NOT NULL, next_offset bigint NOT NULL,
    worker text NOT NULL, claimed_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, cluster_id, topic, topic_id, "partition")
) WITH (fillfactor = 50);

-- Events that could not be applied, with all that is needed to apply them later.
CREATE TABLE IF NOT EXISTS {schema}.rejected (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text NOT NULL, cluster_id text NOT NULL, topic text NOT NULL, topic_id text NOT NULL,
    "partition" integer NOT NULL, "offset" bigint NOT NULL, table_schema text NOT NULL, table_name text NOT NULL,
    key bytea, raw_key bytea, raw_value bytea, headers jsonb NOT NULL, event_ms bigint,
    stage text NOT NULL, error_class text NOT NULL, error_message text NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'superseded', 'replayed', 'discarded')),
    rejected_at timestamptz NOT NULL DEFAULT now(), resolved_at timestamptz,
    UNIQUE (pipeline, cluster_id, topic, topic_id, "partition", "offset")
);
CREATE INDEX IF NOT EXISTS rejected_open ON {schema}.rejected (pipeline, topic, key) WHERE status = 'open';

-- Dead letters on their way to Kafka. sequence is given by the relay; see outbox.py.
CREATE TABLE IF NOT EXISTS {schema}.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text NOT NULL, topic text NOT NULL, key bytea, value bytea NOT NULL, headers jsonb NOT NULL, sequence bigint
);
CREATE INDEX IF NOT EXISTS outbox_by_sequence ON {schema}.outbox (pipeline, topic, sequence);
CREATE TABLE IF NOT EXISTS {schema}.relay (
    pipeline text NOT NULL, topic text NOT NULL, next_sequence bigint NOT NULL, delivered bigint NOT NULL,
    ends jsonb NOT NULL DEFAULT '{{}}', PRIMARY KEY (pipeline, topic)
);

-- Tables that this pipeline writes: tells a table that was dropped from one that never was, and who writes it.
CREATE TABLE IF NOT EXISTS {schema}.tables (
    pipeline text NOT NULL, table_schema text NOT NULL, table_name text NOT NULL, topic text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (pipeline, table_schema, table_name)
);
"""


class Control:
    """Names the control schema's tables in statements."""

    def __init__(self, schema: str) -> None:
        self._schema = sql.Identifier(schema)
        self.schema = schema

    def statement(self, text: str) -> bytes:
        """``text`` with ``{schema}`` filled in. ``%`` place-holders stay. ``text`` is a constant of this package."""
        return sql.SQL(text).format(schema=self._schema).as_bytes(None)

    def install(self, connection: Connection) -> None:
        """Create what is missing. Workers that start together wait for each other."""
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{APPLICATION}:{self.schema}"])
            if self._installed(connection):
                return
            create_schema(connection, self.schema)
            for definition in (_DEFINITION, DLQ_TABLES, ADMIN_TABLES, EVOLUTION_TABLES, CELL_TABLES):
                connection.execute(self.statement(definition))
            connection.execute(self.statement("DELETE FROM {schema}.version"))
            connection.execute(self.statement("INSERT INTO {schema}.version VALUES (%s)"), [VERSION])

    def _installed(self, connection: Connection) -> bool:
        found = connection.execute("SELECT to_regclass(%s)", [f'"{self.schema.replace(chr(34), chr(34) * 2)}".version'])
        row = found.fetchone()
        if row is None or row[0] is None:
            return False
        return (
            connection.execute(self.statement("SELECT FROM {schema}.version WHERE version >= %s"), [VERSION]).fetchone()
            is not None
        )


def create_schema(connection: Connection, name: str) -> None:
    """Create a schema that is missing. PostgreSQL wants the right to create schemas even where IF NOT EXISTS finds one."""
    if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))


def connect(settings: PostgresSettings, purpose: str, pipeline: str) -> Connection:
    """A session in autocommit, UTC, that takes writes. The password is read anew each time: it may have been rotated."""
    files: dict[str, Any] = {"sslrootcert": settings.ca_file, "sslcert": settings.certificate_file, "sslkey": settings.key_file}
    session = {
        "statement_timeout": f"{settings.statement_timeout_seconds}s",
        "lock_timeout": f"{int(settings.lock_timeout_seconds * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{2 * settings.zombie_seconds}s",
        "synchronous_commit": settings.synchronous_commit,
        # Unknown lengths of arrays plan as index lookups, which is what deletes and offsets want; and planning is saved.
        "plan_cache_mode": "force_generic_plan", "temp_buffers": "32MB", "TimeZone": "UTC", "client_encoding": "UTF8",
        "standard_conforming_strings": "on", "DateStyle": "ISO", "IntervalStyle": "postgres",
    }  # fmt: skip
    optional: dict[str, Any] = {name: str(path) for name, path in files.items() if path is not None}
    connected = partial(
        psycopg.connect,
        host=settings.host, port=settings.port, dbname=settings.database, user=settings.user,
        sslmode=settings.sslmode, target_session_attrs="read-write",
        connect_timeout=settings.connect_timeout_seconds, application_name=application_name(pipeline, purpose),
        options=" ".join(f"-c {name}={value}" for name, value in session.items()), autocommit=True, prepare_threshold=None,
        **_KEEPALIVE, **optional,
    )  # fmt: skip
    *others, last = passwords(settings.password_file)
    for password in others:
        try:
            return connected(password=password)
        except psycopg.OperationalError as error:
            if error.pgconn is None or not error.pgconn.used_password:
                raise
    return connected(password=last)


def passwords(file: Path | None) -> list[str | None]:
    """The password in ``file``; while it is rotated also those in ``<file>.next`` and ``<file>.previous``, where they are."""
    beside = [] if file is None else [path for end in ("next", "previous") if (path := Path(f"{file}.{end}")).is_file()]
    return [read_secret(file), *(read_secret(path) for path in beside)]


def application_name(pipeline: str, purpose: str) -> str:
    """``sink-worker/PIPELINE/PURPOSE``, cut to what PostgreSQL keeps, so that sessions can be found by it."""
    return f"{APPLICATION}/{pipeline[:40]}/{purpose}"[:63]
