"""What the user writes about changes of a source's schema (requirement B6, section 6)."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from components.core.model import SpecModel, setting
from components.core.quantities import ByteSize

Behaviour = Literal["audit", "queue", "log_and_skip", "stop"]
_MIB = 1 << 20
_HELP = (
    "audit: what fits is written and the rest left out. queue: they wait, and are released in order. log_and_skip: they are "
    "dropped. stop: the table's topic waits, the others go on."
)


class TableSchemaChangesSpec(SpecModel):
    """What holds for one table; ``queue`` is short for ``{breaking: queue}``."""

    shorthand: ClassVar[str | None] = "breaking"
    breaking: Behaviour | None = setting(None, help="As for the pipeline.", becomes="evolution.rules[].breaking")
    dropped: Behaviour | None = setting(None, help="As for the pipeline.", becomes="evolution.rules[].dropped")
    widen: bool | None = setting(None, help="As for the pipeline.", becomes="evolution.rules[].widen")


class TargetIndexSpec(SpecModel):
    """An index of a target table."""

    table: str = setting(help="The captured table, <database>.<table>.", becomes="evolution.indexes[].table", min_length=1)
    columns: tuple[str, ...] = setting(help="Its columns, in order.", becomes="evolution.indexes[].columns", min_length=1)
    method: Literal["btree", "hash", "gin", "gist", "brin"] = setting(
        "btree", help="Its kind; gin for jsonb and arrays.", becomes="evolution.indexes[].method"
    )


class SchemaChangesSpec(SpecModel):
    """New columns and types that grow without loss are applied; what becomes of the others, until somebody reviews them."""

    breaking: Behaviour | None = setting(
        None,
        help=f"Events whose columns the table does not take. {_HELP} When left out, sink.settings.onMismatch says it.",
        becomes="evolution.breaking of the sink worker",
    )
    dropped: Behaviour = setting(
        "audit",
        help="The same where the source no longer has a column; the table keeps it.",
        becomes="evolution.dropped of the sink worker",
    )
    widen: bool = setting(
        True, help="Whether types grow with the source's where no value is lost.", becomes="evolution.widen of the sink worker"
    )
    rewrite_limit: ByteSize = setting(
        128 * _MIB,
        help="A change that rewrites the table is applied up to this size of it with its indexes; above, it is reviewed.",
        becomes="evolution.rewrite_max_bytes of the sink worker",
    )
    audit: bool = setting(
        False,
        help="Whether changes and decisions are sent to a topic of their own; they are always kept in PostgreSQL.",
        becomes="topic <dlq>_schema_audit, its ACLs; evolution.audit_topic",
    )
    tables: Mapping[str, TableSchemaChangesSpec] = setting(
        dict, help="What is otherwise for single tables, by table.", becomes="evolution.rules of the sink worker"
    )
    indexes: tuple[TargetIndexSpec, ...] = setting(
        (), help="Indexes that target tables are to have, built without keeping writers out.", becomes="evolution.indexes"
    )
