"""The DLQ processor's part of the control schema. Beside ``rejected``, which stays the truth of what is open."""

from typing import Final

DLQ_TABLES: Final = """
-- How often a refused event was tried again, and when it is next. What refused it last may be another reason than the first.
CREATE TABLE IF NOT EXISTS {schema}.dlq_state (
    rejected_id bigint PRIMARY KEY REFERENCES {schema}.rejected (id) ON DELETE CASCADE,
    attempts integer NOT NULL DEFAULT 0, next_attempt_at timestamptz, attempted_at timestamptz,
    error_class text, error_message text
);

-- Given up. Its row in rejected is 'discarded' and has lost its bytes to this one.
CREATE TABLE IF NOT EXISTS {schema}.dlq_archive (
    id bigint PRIMARY KEY, pipeline text NOT NULL, cluster_id text NOT NULL, topic text NOT NULL, topic_id text NOT NULL,
    "partition" integer NOT NULL, "offset" bigint NOT NULL, table_schema text NOT NULL, table_name text NOT NULL,
    key bytea, raw_key bytea, raw_value bytea, headers jsonb NOT NULL, event_ms bigint,
    stage text NOT NULL, error_class text NOT NULL, error_message text NOT NULL, attempts integer NOT NULL,
    reason text NOT NULL, archived_by text NOT NULL, rejected_at timestamptz NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS dlq_archive_by_age ON {schema}.dlq_archive (pipeline, archived_at);

-- Records of the topic of dead letters that name no event which could be taken up.
CREATE TABLE IF NOT EXISTS {schema}.dlq_aside (
    pipeline text NOT NULL, cluster_id text NOT NULL, topic text NOT NULL, topic_id text NOT NULL,
    "partition" integer NOT NULL, "offset" bigint NOT NULL, raw_key bytea, raw_value bytea, headers jsonb NOT NULL,
    problem text NOT NULL, found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, cluster_id, topic, topic_id, "partition", "offset")
);

-- How far the topic of dead letters was read: moves in the transaction that takes up what was read.
CREATE TABLE IF NOT EXISTS {schema}.dlq_positions (
    pipeline text NOT NULL, cluster_id text NOT NULL, topic text NOT NULL, topic_id text NOT NULL,
    "partition" integer NOT NULL, next_offset bigint NOT NULL,
    PRIMARY KEY (pipeline, cluster_id, topic, topic_id, "partition")
);
"""
