"""What keeps PostgreSQL equal to its sources is there, is there twice, and is not listened to (requirements A1, A17, B12)."""

from collections.abc import Iterator

from components.core.paths import format_step
from components.sink.derive import pipelines
from policies.model import ADVICE, OUTSIDE_DEVELOPMENT, PRODUCTION, SHARED, Rule, Subject, Violation

_LEAST = 2


def _replicas(subject: Subject) -> Iterator[Violation]:
    sink = subject.spec.sink
    if sink is not None and sink.replicas < _LEAST:
        yield Violation("sink.replicas", f"{sink.replicas} worker is none while it restarts")


def _encryption(subject: Subject) -> Iterator[Violation]:
    sink = subject.spec.sink
    if sink is not None and sink.postgres_tls in {"disable", "require"}:
        yield Violation("sink.postgresTls", f"{sink.postgres_tls} does not tell PostgreSQL from somebody who says so")


def _written(subject: Subject) -> Iterator[Violation]:
    if subject.spec.sink is None:
        for index, pipeline in pipelines(subject.spec):
            yield Violation(f"pipelines[{index}].sink", f"nothing that is deployed writes the rows of pipeline {pipeline.name}")


def _coercion(subject: Subject) -> Iterator[Violation]:
    sink = subject.spec.sink
    if sink is not None and sink.settings.on_mismatch == "coerce":
        yield Violation("sink.settings.onMismatch", "values are rounded to fit their columns, and nobody is told")


def _admin_clients(subject: Subject) -> Iterator[Violation]:
    sink = subject.spec.sink
    if sink is None or sink.admin is None:
        return
    if not sink.admin.clients:
        yield Violation("sink.admin.clients", "no client is known by a certificate")
    if sink.admin.tokens is not None:
        yield Violation("sink.admin.tokens", "whoever copies a token is its owner; a certificate's key stays where it is")


def _skipped(subject: Subject) -> Iterator[Violation]:
    for index, pipeline in enumerate(subject.spec.pipelines):
        changes, where = pipeline.schema_changes, f"pipelines[{index}].schemaChanges"
        said = [(where, changes), *((f"{where}.tables{format_step(table)}", rule) for table, rule in changes.tables.items())]
        for place, rule in said:
            for field in ("breaking", "dropped"):
                if getattr(rule, field) == "log_and_skip":
                    yield Violation(f"{place}.{field}", "rows of a new schema are dropped, and nobody can bring them back")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "sink-replicas",
        "Every pipeline has two sink workers or more",
        "While the only one restarts or moves, PostgreSQL falls behind.",
        "Leave sink.replicas at 2, or write more.",
        "Requirement B12: graceful shutdown and probes",
        OUTSIDE_DEVELOPMENT,
        _replicas,
    ),
    Rule(
        "sink-postgres-encryption",
        "Sink workers check who PostgreSQL is",
        "Rows and passwords cross the network there.",
        "Leave sink.postgresTls at verify-full.",
        "Requirement A17: TLS everywhere; PostgreSQL documentation, libpq SSL support",
        OUTSIDE_DEVELOPMENT,
        _encryption,
    ),
    Rule(
        "sink-exists",
        "Every pipeline's rows are written by something that is deployed",
        "Changes that nobody writes expire in Kafka.",
        "Declare sink, or set the pipeline's sink.via to jdbc.",
        "Requirement A1",
        ADVICE,
        _written,
    ),
    Rule(
        "sink-admin-mutual-tls",
        "The admin API knows its clients by certificate alone",
        "It pauses tables, changes them and rewrites rows; a token that leaks does so from anywhere in the cluster.",
        "Name subjects under sink.admin.clients, and leave sink.admin.tokens out.",
        "Requirements A17: client auth required; B12: audit log",
        PRODUCTION,
        _admin_clients,
    ),
    Rule(
        "sink-schema-changes-kept",
        "No row is dropped for its schema",
        "The offset moves past what is skipped: only a new snapshot of the table brings it back.",
        "Set schemaChanges to queue or stop, and review the change with sink-worker schema review.",
        "Requirements A1: the target equals the source; B6: breaking changes are reviewed",
        PRODUCTION,
        _skipped,
    ),
    Rule(
        "sink-lossless",
        "No value is rounded silently",
        "A target that differs from its source by rounding is not equal to it, and no check finds out later.",
        "Leave sink.settings.onMismatch at halt, or set reject.",
        "Requirement A1: the target equals the source",
        SHARED,
        _coercion,
    ),
)
