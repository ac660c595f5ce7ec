"""What can be set for tables of Cassandra.

An event cannot tell everything that a merge needs: whether a collection is frozen, that a long is a ``time`` or a text an
``inet``. The columns' CQL types say it, as ``DESCRIBE TABLE`` prints them (with ``static`` and ``counter`` where they are).
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from sink_worker.cassandra.cql import CqlType, parse_cql
from sink_worker.section import Names, Port, Section, as_list

OnAmbiguous = Literal["reread", "audit", "refuse"]


class CassandraTableSettings(Section):
    """One table, by ``keyspace.table``."""

    columns: dict[str, str] = {}
    """CQL types by column: ``frozen<list<int>>``, ``inet``, ``time``, ``counter``, ``text static``. A column that is not named
    has the type that its events' schema or the table in PostgreSQL says; a collection not named counts as not frozen."""
    on_ambiguous: OnAmbiguous | None = None
    """For this table instead of ``cassandra.on_ambiguous``."""

    @field_validator("columns")
    @classmethod
    def _is_cql(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            try:
                parse_cql(text)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return value

    def types(self) -> dict[str, CqlType]:
        """The columns' types, parsed."""
        return {name: parse_cql(text) for name, text in self.columns.items()}


class RereadSettings(Section):
    """How rows are read from Cassandra where an event cannot tell them (``on_ambiguous: reread``)."""

    hosts: Names = []
    """Contact points."""
    port: Port = 9042
    datacenter: str | None = None
    """The local data centre; None: the first contact point's."""
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    consistency: Literal["ONE", "QUORUM", "LOCAL_QUORUM", "ALL"] = "LOCAL_QUORUM"
    batch_keys: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Rows read at a time."""
    rows_per_second: PositiveFloat = 2000.0
    """At most, of one process."""
    timeout_seconds: PositiveFloat = 10.0

    _split = field_validator("hosts", mode="before")(as_list)


class CassandraSettings(Section):
    """Topics of Debezium's connector for Cassandra; the others' events have rows, these have cells."""

    topics: Names = []
    """Topic names whose events come from Cassandra; an entry that begins with ``^`` is a regular expression. The routing of
    topics to tables is the others' (``prefix.keyspace.table``)."""
    sources: dict[str, str] = {}
    """``keyspace.table`` by topic, of topics whose names do not end in ``.keyspace.table``."""
    tables: dict[str, CassandraTableSettings] = {}
    """By ``keyspace.table``."""
    on_ambiguous: OnAmbiguous = "refuse"
    """Events that touch what they cannot tell (collections that are not frozen, static columns): read the row again from
    Cassandra, list the row and leave the column alone, or refuse the event."""
    decimal_handling_mode: Literal["precise", "string"] = "string"
    """As the connector's ``decimal.handling.mode``. Its default ``double`` loses digits and is refused."""
    varint_handling_mode: Literal["precise", "string"] = "string"
    """As the connector's ``varint.handling.mode``. Its default ``long`` loses digits and is refused."""
    future_report_seconds: PositiveFloat = 5.0
    """Timestamps that are further ahead of this worker's clock are counted and listed in the audit table."""
    future_refuse_seconds: PositiveFloat = 3600.0
    """Those still further ahead are refused: they would win over every later write until then."""
    horizon_hours: PositiveFloat = 240.0
    """How long deletions are remembered (like ``gc_grace_seconds``, ten days). An event that is late by more can bring a
    deleted row back: longer than the longest replay, and than the topics' retention, is safe."""
    sweep_seconds: PositiveFloat = 5.0
    """How often expired cells are removed, and deletions beyond the horizon forgotten."""
    sweep_rows: PositiveInt = 200
    """Rows of one sweep's transaction. Smaller, when one took too long."""
    gin_indexes: bool = True
    """A GIN index on each map's jsonb column, built beside the rows."""
    reread: RereadSettings = RereadSettings()

    _split = field_validator("topics", mode="before")(as_list)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.future_refuse_seconds < self.future_report_seconds:
            raise ValueError("future_refuse_seconds is below future_report_seconds: what is refused is always reported")
        wanted = [self.on_ambiguous, *(table.on_ambiguous for table in self.tables.values())]
        if "reread" in wanted and not self.reread.hosts:
            raise ValueError("on_ambiguous is reread, and reread.hosts names no contact point of Cassandra")
        return self

    def mode_of(self, table: str) -> OnAmbiguous:
        """What to do with ambiguous events of ``keyspace.table``."""
        found = self.tables.get(table)
        return (found.on_ambiguous if found else None) or self.on_ambiguous
