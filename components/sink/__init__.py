"""The sink workers: one deployment for each pipeline, which keeps PostgreSQL equal to its source."""
