"""A synthetic stream of changes: deterministic by seed, in Debezium's formats, with a model that knows its outcome."""
