"""What every component shares: the spec's base model and types, rendered objects, names, YAML text, errors."""
