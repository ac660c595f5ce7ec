"""Columns as a source wants them and as a table has them, and the differences between the two."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column that events bring. ``required``: the source demands NOT NULL of it, in a table that has no such rule yet."""

    name: str
    pg_type: str
    key: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """A column as the catalog has it. ``required``: NOT NULL, without default and not generated: an INSERT must bring it."""

    name: str
    pg_type: str
    required: bool = False
    generated: bool = False
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class TableState:
    """A table. ``keys``: the columns of each unique index that an upsert can name. ``changeable``: it takes ALTER TABLE."""

    columns: Mapping[str, Present]
    keys: tuple[frozenset[str], ...] = ()
    primary_key: str | None = None
    """The constraint's name."""
    changeable: bool = True


class Kind(StrEnum):
    """What makes a change a breaking one."""

    TYPE = "type"  # no lossless way from the present type to the wanted one
    KEY = "key"
    DROPPED = "dropped"  # or renamed: the source no longer sends a column
    NOT_NULL = "not_null"  # a rule that rows of the other side do not keep
    REWRITE = "rewrite"  # lossless, but the table is too large to be rewritten under a lock unasked
    REFUSED = "refused"  # additive, but the settings or the kind of relation do not let the table be changed
    GENERATED = "generated"  # PostgreSQL computes what the events bring


@dataclass(frozen=True, slots=True)
class Widening:
    """A column's type grows to one that holds every value of both sides."""

    column: str
    old: str
    new: str
    rewrites: bool


@dataclass(frozen=True, slots=True)
class Breaking:
    """One change that a person has to judge.

    ``blocks``: rows cannot be written without its column either. ``new`` is the type that the column would get; for a key, the
    columns of the new one.
    """

    kind: Kind
    column: str
    old: str
    new: str
    detail: str
    blocks: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the control schema, the audit topic and ``--json``."""
        return {"kind": str(self.kind), "column": self.column, "old": self.old, "new": self.new, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be done without a person."""

    add: bool = True
    widen: bool = True
    coerce: bool = False
    """Values may be rounded: a type that takes them with a loss is no difference."""
    rewrite: bool = True
    """Whether the table is small enough for a widening that rewrites it."""
    cells: bool = False
    """Events bring cells, which are read back and compared: a column has their type, or one that numbers are lifted to, and a
    key its own. What is remembered of rows that are gone has the key's bytes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Nothing in it: the table takes the events as they are."""

    adds: tuple[Wanted, ...] = ()
    widenings: tuple[Widening, ...] = ()
    breaking: tuple[Breaking, ...] = field(default=())

    @property
    def additive(self) -> bool:
        """Whether there is something to apply."""
        return bool(self.adds or self.widenings)
