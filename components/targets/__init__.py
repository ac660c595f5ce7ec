"""Targets place what was rendered: the only modules that import a provider's SDK, each only when it is the one in use."""
