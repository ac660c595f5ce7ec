"""Redis, where the sink workers leave hints: checkpoints, schemas and locks. Nothing depends on what it holds."""
