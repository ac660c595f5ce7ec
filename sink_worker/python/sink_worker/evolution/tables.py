"""The evolution's own tables in the control schema."""

from typing import Final

EVOLUTION_TABLES: Final = """
-- The columns that a topic's events brought last, by the name in the table: its type, since and as of which source time (ms).
CREATE TABLE IF NOT EXISTS {schema}.schema_seen (
    pipeline text NOT NULL, topic text NOT NULL, table_schema text NOT NULL, table_name text NOT NULL, columns jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (pipeline, topic, table_schema, table_name)
);

-- Breaking changes. A change that comes back after its approval is pending again.
CREATE TABLE IF NOT EXISTS {schema}.schema_reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text NOT NULL, topic text NOT NULL, table_schema text NOT NULL, table_name text NOT NULL,
    fingerprint text NOT NULL, behaviour text NOT NULL, changes jsonb NOT NULL, wanted jsonb NOT NULL, gone jsonb NOT NULL,
    ddl jsonb NOT NULL, source_ms bigint NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected', 'resolved')),
    first_seen timestamptz NOT NULL DEFAULT now(), last_seen timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz, decided_by text, reason text,
    UNIQUE (pipeline, topic, table_schema, table_name, fingerprint)
);

-- Who did what when: applied, found, approved, released, rejected, resolved. Sent to the audit topic where there is one.
CREATE TABLE IF NOT EXISTS {schema}.schema_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text NOT NULL, topic text NOT NULL, table_schema text NOT NULL, table_name text NOT NULL, review bigint,
    event text NOT NULL, actor text NOT NULL, detail jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now(),
    published boolean NOT NULL DEFAULT false
);
CREATE INDEX IF NOT EXISTS schema_audit_unpublished ON {schema}.schema_audit (pipeline, id) WHERE NOT published;
"""
