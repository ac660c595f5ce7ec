"""What the control schema holds for tables of Cassandra's."""

from typing import Final

CELL_TABLES: Final = """
-- Tables that are merged cell by cell. key: the key's columns in their order. A column's place in columns is its number in
-- merge states: names are only ever appended.
-- partition_columns: how many of the key's columns are the partition's, known since the first deletion of one or of a range.
CREATE TABLE IF NOT EXISTS {schema}.cell_tables (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, table_schema text NOT NULL, table_name text NOT NULL,
    key text[] NOT NULL, columns text[] NOT NULL, partition_columns integer, UNIQUE (table_schema, table_name)
);
-- gin: columns that are to have a GIN index.
ALTER TABLE {schema}.cell_tables ADD COLUMN IF NOT EXISTS gin text[] NOT NULL DEFAULT '{{}}';

-- Rows that are gone, as far as an older event of theirs could still come: what it must not bring back.
CREATE TABLE IF NOT EXISTS {schema}.cell_graves (
    table_id integer NOT NULL REFERENCES {schema}.cell_tables (id) ON DELETE CASCADE,
    key bytea NOT NULL, base bigint NOT NULL, state bytea NOT NULL, PRIMARY KEY (table_id, key)
);
-- By age alone: an index that began with the table would tempt the planner away from the key's.
CREATE INDEX IF NOT EXISTS cell_graves_by_age ON {schema}.cell_graves (base);

-- Deletions of partitions (an empty range) and of ranges of their rows.
CREATE TABLE IF NOT EXISTS {schema}.cell_tombstones (
    table_id integer NOT NULL REFERENCES {schema}.cell_tables (id) ON DELETE CASCADE,
    "partition" bytea NOT NULL, "range" bytea NOT NULL, ts bigint NOT NULL, PRIMARY KEY (table_id, "partition", "range")
);
CREATE INDEX IF NOT EXISTS cell_tombstones_by_age ON {schema}.cell_tombstones (ts);

-- Events that did not tell a column's value (kind ambiguous), and those whose timestamps were ahead of the clock (future).
CREATE TABLE IF NOT EXISTS {schema}.cell_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pipeline text NOT NULL, kind text NOT NULL,
    table_schema text NOT NULL, table_name text NOT NULL, topic text NOT NULL, "partition" integer NOT NULL,
    "offset" bigint NOT NULL, key text, columns text[], ts_us bigint, noted_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (pipeline, topic, "partition", "offset", kind)
);
"""
