"""The foundation as a Pulumi component."""

from components.foundation import render
from components.targets.component import PlatformComponent


class Foundation(PlatformComponent):
    """Namespace, default-deny network policy and priority classes; the network on docker."""

    token = "cdc:foundation:Foundation"  # noqa: S105 - a Pulumi type token
    part = render.COMPONENT
    render = staticmethod(render.render)
