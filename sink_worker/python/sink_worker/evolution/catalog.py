"""A table as PostgreSQL's catalog has it, for the classification."""

from sink_worker.control import Connection
from sink_worker.evolution.model import Present, TableState

_FIND = """
SELECT c.oid, c.relkind IN ('r', 'p') FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'f', 'v')
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> ''
FROM pg_attribute AS a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEYS = """
SELECT array_agg(a.attname::text) FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid
"""
_PRIMARY = "SELECT conname FROM pg_constraint WHERE conrelid = %s AND contype = 'p'"
# A partitioned table's storage is its partitions'.
_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(t.relid)), 0) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)) AS t (relid)
WHERE n.nspname = %s AND c.relname = %s
"""


def table_state(connection: Connection, schema: str, table: str) -> TableState | None:
    """The table, or None."""
    found = connection.execute(_FIND, [schema, table]).fetchone()
    if found is None:
        return None
    oid, changeable = found
    columns = {
        name: Present(name, kind, bool(not_null and not default and not generated), generated, not not_null)
        for name, kind, not_null, default, generated in connection.execute(_COLUMNS, [oid]).fetchall()
    }
    keys = tuple(frozenset(names) for (names,) in connection.execute(_KEYS, [oid]).fetchall())
    primary = connection.execute(_PRIMARY, [oid]).fetchone()
    return TableState(columns, keys, None if primary is None else primary[0], changeable)


def table_bytes(connection: Connection, schema: str, table: str) -> int:
    """The size of the table with its indexes, its partitions' included."""
    row = connection.execute(_SIZE, [schema, table]).fetchone()
    return 0 if row is None else int(row[0])
