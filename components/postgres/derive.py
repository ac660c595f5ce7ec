"""Where each pipeline's rows go, and from that what PostgreSQL must have: databases, schemas, roles and grants. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core.secrets import SecretFile, referenced
from components.kafka.derive import pipeline_user
from components.pipelines.spec import PipelineSpec
from components.postgres.sql import fitted
from components.postgres.state import UNLIMITED, Database, PostgresState, Role, Schema

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec
    from components.postgres.spec import PostgresSpec

NAME = "postgres"
ACCESS = "postgres-access"
ORIGIN = "postgres"
PORT = 5432
PODS = {"cnpg.io/cluster": NAME}
"""CloudNativePG's label of the servers' pods."""

ADMINISTRATOR = "cdc_admin"
"""Makes roles, databases and grants. On docker the server's super user; on Kubernetes it may make roles and databases."""

MONITOR = "cdc_monitor"
MONITOR_CONNECTIONS = 5
CA_FILE = "postgres-ca.pem"
DEFAULT_USER, DEFAULT_HOST = "cdc_sink", "postgres"
"""Where rows go and as whom, where neither the pipeline nor ``postgres`` says so."""

CONTROL_SCHEMA = "cdc_sink"
_WITHOUT_WORKERS = 20
"""B12's largest pool, for a sink that the environment does not run itself."""

_WORKER_THREADS = 3
"""Of each process of a worker, besides its writers: one claims partitions, one relays dead letters, one tends to schemas."""

_TOOLS = 3
"""Connections for people who inspect or replay, and for a check."""

_JDBC_POOL = 32
"""``connection.pool.max_size`` of Debezium's JDBC sink, for each task."""

_MINUTE = "60s"
SINK_SETTINGS = {
    "idle_in_transaction_session_timeout": "5min",
    "lock_timeout": _MINUTE,
    "statement_timeout": "10min",
}
"""Bounds on what a session of a sink may hold up. The worker sets shorter ones of its own."""

READER_SETTINGS = {
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": _MINUTE,
    "lock_timeout": "5s",
    "statement_timeout": "5min",
}
"""A long read keeps rows from being cleaned away, and a lock waited for keeps a column from being added."""

MONITOR_SETTINGS = {"default_transaction_read_only": "on", "lock_timeout": "5s", "statement_timeout": "30s"}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one pipeline's rows go, every default resolved. ``declared``: to the environment's own ``postgres``, over TLS when
    ``tls``. ``password`` is ``None`` where nobody says it, and for one that enters with a ``certificate``."""

    host: str
    port: int
    database: str
    schema: str
    user: str
    control_schema: str
    declared: bool = False
    tls: bool = True
    password: SecretFile | None = None
    certificate: tuple[SecretFile, ...] = ()


def password_file(role: str) -> str:
    """The name of a role's password in a folder of secrets."""
    return f"{role}.password"


def server(environment: "EnvironmentSpec", spec: "PostgresSpec") -> tuple[str, int]:
    """Host and port of the declared server: the existing one, the container, or the Service of the one that takes writes."""
    if spec.external is not None:
        return spec.external.host, spec.external.port
    if environment.target == "docker":
        return NAME, PORT
    return f"{NAME}-rw.{environment.context.namespace}.svc", PORT


def authority(environment: "EnvironmentSpec", spec: "PostgresSpec") -> SecretFile:
    """The file of what signs the server's certificate. CloudNativePG keeps its own beside the cluster."""
    reference = spec.external.ca if spec.external is not None else spec.tls.ca
    return referenced(reference, CA_FILE, "postgres-ca")


def destination(environment: "EnvironmentSpec", pipeline: PipelineSpec, password: str = "postgres.password") -> Destination:  # noqa: S107
    """Of one pipeline. A sink that names no server, or just the declared one, goes to the declared one; then its role bears the
    name of its Kafka user, and its offsets are in a schema that no other pipeline writes. ``password`` names its file."""
    target, spec = pipeline.sink.postgres, environment.postgres
    fallback = f"{pipeline.name}-sink-database"
    given = None if target.password is None else referenced(target.password, password, fallback)
    declared = spec is not None and (target.host is None or (target.host, target.port or PORT) == server(environment, spec))
    if spec is None or not declared:
        return Destination(
            host=target.host or DEFAULT_HOST,
            port=target.port or PORT,
            database=target.database,
            schema=target.schema_name,
            user=target.user or DEFAULT_USER,
            control_schema=CONTROL_SCHEMA,
            password=given,
        )
    host, port = server(environment, spec)
    user = target.user or fitted(pipeline_user(pipeline, "sink"))
    by_certificate = spec.sink_authentication == "certificate" and pipeline.sink.via == "sink-worker"
    own = given or SecretFile(password, fallback, "password")
    return Destination(
        host=host,
        port=port,
        database=target.database,
        schema=target.schema_name,
        user=user,
        control_schema=fitted(f"cdc_{user}"),
        declared=True,
        tls=spec.encrypted,
        password=None if by_certificate else own,
        certificate=_client_certificate(fallback) if by_certificate else (),
    )


