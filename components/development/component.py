"""The databases of a development environment as a Pulumi component."""

from components.development import render
from components.targets.component import PlatformComponent


class Development(PlatformComponent):
    """Source databases with a small shop in them, for one's own machine only."""

    token = "cdc:development:Development"  # noqa: S105 - a Pulumi type token
    part = render.COMPONENT
    render = staticmethod(render.render)
