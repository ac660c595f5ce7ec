"""What the user writes about the merging of Cassandra's changes (requirement B5)."""

from collections.abc import Mapping
from typing import Literal

from components.core.errors import Problem
from components.core.model import SecretReference, SpecModel, TableName, setting
from components.core.paths import format_step
from components.core.quantities import Duration
from components.pipelines.personal import PersonalDataSpec

OnAmbiguous = Literal["reread", "audit", "refuse"]
_DAY = 86_400_000
_MASKED_AS_TEXT = frozenset({"ascii", "text", "varchar", "tinyint", "smallint", "int", "bigint", "boolean", "uuid", "timeuuid"})
_WHOLE = ("redact", "clear")
"""Rules for values of every type."""


class CassandraTableSpec(SpecModel):
    """One table of a Cassandra source."""

    columns: Mapping[str, str] = setting(
        dict,
        help="CQL types of columns that events cannot tell, as DESCRIBE TABLE prints them: frozen<list<int>>, inet, time, "
        "counter, text static.",
        becomes="cassandra.tables.<table>.columns of the sink worker",
    )
    ambiguous: OnAmbiguous | None = setting(
        None, help="For this table, when not as for the others.", becomes="cassandra.tables.<table>.on_ambiguous"
    )


class CassandraMergeSpec(SpecModel):
    """How the changes of a Cassandra source become rows."""

    ambiguous: OnAmbiguous = setting(
        "refuse",
        help="Events that cannot tell what the row holds (collections that are not frozen, static columns): read the row again "
        "from Cassandra, list it and leave the column alone, or refuse the event.",
        becomes="cassandra.on_ambiguous of the sink worker",
    )
    horizon: Duration = setting(
        10 * _DAY,
        help="How long deletions are remembered; longer than the longest replay and the topics' retention is safe.",
        becomes="cassandra.horizon_hours of the sink worker",
    )
    ca: SecretReference | None = setting(
        None,
        help="Reference to what signs Cassandra's certificate, PEM, where rows are read again over TLS.",
        becomes="cassandra.reread.ca_file of the sink worker",
    )
    tables: Mapping[TableName, CassandraTableSpec] = setting(
        dict, help="Single tables.", becomes="cassandra.tables of the sink worker"
    )

    @property
    def rereads(self) -> bool:
        """Whether a worker reads from Cassandra."""
        return "reread" in {self.ambiguous, *(table.ambiguous for table in self.tables.values())}

    def mask_problems(self, personal: Mapping[str, PersonalDataSpec]) -> list[Problem]:
        """Masks that a table of Cassandra's cannot have: of parts of a column, and of values that are no text."""
        found = []
        for table, data in sorted(personal.items()):
            types = self.tables[table].columns if table in self.tables else {}
            for column, mask in sorted(data.columns.items()):
                path = f"personalData{format_step(table)}.columns{format_step(column)}"
                kind = types.get(column, "text").lower().removesuffix(" static").strip()
                if any(sign in column for sign in ".[<"):
                    said = "names a part of a column; fields of types and elements of collections cannot be masked alone"
                    found.append(Problem(path, said, "name the whole column, and redact it"))
                elif mask.rule not in _WHOLE and kind not in _MASKED_AS_TEXT:
                    said = f"is {kind}, and only text, integers, booleans and UUIDs can be hashed, tokenized or shown in part"
                    found.append(Problem(path, said, "write redact, which leaves NULL"))
        return found
