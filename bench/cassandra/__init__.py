"""Cassandra's merge, measured beside the MySQL path."""
