"""Settings of the admin API."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from sink_worker.section import Names, Port, Section, as_list


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"  # state, and what of dead letters has no values of rows
    OPERATOR = "operator"  # pause, resume, replay, and the sheets of corrections
    ADMIN = "admin"  # what cannot be taken back: archive, schema reviews; and the audit log

    def may(self, needed: "Role") -> bool:
        """Whether this role is enough."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class AdminTlsSettings(Section):
    """Both files make the API speak TLS; a client CA makes it know clients by their certificates."""

    certificate_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    subjects: dict[str, Role] = Field(default_factory=dict)
    """A client certificate's whole subject, as ``CN=alice`` or ``O=shop,CN=alice`` in the certificate's order → role."""


class AdminSettings(Section):
    """Without ``tls.client_ca_file`` or ``tokens_file`` the API does not start."""

    host: str = "127.0.0.1"
    """Anything but a loopback address needs ``tls``."""
    port: Port = 8443
    tls: AdminTlsSettings | None = None
    tokens_file: Path | None = None
    """JSON: ``[{"name": …, "role": …, "sha256": …, "expires": …}]``, as ``sink-worker admin token`` prints it. No tokens
    themselves. Read anew for each request, so that a rotation needs no restart."""
    audit_file: Path | None = None
    """Each call as a JSON line, beside the table in the control schema and the log."""
    workers: Names = Field(default_factory=list)
    """``host:port`` of the workers' probes; each of a name's addresses is asked for its partitions and its breaker."""
    requests_per_minute: PositiveInt = 120
    """Of one client."""
    import_max_bytes: Annotated[int, Field(ge=1024, le=256 * 1024 * 1024)] = 8 * 1024 * 1024
    """A larger sheet is refused unread."""
    sessions: PositiveInt = 2
    """With PostgreSQL at a time, so that many requests take no connections away from the workers."""
    most_imports: PositiveInt = 1
    """Sheets and replays that are worked on at a time."""
    ask_seconds: PositiveFloat = 2.0
    """How long a worker may take to answer."""

    _split = field_validator("workers", mode="before")(as_list)
