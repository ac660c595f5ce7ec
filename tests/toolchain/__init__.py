"""Obtains the real programs that the tests run: brokers, an API server, the Pulumi engine."""
