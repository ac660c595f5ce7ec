"""Backups: what of an environment is kept elsewhere, how often, and for how long (requirement A13)."""
