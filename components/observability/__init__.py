"""Metrics, alerts and dashboards, derived from all the rest of the environment."""
