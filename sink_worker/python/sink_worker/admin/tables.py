"""The admin API's part of the control schema."""

from typing import Final

ADMIN_TABLES: Final = """
-- Tables that nothing is written to until they are resumed.
CREATE TABLE IF NOT EXISTS {schema}.paused (
    pipeline text NOT NULL, table_schema text NOT NULL, table_name text NOT NULL, reason text NOT NULL,
    paused_by text NOT NULL, paused_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (pipeline, table_schema, table_name)
);

-- Who asked for what. Rows are added and never changed: see the trigger.
CREATE TABLE IF NOT EXISTS {schema}.admin_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    pipeline text NOT NULL, request_id text NOT NULL, phase text NOT NULL CHECK (phase IN ('asked', 'answered')),
    principal text NOT NULL, role text NOT NULL, method text NOT NULL, client text NOT NULL,
    action text NOT NULL, target text NOT NULL, status integer
);
CREATE INDEX IF NOT EXISTS admin_audit_by_time ON {schema}.admin_audit (pipeline, id);
CREATE OR REPLACE FUNCTION {schema}.admin_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'the audit log is append-only'; END$$;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.admin_audit
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.admin_audit_is_append_only();
"""
