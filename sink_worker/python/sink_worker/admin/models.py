"""What the admin API takes and gives. An unknown member is an error."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MOST: int = 1000
LARGEST: int = 2**53 - 1
"""Of an id: what JSON carries exactly."""


def _integral(value: object) -> object:
    """JSON knows one kind of number: 5.0 is 5, and "5" and true are none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Identity = Annotated[int, Field(ge=1, le=LARGEST), BeforeValidator(_integral)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Body(BaseModel):
    """A request's."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Reason(Body):
    """Why, for the audit and for whoever comes next."""

    reason: Text


class Approval(Body):
    """Why, perhaps."""

    note: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class Identities(Body):
    """Refused events by their ids."""

    ids: Annotated[list[Identity], Field(min_length=1, max_length=MOST)]


class ArchiveOrder(Identities):
    """What to give up, and why."""

    reason: Text


class ReplayOrder(Body):
    """Which open events to try now: by ids, by table, or as many as the limit says."""

    ids: Annotated[list[Identity], Field(min_length=1, max_length=MOST)] | None = None
    table: Text | None = None
    limit: Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_integral)] = 200
    dry_run: bool = False


class Health(BaseModel):
    """The API answers."""

    status: str


class Pause(BaseModel):
    """Why nothing is written to a table."""

    reason: str
    by: str
    since: datetime


class Table(BaseModel):
    """A table that the pipeline writes."""

    table: str
    topics: list[str]
    paused: Pause | None


class Partition(BaseModel):
    """A partition as PostgreSQL has it. ``lag`` is null where Kafka does not tell."""

    cluster_id: str
    topic: str
    topic_id: str
    partition: int
    epoch: int
    next_offset: int
    worker: str
    claimed_at: datetime
    updated_at: datetime
    lag: int | None
    lost: int


class State(BaseModel):
    """The pipeline as it stands. ``workers``: what each says of its partitions and its circuit breaker."""

    pipeline: str
    partitions: list[Partition]
    kafka_problem: str | None
    outbox: int
    paused: list[Table]
    workers: list[dict[str, Any]]


class Waiting(BaseModel):
    """Open events of one table and reason."""

    table: str
    kind: Annotated[str, Field(alias="class")]
    error_type: str
    count: int
    oldest: datetime
    attempts: int


class Summary(BaseModel):
    """All that waits, and what was put away."""

    waiting: list[Waiting]
    archived: int
    malformed: int


class DeadLetter(BaseModel):
    """A refused event, without anything of its row."""

    id: int
    topic: str
    partition: int
    offset: int
    table: str
    status: str
    error_type: str
    stage: str
    attempts: int
    next_attempt_at: datetime | None
    refused_at: datetime
    resolved_at: datetime | None
    kind: Annotated[str, Field(alias="class")]


class DeadLetterInFull(DeadLetter):
    """With what PostgreSQL or the decoder said, which may quote a value."""

    message: str


class Archived(BaseModel):
    """An event that was given up."""

    id: int
    topic: str
    partition: int
    offset: int
    table: str
    error_type: str
    attempts: int
    reason: str
    archived_by: str
    refused_at: datetime
    archived_at: datetime


class Malformed(BaseModel):
    """A record of the topic of dead letters that names no event."""

    topic: str
    partition: int
    offset: int
    problem: str
    found_at: datetime


class Imported(BaseModel):
    """How many lines came to each outcome; refused ones stay open."""

    counts: dict[str, int]
    refused: list[str]


class AuditEntry(BaseModel):
    """One entry of the audit log."""

    id: int
    at: datetime
    request_id: str
    phase: str
    principal: str
    role: str
    method: str
    client: str
    action: str
    target: str
    status: int | None
