"""What the user writes about the merging of Cassandra's changes (requirement B5)."""

from collections.abc import Mapping
from typing import Literal

from components.core.model import SecretReference, SpecModel, TableName, setting
from components.core.quantities import Duration

OnAmbiguous = Literal["reread", "audit", "refuse"]
_DAY = 86_400_000


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
