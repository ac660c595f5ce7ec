"""What the user writes about the programs beside a pipeline's workers: the admin API and the DLQ processor."""

from collections.abc import Mapping
from typing import Literal

from components.core import tls
from components.core.errors import Problem
from components.core.model import SecretReference, SpecModel, setting
from components.core.paths import format_step
from components.core.quantities import ByteSize, Duration
from components.core.resources import ResourcesSpec

SESSIONS = 2
"""Of the admin API with PostgreSQL at a time: ``admin.sessions``."""

AdminRole = Literal["viewer", "operator", "admin"]
_MIB, _SECOND, _DAY = 1 << 20, 1000, 86_400_000


class SinkAdminSpec(SpecModel):
    """The admin API of each pipeline, in TLS and in a process of its own. Clients are known by certificate, token, or both."""

    clients: Mapping[str, AdminRole] = setting(
        dict,
        help="Whole subjects of client certificates, such as CN=alice, and their roles: viewer, operator or admin.",
        becomes="admin.tls.subjects",
    )
    client_ca: SecretReference = tls.authority(
        "sink-admin-clients",
        help="Reference to the CA that signs client certificates, PEM; read where clients are named.",
        becomes="admin.tls.client_ca_file",
    )
    tokens: SecretReference | None = setting(
        None,
        help="Reference to the list of tokens' digests, as sink-worker admin token prints them; no tokens when left out.",
        becomes="admin.tokens_file",
    )
    host_port: int | None = setting(
        None,
        help="Docker: the first pipeline's is published here on 127.0.0.1, each further one a port higher; none when left out.",
        becomes="published ports",
        ge=1024,
        le=65_000,
    )
    requests_per_minute: int = setting(
        120, help="Requests of one client in a minute.", becomes="admin.requests_per_minute", ge=1, le=100_000
    )
    largest_sheet: ByteSize = setting(8 * _MIB, help="Most bytes of a corrected sheet.", becomes="admin.import_max_bytes")
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="100m", memory="256Mi"), help="CPU and memory of each.", becomes="container resources"
    )

    def problems(self) -> list[Problem]:
        if not self.clients and self.tokens is None:
            return [Problem("clients", "nobody could be told from anybody", "name subjects of client certificates, or tokens")]
        wrong = [subject for subject in self.clients if "=" not in subject]
        return [
            Problem(f"clients{format_step(subject)}", "is no whole subject", f"write CN={subject}") for subject in sorted(wrong)
        ]


class DeadLettersSpec(SpecModel):
    """The DLQ processor of each pipeline (requirement B7)."""

    attempts: int = setting(
        12, help="New tries of an event that may be right later; then it is archived.", becomes="dlq_processor.attempts", ge=1,
        le=1000,
    )  # fmt: skip
    first_wait: Duration = setting(
        60 * _SECOND, help="From a refusal to the first new try; later waits double.", becomes="dlq_processor.first_seconds"
    )
    longest_wait: Duration = setting(3600 * _SECOND, help="The longest wait.", becomes="dlq_processor.longest_seconds")
    retention: Duration = setting(
        90 * _DAY, help="How long the archive is kept, in whole days.", becomes="dlq_processor.retention_days"
    )
    transient: tuple[str, ...] = setting(
        (), help="More error classes that are tried again, such as *:23514.", becomes="dlq_processor.transient"
    )
    validation: tuple[str, ...] = setting(
        (), help="More error classes that wait for a correction.", becomes="dlq_processor.validation"
    )
    permanent: tuple[str, ...] = setting((), help="More error classes that are archived.", becomes="dlq_processor.permanent")
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="100m", memory="256Mi"), help="CPU and memory of each.", becomes="container resources"
    )

    def problems(self) -> list[Problem]:
        found = []
        if self.longest_wait < self.first_wait:
            found.append(Problem("longestWait", "is shorter than firstWait", "write a longer one"))
        if self.retention < _DAY or self.retention % _DAY:
            found.append(Problem("retention", "is no number of whole days", "write 1d or more"))
        return found
