"""What keeps PostgreSQL equal to its sources is there, is there twice, and is not listened to (requirements A1, A17, B12)."""

from collections.abc import Iterator

from components.sink.derive import pipelines
from policies.model import ADVICE, OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation

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
    """Cassandra's pipelines are left out: the worker does not read their events yet."""
    if subject.spec.sink is None:
        for index, pipeline in pipelines(subject.spec):
            yield Violation(f"pipelines[{index}].sink", f"nothing that is deployed writes the rows of pipeline {pipeline.name}")


def _coercion(subject: Subject) -> Iterator[Violation]:
    sink = subject.spec.sink
    if sink is not None and sink.settings.on_mismatch == "coerce":
        yield Violation("sink.settings.onMismatch", "values are rounded to fit their columns, and nobody is told")


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
        "sink-lossless",
        "No value is rounded silently",
        "A target that differs from its source by rounding is not equal to it, and no check finds out later.",
        "Leave sink.settings.onMismatch at halt, or set reject.",
        "Requirement A1: the target equals the source",
        SHARED,
        _coercion,
    ),
)
