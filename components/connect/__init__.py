"""Kafka Connect, blue and green, and the connectors derived from pipelines."""
