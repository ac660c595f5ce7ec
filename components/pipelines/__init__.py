"""Pipelines: one source's tables, the topics they become, and the sink they end in."""
