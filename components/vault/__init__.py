"""Vault: who may read which secret, how it reaches the program that needs it, and the CA for what Strimzi's do not cover."""
