"""Observability as a Pulumi component."""

from components.observability import render
from components.targets.component import PlatformComponent


class Observability(PlatformComponent):
    """What is scraped, when somebody is told, and what they look at."""

    token = "cdc:observability:Observability"  # noqa: S105 - a Pulumi type token
    part = render.COMPONENT
    render = staticmethod(render.render)