def _client_certificate(secret: str) -> tuple[SecretFile, ...]:
    return (
        SecretFile("postgres-client.pem", secret, "tls.crt"),
        SecretFile("postgres-client.key", secret, "tls.key"),
    )


def written(environment: "EnvironmentSpec") -> Iterator[tuple[int, PipelineSpec, Destination]]:
    """Pipelines that some program writes into the declared server, with their places."""
    for index, pipeline in enumerate(environment.pipelines):
        if pipeline.source.chosen is None:
            continue
        found = destination(environment, pipeline)
        if found.declared:
            yield index, pipeline, found


def connections(environment: "EnvironmentSpec", pipeline: PipelineSpec) -> int:
    """The most that a pipeline's sink opens: every worker that may run, one more while they are rolled out, and tools."""
    if pipeline.sink.via == "jdbc":
        return pipeline.sink.tasks * _JDBC_POOL
    sink = environment.sink
    if sink is None:
        return _WITHOUT_WORKERS
    workers = sink.replicas if sink.autoscaling is None else max(sink.replicas, sink.autoscaling.most)
    return (workers + 1) * sink.processes * (sink.writers + _WORKER_THREADS) + _TOOLS + sink.more_connections


def owner_role(database: str, schema: str) -> str:
    """Owns a schema, and never logs in."""
    return fitted(f"{database}.{schema}.owner")


def reader_role(database: str, schema: str) -> str:
    """Reads all that is written into a schema, and never logs in."""
    return fitted(f"{database}.{schema}.reader")


def postgres_state(environment: "EnvironmentSpec") -> PostgresState:
    """All of it; nothing where no ``postgres`` is declared."""
    spec = environment.postgres
    if spec is None:
        return PostgresState()
    found = list(written(environment))
    places = sorted({(one.database, one.schema) for _, _, one in found})
    schemas = [
        Schema(
            database,
            schema,
            owner_role(database, schema),
            tuple(sorted({one.user for _, _, one in found if (one.database, one.schema) == (database, schema)})),
            reader_role(database, schema),
        )
        for database, schema in places
    ]
    own = sorted({(one.database, one.control_schema, one.user) for _, _, one in found if one.control_schema != one.schema})
    schemas += [Schema(database, schema, owner_role(database, schema), (user,)) for database, schema, user in own]
    return PostgresState(
        roles=tuple(_roles(environment, spec, schemas)),
        databases=tuple(_databases(schemas)),
        schemas=tuple(schemas),
        closed=spec.external is None or not spec.external.shared,
    )


def _roles(environment: "EnvironmentSpec", spec: "PostgresSpec", schemas: list[Schema]) -> Iterator[Role]:
    for schema in schemas:
        if schema.name != "public":
            yield Role(schema.owner, ORIGIN, administered=True)
        if schema.reader is not None:
            yield Role(schema.reader, ORIGIN)
    yield from _sinks(environment)
    for index, reader in enumerate(spec.readers):
        groups = tuple(sorted(reader_role(*place.split(".", 1)) for place in reader.schemas))
        yield Role(
            reader.name,
            f"postgres.readers[{index}]",
            login=True,
            connections=reader.connections,
            settings=READER_SETTINGS,
            member_of=groups,
            password=referenced(reader.password, password_file(reader.name), "postgres-readers"),
        )
    if environment.target == "docker" or spec.external is not None:
        yield monitor(spec)


def monitor(spec: "PostgresSpec") -> Role:
    """Sees the server's figures and none of its rows. Only a super user can make it: on Kubernetes the operator."""
    password = referenced(spec.monitor_password, password_file(MONITOR), "postgres-monitor")
    return Role(
        MONITOR,
        "postgres.monitorPassword",
        login=True,
        connections=MONITOR_CONNECTIONS,
        settings=MONITOR_SETTINGS,
        member_of=("pg_monitor",),
        password=password,
    )


def _sinks(environment: "EnvironmentSpec") -> Iterator[Role]:
    """One for each name: pipelines that share one share its connections too."""
    budgets: dict[str, int] = {}
    first: dict[str, tuple[int, Destination]] = {}
    for index, pipeline, found in written(environment):
        budgets[found.user] = budgets.get(found.user, 0) + connections(environment, pipeline)
        first.setdefault(found.user, (index, found))
    for user, (index, found) in sorted(first.items()):
        own = found.password
        yield Role(
            user,
            f"pipelines[{index}].sink.postgres",
            login=True,
            connections=budgets[user],
            settings=SINK_SETTINGS,
            password=None if own is None else SecretFile(password_file(user), own.secret, own.key, own.vault),
            certificate=bool(found.certificate),
            administered=True,
        )


def _databases(schemas: list[Schema]) -> Iterator[Database]:
    for name in sorted({schema.database for schema in schemas}):
        inside = [schema for schema in schemas if schema.database == name]
        writers = sorted({role for schema in inside for role in schema.writers})
        readers = sorted({schema.reader for schema in inside if schema.reader is not None})
        yield Database(name, tuple(writers), (*readers, MONITOR))


def budget(environment: "EnvironmentSpec") -> int:
    """The most connections that all the roles may have together."""
    return sum(role.connections for role in postgres_state(environment).roles if role.login and role.connections != UNLIMITED)
