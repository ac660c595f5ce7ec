"""HAProxy as a Pulumi component."""

from components.haproxy import render
from components.targets.component import PlatformComponent


class Haproxy(PlatformComponent):
    """What clients of the schema registry and of Kafka Connect connect to."""

    token = "cdc:haproxy:Haproxy"  # noqa: S105 - a Pulumi type token
    part = render.COMPONENT
    render = staticmethod(render.render)
