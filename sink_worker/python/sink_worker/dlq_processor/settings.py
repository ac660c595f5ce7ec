"""Settings of the DLQ processor."""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from sink_worker.section import Names, Port, Section, as_list


class DlqProcessorSettings(Section):
    """What becomes of refused events. Classes are patterns over error classes, such as ``UnknownSchema`` or ``*:23503``;
    what is named here wins over what the processor knows itself."""

    transient: Names = Field(default_factory=list)
    """More error classes whose events are tried again on the schedule below."""
    validation: Names = Field(default_factory=list)
    """More error classes whose events wait for a correction by hand."""
    permanent: Names = Field(default_factory=list)
    """More error classes whose events are archived."""
    first_seconds: PositiveFloat = 60.0
    """From the refusal to the first new try; each further wait is twice as long."""
    longest_seconds: PositiveFloat = 3600.0
    attempts: PositiveInt = 12
    """New tries of a transient event. After the last it is archived."""
    retention_days: PositiveInt = 90
    """How long what was archived, and the notes of what was resolved, are kept."""
    poll_seconds: PositiveFloat = 5.0
    read_topic: bool = True
    """Take up records of the topic of dead letters that this pipeline's control schema does not know."""
    host: str = "127.0.0.1"
    """Where ``dlq run`` tells its health and metrics."""
    port: Port = 8001
    page: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Events of one turn, of each kind."""

    _split = field_validator("transient", "validation", "permanent", mode="before")(as_list)
