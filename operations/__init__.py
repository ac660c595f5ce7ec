"""The ``cdc`` command: one module a verb, pure functions between reading a spec and writing what follows from it."""
