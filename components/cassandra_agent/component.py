"""Agents for Cassandra as a Pulumi component."""

from components.cassandra_agent import render
from components.targets.component import PlatformComponent


class CassandraAgent(PlatformComponent):
    """Debezium beside each Cassandra node: containers, or the sidecars' configuration."""

    token = "cdc:cassandra:CassandraAgent"  # noqa: S105 - a Pulumi type token
    part = render.COMPONENT
    render = staticmethod(render.render)
