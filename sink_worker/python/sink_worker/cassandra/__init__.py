"""Debezium's events of Cassandra, merged into PostgreSQL as Cassandra merges."""
