"""Changes of a source's columns while its events flow, measured."""
