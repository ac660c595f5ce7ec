"""What may happen when a source's schema changes."""

import re
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, field_validator

from sink_worker.section import Section

MIB = 1024 * 1024
Behaviour = Literal["audit", "queue", "log_and_skip", "stop"]


class EvolutionRule(Section):
    """What holds for some tables, in place of the general settings. The first rule that matches wins."""

    tables: str
    """A regular expression over the whole ``schema.table``."""
    breaking: Behaviour | None = None
    dropped: Behaviour | None = None
    widen: bool | None = None
    rewrite_max_bytes: Annotated[int, Field(ge=0)] | None = None

    @field_validator("tables")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression ({error})") from None
        return value


class IndexSettings(Section):
    """An index that a table is to have; built by CREATE INDEX CONCURRENTLY once the table is there."""

    table: str
    """``schema.table``."""
    columns: Annotated[list[str], Field(min_length=1)]
    method: Literal["btree", "hash", "gin", "gist", "brin"] = "btree"


class EvolutionSettings(Section):
    """Changes of a source's schema. Additive ones are applied (``tables.evolve``), breaking ones wait for a person."""

    widen: bool = True
    """Types grow where the source's did and no value is lost: int to bigint, varchar(40) to varchar(80), real to double."""
    rewrite_max_bytes: Annotated[int, Field(ge=0)] = 128 * MIB
    """A widening that writes the whole table anew, under a lock that keeps readers out, is applied up to this size of it with
    its indexes. Above, it has to be reviewed."""
    breaking: Behaviour | None = None
    """What becomes of events of a schema that their table does not take, until its review. ``audit``: what fits is written,
    the rest left out. ``queue``: they wait among the refused events. ``log_and_skip``: they are dropped. ``stop``: the topic
    waits, the others go on. Left out: as ``tables.on_mismatch`` says, ``halt`` stops and ``reject`` queues."""
    dropped: Behaviour = "audit"
    """The same where the source no longer sends a column, which the table keeps with the values that it has."""
    rules: tuple[EvolutionRule, ...] = ()
    indexes: tuple[IndexSettings, ...] = ()
    audit_topic: str | None = None
    """Topic of what was applied, found and decided, as JSON; at least once, each with an id. None: the control schema alone."""
    cache_seconds: PositiveFloat = 60.0
    """How long a table's shape is taken to be what it was."""
    poll_seconds: PositiveFloat = 5.0
    """How often indexes and audit records are looked after."""
    lock_attempts: Annotated[int, Field(ge=1)] = 10
    """How often an approved change asks for the table's lock, ``postgres.ddl_lock_timeout_seconds`` each time."""

    def of_table(self, label: str) -> "EvolutionSettings":
        """With what the first matching rule says of ``schema.table``."""
        for rule in self.rules:
            if re.fullmatch(rule.tables, label):
                said = {name: value for name in ("breaking", "dropped", "widen", "rewrite_max_bytes")
                        if (value := getattr(rule, name)) is not None}  # fmt: skip
                return self.model_copy(update=said)
        return self
