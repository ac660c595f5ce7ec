"""Tracing as a Pulumi component."""

from components.targets.component import PlatformComponent
from components.tracing import render
from components.tracing.names import COMPONENT


class Tracing(PlatformComponent):
    """The collector that spans are sent to, and Jaeger, which shows them."""

    token = "cdc:tracing:Tracing"  # noqa: S105 - a Pulumi type token
    part = COMPONENT
    render = staticmethod(render.render)
